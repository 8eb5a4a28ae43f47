"""The few things to be known of BPF instructions (include/uapi/linux/bpf.h): which maps a program names, and which
number a function returns that only returns one."""

import struct
import sys
from collections.abc import Mapping

_ORDER = "<" if sys.byteorder == "little" else ">"
_INSTRUCTION = struct.Struct(f"{_ORDER}BBhi")  # operation, registers, offset, immediate
_LOAD_64 = 0x18  # takes two slots; the second one's immediate is the upper half
_MAP = 1  # BPF_PSEUDO_MAP_FD, in place of the source register


def with_maps(code: bytes, descriptors: Mapping[int, int]) -> bytes:
    """The program with its numbers of maps replaced by their descriptors."""
    changed = bytearray(code)
    at = 0
    while at < len(code):
        operation, registers, offset, immediate = _INSTRUCTION.unpack_from(code, at)
        if operation == _LOAD_64:
            if _source(registers) == _MAP:
                _INSTRUCTION.pack_into(changed, at, operation, registers, offset, descriptors[immediate])
            at += _INSTRUCTION.size
        at += _INSTRUCTION.size
    return bytes(changed)


def constant(code: bytes) -> int:
    """What the function returns: it begins by loading 64 bits."""
    (operation, _, _, low), (_, _, _, high) = (_INSTRUCTION.unpack_from(code, at) for at in (0, _INSTRUCTION.size))
    if operation != _LOAD_64:
        raise ValueError("no constant")
    return (high & 0xFFFFFFFF) << 32 | low & 0xFFFFFFFF


def _source(registers: int) -> int:
    """Four bits each; which half is whose depends on the byte order, as bit fields do in C."""
    return registers >> 4 if sys.byteorder == "little" else registers & 0xF
