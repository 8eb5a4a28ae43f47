"""BTF: the kernel's own description of its types, and our object's description of its records. Answers which
tracepoints exist with how many arguments, what an enum's numbers mean, and how a struct is laid out."""

import ctypes as C
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tcpwatch import layout
from tcpwatch.errors import KernelLacks, TcpwatchError
from tcpwatch.kernel import libbpf

_INT, _STRUCT, _UNION, _ENUM, _TYPEDEF, _FUNC, _DATASEC = 1, 4, 5, 6, 8, 12, 15  # BTF_KIND_*
_RENAMING = (_TYPEDEF, 9, 10, 11, 18)  # and volatile, const, restrict, type tags: the same type by another name
VMLINUX = "/sys/kernel/btf/vmlinux"


class _Type(C.Structure):
    _fields_ = (("name_off", C.c_uint32), ("info", C.c_uint32), ("size", C.c_uint32))


class _Member(C.Structure):
    _fields_ = (("name_off", C.c_uint32), ("type", C.c_uint32), ("offset", C.c_uint32))


class _Value(C.Structure):
    _fields_ = (("name_off", C.c_uint32), ("value", C.c_int32))


class _Slot(C.Structure):
    _fields_ = (("type", C.c_uint32), ("offset", C.c_uint32), ("size", C.c_uint32))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member lies in its struct."""

    offset_bits: int
    bits: int  # of a bit field, else 0
    type: int  # BTF's number of its type


class Btf:
    """A parsed BTF blob (include/uapi/linux/btf.h)."""

    def __init__(self, pointer: int, owned: bool) -> None:
        self._pointer = pointer
        self._owned = owned

    @classmethod
    def of_kernel(cls) -> "Btf":
        pointer = libbpf.call("btf__load_vmlinux_btf")
        if not pointer:
            raise KernelLacks(
                f"this kernel does not describe its types: no BTF at {VMLINUX}",
                "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's, Ubuntu's and Fedora's are)",
            )
        return cls(pointer, owned=True)

    @classmethod
    def of_object(cls, loaded: libbpf.Object) -> "Btf":
        return cls(libbpf.call("bpf_object__btf", loaded.pointer), owned=False)

    def close(self) -> None:
        if self._owned and self._pointer:
            libbpf.call("btf__free", self._pointer)
        self._pointer = 0

    def tracepoint_arguments(self, event: str) -> int | None:
        """How many arguments the tracepoint's handler takes, None where the kernel has no such tracepoint."""
        found = self._find(f"btf_trace_{event}", _TYPEDEF)
        if found is None:
            return None
        prototype = self._head(self._head(found)[1].size)[1].size  # typedef -> pointer -> function prototype
        return self._count(self._head(prototype)[1]) - 1  # less the void *data that every handler gets

    def has_function(self, name: str) -> bool:
        """Whether the kernel has it as such: what was inlined everywhere cannot be hooked."""
        return self._find(name, _FUNC) is not None

    has_helper = has_function

    def enum(self, name: str) -> tuple[str, ...]:
        """An enum's names by value, "" in its gaps; () where the kernel lacks it."""
        found = self._find(name, _ENUM)
        if found is None:
            return ()
        address, head = self._head(found)
        values = {v.value: self._name(v.name_off) for v in (_Value * self._count(head)).from_address(address)}
        return tuple(values.get(i, "") for i in range(max(values, default=-1) + 1))

    def struct(self, name: str) -> dict[str, tuple[int, int]]:
        """A struct's members: name -> (byte offset, size). {} where there is none."""
        found = self._find(name, _STRUCT)
        if found is None:
            return {}
        address, head = self._head(found)
        members = (_Member * self._count(head)).from_address(address)
        return {self._name(m.name_off): (m.offset // 8, self._size(m.type)) for m in members}

    def aggregate(self, name: str) -> int | None:
        """The number of the struct of that name, or of the one that a typedef of that name stands for."""
        found = self._find(name, _STRUCT)
        if found is None and (found := self._find(name, _TYPEDEF)) is not None:
            found = self._meant(found)
        return found

    def places(self, identity: int) -> dict[str, Place]:
        """The members of a struct or union by name, those of nameless ones within it included."""
        found: dict[str, Place] = {}
        address, head = self._head(identity)
        if self._kind(head) not in (_STRUCT, _UNION):
            return found
        for m in (_Member * self._count(head)).from_address(address):
            # where the struct has bit fields, the offset's upper byte tells their width
            offset, bits = (m.offset & 0xFFFFFF, m.offset >> 24) if head.info >> 31 else (m.offset, 0)
            if name := self._name(m.name_off):
                found[name] = Place(offset, bits, m.type)
            else:
                inner = self.places(self._meant(m.type))
                found |= {n: Place(offset + place.offset_bits, place.bits, place.type) for n, place in inner.items()}
        return found

    def size(self, identity: int) -> int:
        """In bytes."""
        return self._size(identity)

    def integer_bytes(self, identity: int) -> int | None:
        """The size of an integer type, None where it is none."""
        meant = self._meant(identity)
        return self._size(meant) if self._kind(self._head(meant)[1]) in (_INT, _ENUM) else None

    def attach_point(self, kind: str, target: str) -> int | None:
        """The number by which the kernel knows what a program of that kind attaches to: an argument list for tp_btf, a
        function for the others. None where it has no such thing."""
        if kind == "tp_btf":
            return self._find(f"btf_trace_{target}", _TYPEDEF)
        return self._find(f"bpf_iter_{target}" if kind == "iter" else target, _FUNC)

    def variables(self, section: str) -> Iterator[tuple[str, int, int]]:
        """(name, offset, size) of each variable in a data section such as .rodata."""
        found = self._find(section, _DATASEC)
        if found is None:
            return
        address, head = self._head(found)
        for slot in (_Slot * self._count(head)).from_address(address):
            yield self._name(self._head(slot.type)[1].name_off), slot.offset, slot.size

    def _find(self, name: str, kind: int) -> int | None:
        found = libbpf.call("btf__find_by_name_kind", self._pointer, name.encode(), kind)
        return found if found >= 0 else None

    def _head(self, identity: int) -> tuple[int, _Type]:
        """(address of what follows the type's head, the head)"""
        address = libbpf.call("btf__type_by_id", self._pointer, identity)
        return address + C.sizeof(_Type), _Type.from_address(address)

    def _name(self, offset: int) -> str:
        return libbpf.text("btf__name_by_offset", self._pointer, offset)

    def _size(self, identity: int) -> int:
        return libbpf.call("btf__resolve_size", self._pointer, identity)

    def _meant(self, identity: int) -> int:
        """The type behind typedefs and qualifiers."""
        head = self._head(identity)[1]
        while self._kind(head) in _RENAMING:
            identity = head.size
            head = self._head(identity)[1]
        return identity

    @staticmethod
    def _kind(head: _Type) -> int:
        return head.info >> 24 & 0x1F

    @staticmethod
    def _count(head: _Type) -> int:
        return head.info & 0xFFFF


def check_records(btf: Btf, structs: Mapping[str, layout.Fields]) -> None:
    """Compare the object's records with ours, field by field. Raises TcpwatchError naming the difference."""
    for name, fields in structs.items():
        ours = layout.places(fields)
        theirs = btf.struct(name)
        if ours != theirs:
            differ = sorted(set(ours.items()) ^ set(theirs.items()), key=lambda item: item[1])
            raise TcpwatchError(
                f"the BPF object and tcpwatch disagree about struct {name}: {differ[:3]}",
                "they come from different versions: run make setup, or reinstall tcpwatch-ebpf",
            )
