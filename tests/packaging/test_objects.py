"""The compiled BPF programs: of the right byte order, with BTF and without debug information."""

import struct
import zipfile
from pathlib import Path

import pytest

EM_BPF = 247
ORDERS = {"el": (1, "<"), "eb": (2, ">")}  # EI_DATA of ELF, struct's sign for it


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def elf(wheel: Path, order: str) -> bytes:
    """The object of that byte order, as the wheel holds it."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"tcpwatch/kernel/objects/tcpwatch.bpf{order}.o")


def sections(elf: bytes, sign: str) -> dict[str, int]:
    """Section name -> its size in bytes. Offsets are those of Elf64_Ehdr and Elf64_Shdr."""
    (table,) = struct.unpack_from(f"{sign}Q", elf, 40)
    size, count, names_at = struct.unpack_from(f"{sign}3H", elf, 58)
    headers = [struct.unpack_from(f"{sign}IIQQQQ", elf, table + i * size) for i in range(count)]
    names = headers[names_at][4]
    return {elf[names + h[0] : elf.index(b"\0", names + h[0])].decode(): h[5] for h in headers}


def test_the_object_is_bpf_of_its_byte_order(elf: bytes, order: str) -> None:
    """The ELF header says so."""
    data, sign = ORDERS[order]
    assert elf[:6] == b"\x7fELF\x02" + bytes([data])
    assert struct.unpack_from(f"{sign}H", elf, 18) == (EM_BPF,)


def test_the_object_has_btf_and_no_debug_information(elf: bytes, order: str) -> None:
    """libbpf relocates by BTF; DWARF would only make the wheel several times larger."""
    found = sections(elf, ORDERS[order][1])
    assert found[".BTF"] > 0
    assert found[".BTF.ext"] > 0
    assert not [name for name in found if name.startswith(".debug")]


def test_the_object_holds_every_hook_of_the_source(elf: bytes, order: str, root: Path) -> None:
    """One section per TRACEPOINT and ITERATOR line of the table of contents."""
    source = (root / "bpf" / "tcpwatch.bpf.c").read_text().splitlines()
    kinds = {"TRACEPOINT(": "tp_btf/", "ITERATOR(": "iter/"}
    hooks = {kind + line[len(word) : -1] for line in source for word, kind in kinds.items() if line.startswith(word)}
    assert hooks
    assert hooks <= sections(elf, ORDERS[order][1]).keys()


def test_the_object_knows_nothing_of_the_machine_that_built_it(elf: bytes, tree: Path) -> None:
    """Built elsewhere from the same source it would be the same."""
    assert str(tree).encode() not in elf
