"""The loader for kernels that describe their types: an object compiled ahead of time, which libbpf fits to them."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tcpwatch import layout
from tcpwatch.errors import KernelLacks, TcpwatchError
from tcpwatch.kernel import libbpf
from tcpwatch.kernel.btf import Btf, check_records
from tcpwatch.kernel.loaders import descriptors, verifier
from tcpwatch.kernel.loaders.loaded import Targets
from tcpwatch.probe import FUNCTIONS

_OBJECTS = Path(__file__).resolve().parents[1] / "objects"
_TABLES = {"numbers": "makes_cookies", "congestion_told": "congestion_has_event"}  # and the knobs that spare us them
_NOTHING = bytes([0xB7, *bytes(7), 0x95, *bytes(7)])  # return 0


class Core:
    name = "core"
    instead: Mapping[str, str] = MappingProxyType({})
    iterators = True
    no_functions = ""

    def __init__(self) -> None:
        libbpf.library()  # before the BTF, so that a missing libbpf is what gets reported
        self.kernel = Btf.of_kernel()
        try:
            self._image = image()
        except BaseException:
            self.close()
            raise

    def load(self, programs: Targets, constants: Mapping[str, int], rings: int) -> tuple[libbpf.Object, dict[str, str]]:
        """One program that the verifier refuses must not cost us the others: leave it out and try again."""
        refused = self._forbidden(programs)
        while True:
            opened = libbpf.Object(self._image)
            try:
                check_records(Btf.of_object(opened), layout.STRUCTS)
                opened.choose((programs.keys() - refused.keys()).__contains__)
                _set_constants(opened, constants)
                opened.replace("rings", rings)
                for name, knob in _TABLES.items():
                    if constants[knob]:
                        opened.resize(name, 1)
                libbpf.take_messages()
                opened.load()
                return opened, refused
            except OSError as error:
                opened.close()
                said = libbpf.take_messages()
                culprit = _culprit(said)
                if culprit is None or culprit in refused:
                    verifier.reject(said, error)
                refused[culprit] = verifier.last_words(said, error)
            except BaseException:
                opened.close()
                raise

    def _forbidden(self, programs: Targets) -> dict[str, str]:
        """Why no function may be hooked, where that is so: tried with one that does nothing, which costs less than to
        load them all twice."""
        functions = {name: target for name, target in programs.items() if target[0] in FUNCTIONS}
        for kind, target in functions.values():
            point = self.kernel.attach_point(kind, target)
            try:
                os.close(descriptors.load_program("nothing", kind, point or 0, _NOTHING, "GPL"))
            except descriptors.Refused as refusal:
                return dict.fromkeys(functions, verifier.last_words(refusal.said, refusal.error))
            break
        return {}

    def close(self) -> None:
        self.kernel.close()


def image() -> bytes:
    """The object for this CPU's byte order."""
    name = f"tcpwatch.bpf{'el' if sys.byteorder == 'little' else 'eb'}.o"
    try:
        return (_OBJECTS / name).read_bytes()
    except OSError as error:
        raise KernelLacks(
            f"the compiled BPF object {name} is not installed", "run make setup, or reinstall tcpwatch-ebpf"
        ) from error


def _culprit(said: str) -> str | None:
    """The program that made loading fail, None where it was none of them."""
    found = re.findall(r"prog '(\w+)': (?:failed to load|BPF program load failed)", said)
    return str(found[-1]) if found else None


def _set_constants(opened: libbpf.Object, values: Mapping[str, int]) -> None:
    data = opened.constants()
    slots = {name: (offset, size) for name, offset, size in Btf.of_object(opened).variables(".rodata")}
    if data is None or slots.keys() != values.keys():
        raise TcpwatchError(
            f"the BPF object's knobs are {sorted(slots)}, expected {sorted(values)}", "run make setup again"
        )
    for name, (offset, size) in slots.items():
        memoryview(data).cast("B")[offset : offset + size] = values[name].to_bytes(size, sys.byteorder)
