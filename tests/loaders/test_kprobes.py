"""Hooks on functions without BTF: which functions can be hooked, what is compiled and loaded for each hook, and what is
said where the kernel has no kprobes. That they tell of the right calls is tested on other kernels (tests/kernels)."""

import json
import os
from pathlib import Path

import pytest

from tcpwatch.kernel import libbpf
from tcpwatch.kernel.loaders import descriptors, instructions, kprobes
from tcpwatch.kernel.loaders.bcc import sources, without_btf
from tcpwatch.kernel.loaders.compiler import Compiler
from tcpwatch.kernel.loaders.headers import Headers
from tcpwatch.kernel.loaders.kprobes import Functions
from tcpwatch.kernel.programs import HOOKS
from tests.kernel import watch
from tests.kernel.conftest import machine

from . import elsewhere
from .elsewhere import plant_headers

__all__ = ["machine"]

SYMBOLS = """\
0000000000000000 T tcp_make_synack
0000000000000000 t cookie_v6_check\t[ipv6]
0000000000000000 D tcp_hashinfo
0000000000000000 t tcp_enter_loss.isra.0
0000000000000000 t twice
0000000000000000 t twice
0000000000000000 T before_cookie_v4_check
"""
RINGS, LRU = 12, 9  # enum bpf_map_type


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """As where there are kprobes."""
    (tmp_path / "type").write_text("8\n")
    return tmp_path


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(tmp_path / "tree"))
    return plant_headers(tmp_path / "tree")


@pytest.fixture
def compiled(tree: Path) -> dict[str, bytes]:
    """All programs, for this kernel as if it had no BTF."""
    text = (sources() / "tcpwatch.bpf.c").read_text()
    constants = {line.split()[1].rstrip(","): 0 for line in text.splitlines() if line.startswith("KNOB(")}
    flags = ["-g0", "-DWITHOUT_BTF", f"-I{sources()}", *(f"-Dknob_{name}={value}" for name, value in constants.items())]
    return Compiler().compile(text, flags, str(tree))


def test_functions_are_those_of_exactly_that_name(device: Path) -> None:
    """No data, no clone that the compiler made for itself, no name that two functions share; modules have some, too.
    Addresses may be hidden."""
    symbols = device / "kallsyms"
    symbols.write_text(SYMBOLS)
    functions = Functions(symbols, device)
    wanted = {line.split()[2] for line in SYMBOLS.splitlines()} | {"tcp_enter_loss", "cookie_v4_check", "tcp_make"}
    assert {name for name in wanted if name in functions} == {
        "tcp_make_synack",
        "cookie_v6_check",
        "tcp_enter_loss.isra.0",
        "before_cookie_v4_check",
    }
    assert functions.lacking == ""


def test_a_kernel_without_kprobes_says_so(tmp_path: Path) -> None:
    """Rather than that it has no such function."""
    symbols = tmp_path / "kallsyms"
    symbols.write_text(SYMBOLS)
    functions = Functions(symbols, tmp_path / "nothing")
    assert "CONFIG_KPROBE_EVENTS" in functions.lacking
    assert "tcp_make_synack" not in functions


def test_a_kernel_that_does_not_tell_its_functions(device: Path) -> None:
    """CONFIG_KALLSYMS is off, or the file is hidden."""
    functions = Functions(device / "nowhere", device)
    assert "does not tell which functions" in functions.lacking
    assert "tcp_make_synack" not in functions


def test_a_function_that_is_not_there_is_an_error() -> None:
    """As is any, where the kernel has no kprobes; nothing is left behind."""
    program = descriptors.load_program("nothing", "kprobe", 0, bytes([0xB7, *bytes(7), 0x95, *bytes(7)]), "GPL")
    before = os.listdir("/proc/self/fd")
    try:
        with pytest.raises(OSError, match="No such file or directory"):
            kprobes.attach(program, "tcp_no_such_function", at_return=True)
        assert os.listdir("/proc/self/fd") == before
    finally:
        os.close(program)


def test_helpers_that_take_typed_pointers_are_not_there(tree: Path) -> None:
    """The kernel has functions of their names."""
    assert not Headers().has_helper("bpf_get_socket_ptr_cookie")


def test_the_end_of_a_function_takes_its_beginning() -> None:
    """What it was given is kept there, by a program that stands there first."""
    assert list(without_btf("after_f", "fexit", "f").items()) == [
        ("enter_f", ("kprobe", "f")),
        ("after_f", ("kretprobe", "f")),
    ]
    assert without_btf("on_f", "fentry", "f") == {"on_f": ("kprobe", "f")}
    assert without_btf("on_e", "tp_btf", "e") == {"on_e": ("raw_tp", "e")}


def test_every_hook_has_programs_that_the_kernel_takes(machine: None, compiled: dict[str, bytes]) -> None:
    """Those on functions, too, whether or not this kernel lets them be attached."""
    hooks = [hook for hook in HOOKS if hook.kind != "iter"]
    parts = {name: part for hook in hooks for name, part in without_btf(hook.program, hook.kind, hook.target).items()}
    assert parts.keys() <= compiled.keys()
    maps: dict[int, int] = {}
    loaded: list[int] = []
    try:
        for name, code in compiled.items():
            if name.startswith("map__"):
                shape = instructions.constant(code)
                maps[shape >> 40 & 0xFFFF] = made(name, shape)
        for name, (kind, _) in parts.items():
            if kind != "raw_tp":
                code = instructions.with_maps(compiled[name], maps)
                loaded.append(descriptors.load_program(name, kind, 0, code, "Dual MIT/GPL"))
    finally:
        for descriptor in (*maps.values(), *loaded):
            os.close(descriptor)
    assert len(loaded) >= 5


def made(name: str, shape: int) -> int:
    """The map that a function of dialect.h's describes."""
    kind, size, entries = shape >> 56, shape >> 24 & 0xFFFF, shape & 0xFFFFFF
    if kind == RINGS:
        ring = libbpf.make_ring(os.sysconf("SC_PAGE_SIZE"))
        try:
            return descriptors.make_map(kind, name, 4, size, entries, ring)
        finally:
            os.close(ring)
    return descriptors.make_map(kind, name, 8 if kind == LRU else 4, size, entries, None)


def test_doctor_calls_them_what_they_are(tmp_path: Path) -> None:
    """And where they cannot be had, why."""
    prefix = elsewhere.without_btf(plant_headers(tmp_path / "tree"))
    lines = watch.tcpwatch("doctor", "--format", "jsonl", prefix=prefix).stdout.splitlines()
    found = {finding["name"]: finding for finding in map(json.loads, lines)}
    for name in ("kprobe/tcp_make_synack", "kretprobe/cookie_v4_check", "kretprobe/cookie_v6_check"):
        if Functions().lacking:
            assert (found[name]["status"], "CONFIG_KPROBE_EVENTS" in found[name]["reason"]) == ("missing", True)
        else:
            assert found[name]["status"] in ("ok", "refused")
