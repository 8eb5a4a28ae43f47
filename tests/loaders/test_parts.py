"""The parts of bcc's loader, each by itself: what is read from our C, from BTF, from headers and from instructions, and
what is made of answers that are none."""

import json
import os
import shutil
import struct
from pathlib import Path

import pytest

from tcpwatch.errors import KernelLacks, TcpwatchError
from tcpwatch.kernel.btf import Btf
from tcpwatch.kernel.loaders import compiler, declarations, instructions, structs
from tcpwatch.kernel.loaders.bcc import guarded, sources
from tcpwatch.kernel.loaders.compiler import Compiler
from tcpwatch.kernel.loaders.headers import Headers
from tests.kernel.conftest import machine

from .elsewhere import plant_headers

__all__ = ["machine"]

FRAME = """before
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
{text}
#pragma clang attribute pop
struct after {{ int x; }};
"""
KEEPALIVE = "struct netns_ipv4 {{ {kind} sysctl_tcp_keepalive_probes; }};"


def parsed(text: str) -> list[declarations.Struct]:
    return declarations.read(FRAME.format(text=text))


def generated(text: str, *guarded: str) -> str:
    kernel = Btf.of_kernel()
    try:
        return structs.generate(parsed(text), kernel, guarded)
    finally:
        kernel.close()


def test_declarations_are_read() -> None:
    """All the forms that kernel_types.h uses; comments and what lies outside are passed over."""
    found = parsed("""
        struct file; /* struct not_this { int x; }; */
        typedef struct { unsigned int val; } kuid_t;
        struct odd { const struct cred *cred; u16 wide : 4; struct { u32 deep[3]; } nested; volatile unsigned char c; };
        struct shape___old { int x; };
    """)
    assert [struct.name for struct in found] == ["struct file", "kuid_t", "struct odd", "struct shape___old"]
    assert found[0].members is None
    assert found[3].kernel_name == "shape"
    assert found[2].members is not None
    pointer, bits, nested, last = found[2].members
    assert (pointer.type, pointer.name) == ("const struct cred *", "cred")
    assert (bits.name, bits.bits) == ("wide", 4)
    assert nested.inside == (declarations.Member("deep", "u32", "[3]", 0),)
    assert (last.type, last.name) == ("volatile unsigned char", "c")


@pytest.mark.parametrize("text", ["struct a { int x; ", "int x;", "typedef int number;", "struct a { int x; } b;"])
def test_other_c_is_refused(text: str) -> None:
    """Better no programs than structs that are laid out wrongly."""
    with pytest.raises(ValueError, match="kernel_types"):
        parsed(text)


def test_all_that_the_programs_read_is_found_here() -> None:
    """The kernel that runs has every member of kernel_types.h, or the programs ask before they read it."""
    text = (sources() / "kernel_types.h").read_text()
    kernel = Btf.of_kernel()
    try:
        made = structs.generate(declarations.read(text), kernel, guarded(sources()))
    finally:
        kernel.close()
    for struct_ in declarations.read(text):
        for member in struct_.members or ():
            assert f" {member.name}" in made, (struct_.name, member.name)


def test_a_member_that_is_missing() -> None:
    """Declared where the programs ask for it first, else left for the compiler to complain about."""
    text = "struct sock { int sk_no_such; u16 sk_protocol; };"
    assert "sk_no_such" not in generated(text)
    assert "sk_protocol" in generated(text)
    asked = generated(text, "sk_no_such", "sk_protocol")
    assert "#define HAS_sk_no_such 0\n" in asked
    assert "#define HAS_sk_protocol 1\n" in asked
    assert "int sk_no_such;" in asked


def test_an_integer_is_as_wide_as_the_kernel_has_it() -> None:
    """It was an int before 6.x; libbpf would adjust the load, too."""
    assert generated(KEEPALIVE.format(kind="u8")).count("u8 sysctl_tcp_keepalive_probes;") == 1
    assert generated(KEEPALIVE.format(kind="int")).count("u8 sysctl_tcp_keepalive_probes;") == 1


def instruction(operation: int, source: int, immediate: int) -> bytes:
    return struct.pack("<BBhi", operation, source << 4, 0, immediate)


