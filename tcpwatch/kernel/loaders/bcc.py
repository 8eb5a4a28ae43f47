"""The loader for kernels without BTF, and for installations without a finished object: the distribution's bcc compiles
our C at start. The rest is done here as libbpf would do it: maps are made, programs loaded one by one, and attached."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tcpwatch.errors import KernelLacks, TcpwatchError
from tcpwatch.kernel import libbpf
from tcpwatch.kernel.btf import Btf
from tcpwatch.kernel.loaders import declarations, descriptors, instructions, structs, verifier
from tcpwatch.kernel.loaders.compiler import Compiler
from tcpwatch.kernel.loaders.headers import Headers
from tcpwatch.kernel.loaders.loaded import Targets

_MAP = "map__"  # dialect.h names so the function that returns a map's shape
_RINGS = 12  # BPF_MAP_TYPE_ARRAY_OF_MAPS
_BY_ADDRESS = 9  # BPF_MAP_TYPE_LRU_HASH
_INSTEAD = {"tp_btf": "raw_tp", "fentry": "kprobe", "fexit": "kretprobe"}  # where there is no BTF


class Bcc:
    """because: why the core loader cannot serve, where that is why this one was chosen."""

    name = "bcc"

    def __init__(self, because: KernelLacks | None = None) -> None:
        libbpf.library()
        self._because = because
        try:
            self._compiler = Compiler()  # first, as it takes longest to begin
        except KernelLacks as error:
            raise self._explained(error) from error
        try:
            self.kernel, self._btf = self._described()
        except BaseException:
            self._compiler.close()
            raise
        self.instead: Mapping[str, str] = {} if self._btf else _INSTEAD
        self.iterators = self._btf is not None
        self.no_functions = self.kernel.functions.lacking if isinstance(self.kernel, Headers) else ""

    def load(self, programs: Targets, constants: Mapping[str, int], rings: int) -> tuple["Compiled", dict[str, str]]:
        text = (sources() / "tcpwatch.bpf.c").read_text()
        try:
            functions = self._compiler.compile(*self._request(text, constants))
        except KernelLacks as error:
            raise self._explained(error) from error
        terms = re.search(r'^LICENSE\("(.*)"\)', text, re.MULTILINE)
        compiled = Compiled(functions, terms[1] if terms else "", self._btf, rings)
        try:
            return compiled, compiled.load(programs)
        except BaseException:
            compiled.close()
            raise

    def close(self) -> None:
        self._compiler.close()
        self.kernel.close()

    def _described(self) -> tuple[Btf | Headers, Btf | None]:
        try:
            kernel = Btf.of_kernel()
        except KernelLacks as error:
            try:
                return Headers(), None
            except KernelLacks as none:
                self._because = error
                raise self._explained(none) from none
        return kernel, kernel

    def _explained(self, error: KernelLacks) -> KernelLacks:
        """With what would have had to be otherwise for bcc not to be needed."""
        return KernelLacks(f"{self._because.what}, and {error.what}", error.cure) if self._because else error

    def _request(self, text: str, constants: Mapping[str, int]) -> tuple[str, list[str], str | None]:
        """What the compiler takes: the text, its flags, and where a kernel's headers are."""
        known = set(re.findall(r"^KNOB\(\w+, (\w+),", text, re.MULTILINE))
        if known != constants.keys():
            raise TcpwatchError(
                f"the programs' knobs are {sorted(known)}, expected {sorted(constants)}", "reinstall tcpwatch-ebpf"
            )
        place = sources()
        flags = ["-g0", f"-I{place}", *(f"-Dknob_{name}={value}" for name, value in constants.items())]
        if self._btf is None:
            assert isinstance(self.kernel, Headers)
            return text, [*flags, "-DWITHOUT_BTF"], self.kernel.place
        wanted = declarations.read((place / "kernel_types.h").read_text())
        described = structs.generate(wanted, self._btf, guarded(place))
        return f'{described}#line 1 "tcpwatch.bpf.c"\n{text}', flags, str(place / "bcc")


