"""Is what a redacted recording shows of addresses and names as it was, but for the addresses and names?"""

import io
import ipaddress
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tcpwatch import containers, wire, words
from tcpwatch.errors import UsageError
from tcpwatch.frame import Frame, Host, Process, Snapshot
from tcpwatch.recording.keys import key_of
from tcpwatch.recording.prefixes import KEPT_PREFIXES, KEPT_WHOLE, Prefixes
from tcpwatch.recording.pseudonyms import Pseudonyms
from tcpwatch.recording.redact import Redactor
from tcpwatch.recording.substitution import Substitution

KEY, OTHER = b"the key of the tests", b"another key of the tests"
FOUR = b"\0" * 10 + b"\xff\xff"
ID = "3f" * 32

four = st.binary(min_size=4, max_size=4).map(lambda last: FOUR + last)
six = st.binary(min_size=16, max_size=16)
special = st.sampled_from((*KEPT_PREFIXES, *KEPT_WHOLE)).map(lambda text: packed(text.partition("/")[0]))


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Two addresses with so many bits in common."""
    first = draw(four | six | special)
    shared = draw(st.integers(96 if first.startswith(FOUR) else 0, 127))
    rest = draw(st.integers(0, (1 << 128) - 1)) & ((1 << (127 - shared)) - 1)
    number = int.from_bytes(first, "big") ^ (1 << (127 - shared)) ^ rest
    return first, number.to_bytes(16, "big")


def packed(text: str) -> bytes:
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else FOUR + address.packed


def replaced(addresses: list[bytes], key: bytes = KEY) -> list[bytes]:
    column = np.frombuffer(b"".join(addresses), np.uint8).reshape(-1, 16)
    return [one.tobytes() for one in stand_ins(Substitution(Prefixes(key).answer), column)]


def stand_ins(one: Substitution, column: np.ndarray) -> np.ndarray:
    column = column.copy()
    one.replace(column)
    return column


def shown(text: str, key: bytes = KEY) -> str:
    return words.address(replaced([packed(text)], key)[0])


def common_bits(one: bytes, other: bytes) -> int:
    return 128 - (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_length()


@settings(max_examples=500)
@given(neighbours())
@example((packed("10.0.0.1"), packed("10.0.0.2")))
@example((packed("127.0.0.1"), packed("126.255.255.255")))
@example((packed("::"), packed("::1")))
def test_neighbours_stay_exactly_as_near(pair: tuple[bytes, bytes]) -> None:
    """As many leading bits in common afterwards as before, not one less and not one more."""
    assert common_bits(*replaced(list(pair))) == common_bits(*pair)


@given(st.lists(four | six | special, min_size=1, max_size=40))
def test_it_does_not_matter_what_else_is_asked(addresses: list[bytes]) -> None:
    """All at once, one by one, and again from memory: an address has one stand-in. No two share one."""
    one = Substitution(Prefixes(KEY).answer)
    column = np.frombuffer(b"".join(addresses), np.uint8).reshape(-1, 16)
    together = stand_ins(one, column).tobytes()
    assert together == stand_ins(one, column).tobytes() == b"".join(replaced([each])[0] for each in addresses)
    assert len(set(addresses)) == len({together[at : at + 16] for at in range(0, len(together), 16)})


def test_more_addresses_than_are_remembered_get_the_same_answers() -> None:
    """Whatever had to be forgotten is worked out again."""
    many = np.zeros((150_001, 16), np.uint8)
    many[:, 10:12] = 255
    many[:, 12:] = np.arange(len(many), dtype=">u4").view(np.uint8).reshape(-1, 4) + np.array([11, 0, 0, 0], np.uint8)
    one = Substitution(Prefixes(KEY).answer)
    first = stand_ins(one, many)
    assert (stand_ins(one, many[::-1])[::-1] == first).all()
    assert len(np.unique(first, axis=0)) == len(many)
    assert first[77_777].tobytes() == replaced([many[77_777].tobytes()])[0]


@settings(max_examples=30)
@given(four | six)
def test_another_key_gives_other_addresses(address: bytes) -> None:
    """No two of three keys agree on an address, chance aside, unless it is one of those that stay."""
    number = ipaddress.ip_address(words.address(address))
    stays = any(number in ipaddress.ip_network(text) for text in KEPT_WHOLE)
    assert len({replaced([address], key)[0] for key in (KEY, OTHER, b"a third key")}) == (1 if stays else 3)


@pytest.mark.parametrize("text", ["0.0.0.0", "127.0.0.1", "127.45.6.7", "::", "::1"])
def test_what_names_nobody_stays(text: str) -> None:
    """Nobody's address and the loopback's are what they were."""
    assert shown(text) == text


@pytest.mark.parametrize("text", KEPT_PREFIXES)
def test_an_address_stays_of_its_kind(text: str) -> None:
    """Private ones stay private, link-local ones link-local; and nothing else becomes so."""
    network = ipaddress.ip_network(text)
    inside, outside = str(network.network_address + 5), str(network.network_address - 5)
    assert ipaddress.ip_address(shown(inside)) in network
    assert ipaddress.ip_address(shown(outside)) not in network
    assert shown(inside) != shown(inside, OTHER)


def test_an_ipv4_address_is_the_same_on_every_socket() -> None:
    """An IPv6 socket's IPv4-mapped peer is the IPv4 socket's."""
    assert ipaddress.ip_address(shown("93.184.216.34")).version == 4
    assert shown("::ffff:93.184.216.34") == shown("93.184.216.34") != "93.184.216.34"


SECRETS = ["nginx", "postgres", "hunter2", "acme-billing", "tenant-blue", "db7.acme.example", "payroll"]


def secret_frame() -> Frame:
    """Everything a frame can hold, with a secret wherever one fits."""
    chance = np.random.default_rng(23)
    events, sockets, owners = (np.zeros(23, dtype) for dtype in (wire.EVENT, wire.SOCKET, wire.OWNER))
    for records in (events, sockets):
        records["laddr"], records["raddr"] = chance.integers(0, 256, (2, 23, 16), np.uint8)
        records["lport"], records["rport"] = chance.integers(1, 1 << 16, (2, 23))
    for records in (events, sockets, owners):
        records["cookie"] = np.arange(1, 24)
    events["comm"], owners["comm"], sockets["ca_name"] = b"nginx", b"postgres", b"cubic"
    events["comm"].view("V16")[3] = b"nginx\0hunter2\0\0\0"  # what a name that was longer left behind
    processes = (Process(7, 8, "postgres", "/opt/acme-billing/bin/postgres --password hunter2", f"/payroll/{ID}"),)
    return Frame(
        5,
        9,
        Host("db7.acme.example", "6.18", "01234567-89ab-cdef-0123-456789abcdef", 1000, 1, 3, ("NOT_SPECIFIED",)),
        events,
        Snapshot(5, 6, sockets, frozenset({1, 2})),
        owners,
        processes,
        cgroups=((3, "/system.slice/payroll.service"), (4, f"/system.slice/docker-{ID}.scope")),
        namespaces=((1, "tenant-blue"), (2, "")),
        settings=((1, (("net.ipv4.tcp_sack", "1"),)),),
    )


def test_everything_else_stays() -> None:
    """Of the records only addresses and names differ; of the frame nothing else does; the given frame is as it was."""
    frame, before = secret_frame(), secret_frame()
    redacted = Redactor(KEY).redact(frame)
    for one, other, names in (
        (frame.events, redacted.events, {"laddr", "raddr", "comm"}),
        (sockets_of(frame), sockets_of(redacted), {"laddr", "raddr"}),
        (frame.owners, redacted.owners, {"comm"}),
    ):
        assert one is not None
        assert other is not None
        assert {name for name in one.dtype.names or () if (one[name] != other[name]).any()} == names
    kept = {one.name for one in fields(Frame) if getattr(redacted, one.name) is getattr(frame, one.name)}
    changed = {"host", "events", "snapshot", "owners", "processes", "cgroups", "namespaces"}
    assert kept == {one.name for one in fields(Frame)} - changed
    assert replace(redacted.host, name=frame.host.name, boot_id=frame.host.boot_id) == frame.host
    assert frame.events.tobytes() == before.events.tobytes()
    assert sockets_of(frame).tobytes() == sockets_of(before).tobytes()


def sockets_of(frame: Frame) -> np.ndarray:
    assert frame.snapshot is not None
    return frame.snapshot.sockets


def test_a_name_has_one_stand_in_wherever_it_stands() -> None:
    """A process is the same in events, among owners, in its description and as its command."""
    redacted = Redactor(KEY).redact(secret_frame())
    assert redacted.owners is not None
    (process,) = redacted.processes
    assert set(redacted.owners["comm"].tolist()) == {process.comm.encode()}
    assert process.command.split()[0] == process.comm
    assert len(set(redacted.events["comm"].tolist())) == 1
    assert redacted.events["comm"][0] != redacted.owners["comm"][0]
    assert dict(redacted.namespaces)[2] == ""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/system.slice/<payroll>.service",
        "/user.slice/user-<1000>.slice/session-<3>.scope",
        "/machine.slice/<acme>-<billing>@<7>.service/<x>",
        "/<a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q>",
    ],
)
def test_a_path_keeps_its_structure(path: str) -> None:
    """As deep as it was, with the words that everybody uses; those in <> are replaced as names are."""
    names = Pseudonyms(KEY)
    wanted = re.sub("<(.*?)>", lambda found: names.name(found[1]), path)
    assert names.path(re.sub("[<>]", "", path)) == wanted


@pytest.mark.parametrize(
    "path",
    [
        f"/system.slice/docker-{ID}.scope",
        f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-{ID}.scope",
        f"/ecs/payroll/{ID[:32]}-1234567890",
        f"/machine.slice/libpod-{ID}.scope/container",
    ],
)
def test_a_container_stays_one(path: str) -> None:
    """Its identity is another of the same kind, so that whoever looks for containers finds it."""
    before, after = (containers.container_id(each) for each in (path, Pseudonyms(KEY).path(path)))
    assert before is not None
    assert after is not None
    assert len(before) == len(after)
    assert before != after


@given(st.text(max_size=80))
def test_names_fit_where_they_stand(name: str) -> None:
    """A stand-in is short enough for the kernel's 15 bytes, printable, and stays away only where nothing was."""
    found = Pseudonyms(KEY).name(name)
    assert len(found.encode()) <= 15
    assert words.clean(found) == found
    assert bool(found) == bool(name)
    assert (found != Pseudonyms(OTHER).name(name)) == bool(name)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_path_and_command_can_be_redacted(text: str) -> None:
    """Whatever people call things. The same twice."""
    names = Pseudonyms(KEY)
    assert names.path(text) == Pseudonyms(KEY).path(text)
    assert names.path(text).count("/") == text.count("/")
    assert names.command(text) == Pseudonyms(KEY).command(text)