def test_maps_are_put_into_programs() -> None:
    """Where the program names a map by its number, and nowhere else."""
    named = instruction(0x18, 1, 5) + instruction(0, 0, 0)
    number = instruction(0x18, 0, 5) + instruction(0, 1, 5)
    other = instruction(0xB7, 0, 5)
    assert instructions.with_maps(named + number + other, {5: 42}) == (
        instruction(0x18, 1, 42) + instruction(0, 0, 0) + number + other
    )


def test_a_shape_is_read_from_a_function() -> None:
    """64 bits, both halves without a sign."""
    assert instructions.constant(instruction(0x18, 0, -1) + instruction(0, 0, 0x7FFFFFFF)) == 0x7FFFFFFF_FFFFFFFF
    with pytest.raises(ValueError, match="constant"):
        instructions.constant(instruction(0xB7, 0, 5) + instruction(0x95, 0, 0))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(tmp_path / "tree"))
    return plant_headers(tmp_path / "tree")


def test_headers_say_what_btf_says(tree: Path) -> None:
    """Which tracepoints there are, of how many arguments, and the reasons for resets."""
    kernel, found = Btf.of_kernel(), Headers()
    for event in ("inet_sock_set_state", "tcp_send_reset", "tcp_retransmit_skb", "tcp_no_such_event"):
        assert found.tracepoint_arguments(event) == kernel.tracepoint_arguments(event)
    assert found.enum("sk_rst_reason") == kernel.enum("sk_rst_reason")
    assert found.enum("sk_no_such") == ()
    kernel.close()


def test_events_of_a_class_have_its_arguments(tree: Path) -> None:
    """As tcp_receive_reset was declared for long."""
    (tree / "include/trace/events/tcp.h").write_text(
        "DECLARE_EVENT_CLASS(tcp_event_sk,\n\n\tTP_PROTO(struct sock *sk, /* a, b */ int x),\n);\n"
        "DEFINE_EVENT(tcp_event_sk, tcp_receive_reset,\n\tTP_PROTO(struct sock *sk, int x),\n);\n"
    )
    assert Headers().tracepoint_arguments("tcp_receive_reset") == 2


def test_headers_that_do_not_say_whose_they_are(tree: Path) -> None:
    """A source tree that was never configured for any kernel."""
    shutil.rmtree(tree / "include/generated")
    with pytest.raises(KernelLacks, match="of an unknown kernel"):
        Headers()
    (tree / "include/config").mkdir()
    (tree / "include/config/kernel.release").write_text(f"{os.uname().release}\n")
    assert Headers().tracepoint_arguments("inet_sock_set_state") == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "without an answer"),
        ("[]", "without an answer"),
        ('{"functions"', "without an answer"),
        ("{}", "no programs"),
        ('{"functions": {"x": 5}}', "no programs"),
        ('{"functions": {"x": "?"}}', "no programs"),
        ('{"functions": {"x": "AAAA"}}', "no whole programs"),
        ('{"functions": {}}', "no whole programs"),
    ],
)
def test_answers_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, said: str) -> None:
    """Whatever the other process does, it is an error that can be read."""
    helper = tmp_path / "helper.py"
    helper.write_text(f"import sys\nsys.stdin.read()\nsys.stdout.write({answer!r})\n")
    monkeypatch.setattr(compiler, "_HELPER", helper)
    with pytest.raises(TcpwatchError, match=said):
        Compiler().compile("", (), None)


def test_what_steers_bcc_is_not_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that somebody set for other programs would change what is compiled."""
    foreign = {"BCC_LINUX_VERSION_CODE": "5", "PYTHONPATH": "/nowhere", "ARCH": "mips"}
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    helper = tmp_path / "helper.py"
    helper.write_text(
        "import json, os, sys\nsys.stdin.read()\nprint(json.dumps({'failed': json.dumps(dict(os.environ))}))"
    )
    monkeypatch.setattr(compiler, "_HELPER", helper)
    with pytest.raises(KernelLacks) as raised:
        Compiler().compile("", (), None)
    seen = json.loads(raised.value.what.partition(": ")[2])
    assert not foreign.keys() & seen.keys()
    assert seen["PATH"] == os.environ["PATH"]