class Compiled:
    """Compiled programs, and their maps. btf: None where programs know of the kernel what its headers say. rings: that
    map is there already."""

    def __init__(self, functions: Mapping[str, bytes], terms: str, btf: Btf | None, rings: int) -> None:
        self._terms, self._btf = terms, btf
        self._maps: dict[str, int] = {}
        self._programs: dict[str, int] = {}
        self._links: dict[str, int] = {}
        self._parts: dict[str, tuple[str, ...]] = {}
        self._targets: dict[str, tuple[str, str]] = {}
        shapes = {name: code for name, code in functions.items() if name.startswith(_MAP)}
        numbers: dict[int, int] = {}
        for name, code in shapes.items():
            shape = instructions.constant(code)
            name = name.removeprefix(_MAP)
            numbers[shape >> 40 & 0xFFFF] = rings if shape >> 56 == _RINGS else self._make(name, shape)
        self._code = {name: instructions.with_maps(functions[name], numbers) for name in functions.keys() - shapes}

    def load(self, targets: Targets) -> dict[str, str]:
        """Load those programs. Why the verifier would not have some; raises where it would not have any."""
        refusals: dict[str, descriptors.Refused] = {}
        for program, target in targets.items():
            parts = {program: target} if self._btf else without_btf(program, *target)
            self._parts[program] = tuple(parts)
            self._targets |= parts
            try:
                for part in parts:
                    self._programs[part] = self._load(part)
            except descriptors.Refused as refusal:
                refusals[program] = refusal
        if refusals and not self._programs:
            first = next(iter(refusals.values()))
            verifier.reject(first.said, first.error)
        return {program: verifier.last_words(each.said, each.error) for program, each in refusals.items()}

    def descriptor(self, name: str) -> int:
        return self._maps[name]

    def attach(self, program: str) -> int:
        try:
            for part in self._parts[program]:
                self._links[part] = descriptors.attach_program(self._programs[part], *self._targets[part])
        except BaseException:
            self.detach(program)
            raise
        return self._links[program]

    def detach(self, program: str) -> None:
        for part in self._parts[program]:
            if part in self._links:
                os.close(self._links.pop(part))

    def recursion_misses(self, program: str) -> int:
        return sum(libbpf.recursion_misses(self._programs[part]) for part in self._parts[program])

    def close(self) -> None:
        for held in (self._links, self._programs, self._maps):
            while held:
                os.close(held.popitem()[1])

    def _load(self, program: str) -> int:
        kind, target = self._targets[program]
        point = self._btf.attach_point(kind, target) if self._btf else 0
        if point is None:
            raise TcpwatchError(f"{program} attaches to {target}, which this kernel does not describe")
        return descriptors.load_program(program, kind, point, self._code[program], self._terms)

    def _make(self, name: str, shape: int) -> int:
        kind, size, entries = shape >> 56, shape >> 24 & 0xFFFF, shape & 0xFFFFFF
        try:
            self._maps[name] = descriptors.make_map(kind, name, 8 if kind == _BY_ADDRESS else 4, size, entries, None)
        except OSError as error:
            self.close()
            verifier.reject("", error)
        return self._maps[name]


def without_btf(program: str, kind: str, target: str) -> dict[str, tuple[str, str]]:
    """What dialect.h makes of a hook there, in the order in which it is attached: the end of a function takes another
    program at its beginning, which keeps what the function was given."""
    parts = {program: (_INSTEAD[kind], target)}
    return {f"enter_{target}": ("kprobe", target)} | parts if kind == "fexit" else parts


def sources() -> Path:
    """Where the C lies: in the package, or in a clone beside it."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "bpf"
    return installed if installed.is_dir() else package.parents[1] / "bpf"


def guarded(place: Path) -> set[str]:
    """The members that the programs ask for before they read them."""
    texts = [path.read_text() for path in place.glob("*.[ch]") if path.name != "dialect.h"]
    return set(re.findall(r"\bHAS\([^,]*,\s*(\w+)\)", "".join(texts)))