def test_names_do_not_collide() -> None:
    """As many as a large machine has ever had: all different."""
    names = Pseudonyms(KEY)
    assert len({names.name(f"worker-{number}") for number in range(10_007)}) == 10_007


def test_one_key_is_one_picture() -> None:
    """The same key on two days or two machines gives recordings that can be compared; another one does not."""
    one, same, other = (pictured(Redactor(key).redact(secret_frame())) for key in (KEY, KEY, OTHER))
    assert one == same
    assert not set(one) & set(other)


def pictured(frame: Frame) -> list[Any]:
    process = frame.processes[0]
    return [
        frame.host.name,
        frame.host.boot_id,
        frame.events["laddr"].tobytes(),
        frame.events["raddr"].tobytes(),
        sockets_of(frame)["raddr"].tobytes(),
        frame.events["comm"].tobytes(),
        process.comm,
        process.command,
        process.cgroup,
        frame.cgroups,
        frame.namespaces,
    ]


def test_a_key_comes_from_a_file(tmp_path: Path) -> None:
    """The same words give the same key, with or without the newline at the end of them; without a file it is chance."""
    for name, text in (("one", b"correct horse"), ("two", b"correct horse\n"), ("three", b"battery staple")):
        (tmp_path / name).write_bytes(text)
    one, two, three = (key_of(str(tmp_path / name)) for name in ("one", "two", "three"))
    assert one == two != three
    assert key_of("") != key_of("")


def test_a_key_comes_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of it, the same as a file of that line."""
    (tmp_path / "key").write_bytes(b"correct horse\n")
    with io.TextIOWrapper(io.BytesIO(b"correct horse\nmore\n")) as typed:
        monkeypatch.setattr("sys.stdin", typed)
        assert key_of("-") == key_of(str(tmp_path / "key"))


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """Too short, too long (the recording itself, perhaps), a directory, nothing there: said with the name."""
    (tmp_path / "short").write_bytes(b"1234567\n")
    (tmp_path / "long").write_bytes(os.urandom(5000))
    for name, why in (("short", "less than 8"), ("long", "longer"), (".", "directory"), ("absent", "No such file")):
        with pytest.raises(UsageError, match=why) as caught:
            key_of(str(tmp_path / name))
        assert str(tmp_path / name) in caught.value.what
