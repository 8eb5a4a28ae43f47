"""The kernel's structs as C, laid out as the running kernel's BTF says, so that programs compiled here need no headers
of it. What libbpf does to a finished object (CO-RE) is done before compiling; the members are kernel_types.h's."""

from collections.abc import Collection, Iterable

from tcpwatch.kernel.btf import Btf, Place
from tcpwatch.kernel.loaders.declarations import Member, Struct

_BYTES = {
    **dict.fromkeys(("bool", "u8", "__u8", "s8", "__s8", "unsigned char"), 1),
    **dict.fromkeys(("u16", "__u16", "s16", "__be16", "unsigned short", "short"), 2),
    **dict.fromkeys(("u32", "__u32", "s32", "__be32", "__wsum", "unsigned int", "int"), 4),
    **dict.fromkeys(("u64", "__u64", "s64", "__s64", "unsigned long", "long"), 8),
}


def generate(wanted: Iterable[Struct], kernel: Btf, guarded: Collection[str]) -> str:
    """C that declares the structs, each member where this kernel has it. guarded: the members that the programs ask for
    with HAS() first. One that this kernel lacks is declared all the same if guarded, to be compiled and not reached;
    else it is left out, and the compiler says so."""
    writer = _Writer(kernel, guarded)
    text = "".join(map(writer.declare, wanted))
    return writer.answers() + text


class _Writer:
    def __init__(self, kernel: Btf, guarded: Collection[str]) -> None:
        self._kernel = kernel
        self._lacking: dict[str, bool] = dict.fromkeys(guarded, False)

    def answers(self) -> str:
        """HAS() of each guarded member."""
        return "".join(f"#define HAS_{name} {int(not lacking)}\n" for name, lacking in self._lacking.items())

    def declare(self, struct: Struct) -> str:
        if struct.members is None:
            return f"{struct.name};\n"
        identity = self._kernel.aggregate(struct.kernel_name)
        body = self._body(struct.members, identity)
        if struct.name.startswith("struct "):
            return f"{struct.name} {body};\n"
        return f"typedef struct {body} {struct.name};\n"

    def _body(self, members: Iterable[Member], identity: int | None) -> str:
        """A union of the whole and of each member behind its own padding: members may overlap, in any order."""
        places = self._kernel.places(identity) if identity is not None else {}
        lines = [self._member(member, places.get(member.name)) for member in members]
        size = self._kernel.size(identity) if identity is not None else 0
        whole = f"u8 whole_[{size}];" if size else ""
        return "{ union { " + " ".join([*filter(None, lines), whole]) + " }; }"

    def _member(self, member: Member, place: Place | None) -> str:
        if place is None:
            if member.name not in self._lacking:
                return ""
            self._lacking[member.name] = True
            return f"struct {{ {self._plain(member, None)} }};"
        if place.bits:
            return self._bit_field(member.name, place)
        return f"struct {{ {_padding(member.name, place.offset_bits // 8)}{self._plain(member, place)} }};"

    @staticmethod
    def _bit_field(name: str, place: Place) -> str:
        """Counted from the first bit that the CPU's byte order fills, both here and in BTF."""
        unit = next(n for n in (8, 16, 32, 64) if place.offset_bits % n + place.bits <= n)
        rest = place.offset_bits % unit
        gap = f"u{unit} : {rest}; " if rest else ""
        return f"struct {{ {_padding(name, (place.offset_bits - rest) // 8)}{gap}u{unit} {name} : {place.bits}; }};"

    def _plain(self, member: Member, place: Place | None) -> str:
        if member.inside is not None:
            body = self._body(member.inside, place.type if place else None)
            return f"struct {body} {member.name}{member.array};"
        kind = member.type
        known = self._kernel.integer_bytes(place.type) if place else None
        declared = _BYTES.get(kind.removeprefix("volatile "))
        if known is not None and declared is not None and known != declared:
            kind = f"u{8 * known}"  # it has not always been as wide
        return f"{kind} {member.name}{member.array};"


def _padding(name: str, size: int) -> str:
    return f"u8 before_{name}[{size}]; " if size else ""
