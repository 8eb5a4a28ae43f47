"""Is the process the right one, and is its name safe to show?"""

import json
import subprocess

import pytest

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .lives import CLIENT_FIRST, CLIENT_RESET, SERVER_RESET, SERVER_SECOND, by_port, expect
from .watch import COMMAND, Watch, snapshot

BOTH = 2 * CONNECTIONS

HOSTILE = {
    "escape": b"\x1b[2J\x1b]0;x\x07",
    "markup": b"[/foo][b]x[/b]",
    "braces": b'{"a":1}\\"\n',
    "not-utf8": b"\xff\xfe\xc3(\x80",
    "c1": b"\xc2\x9b31mred",
    "bidi": "a\u202eb\u2066c".encode(),
}


def test_a_child_that_serves_its_parents_listener(room: Namespace, talk: Talk) -> None:
    """In a pre-forking server the child that accepted is the owner, though the parent made the listener."""
    parent = talk.server.pid
    talk.server.fork()
    assert talk.server.pid != parent
    with Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        talk.hang_up(talk.client)
        watch.until(BOTH)
        lives = watch.finish()
    expect(lives, talk, "client", CLIENT_FIRST, talk.client, sent=talk.asked, received=talk.answered)
    expect(lives, talk, "server", SERVER_SECOND, talk.server, sent=talk.answered, received=talk.asked)


def test_a_child_that_only_listens_to_the_end(room: Namespace, talk: Talk) -> None:
    """A child's connections that are reset from outside, so that it never acted on them, are the child's too."""
    talk.server.fork()
    with Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.ask()
        talk.client.do("reset")
        watch.until(BOTH)
        lives = watch.finish()
    assert talk.server.do("broken") == ["ECONNRESET"] * CONNECTIONS
    none = [0] * CONNECTIONS
    expect(lives, talk, "client", CLIENT_RESET, talk.client, sent=talk.asked, received=none)
    expect(lives, talk, "server", SERVER_RESET, talk.server, sent=none, received=talk.asked)


def test_a_child_that_inherits_a_connection(room: Namespace, talk: Talk) -> None:
    """In a forking server the child owns what its parent accepted and let go of, also when it was open before."""
    talk.open()
    talk.server.fork()
    owners = {(row["rport"], row["pid"]) for row in snapshot("--netns", room.name) if row["lport"] == talk.port}
    assert owners >= {(port, talk.server.pid) for port in talk.ports}
    with Watch("life", "--netns", room.name) as watch:
        talk.exchange()
        talk.hang_up(talk.client)
        watch.until(BOTH)
    assert {life["pid"] for life in by_port(watch.records, talk, "server").values()} == {talk.server.pid}
    assert {life["pid"] for life in by_port(watch.records, talk, "client").values()} == {talk.client.pid}


def test_a_child_that_is_gone_before_anybody_looked(room: Namespace, talk: Talk) -> None:
    """A child that came and went with what its parent had accepted may be missed, but its parent is not blamed."""
    parent = talk.server.pid
    with Watch("life", "--netns", room.name) as watch:
        watch.pause()
        talk.open()
        talk.server.fork()
        talk.server.do("unlisten")  # as the children of forking servers do: the parent alone holds the listener
        talk.client.do("reset")
        talk.server.do("broken")
        talk.server.do("close")
        watch.go_on()
        watch.until(BOTH)
    owners = {life["pid"] for life in by_port(watch.records, talk, "server").values()}
    assert owners <= {talk.server.pid, None}, f"parent: {parent}, said: {owners}"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names(room: Namespace, name: bytes) -> None:
    """Whatever a process calls itself, the output is valid JSON, and clean text, one line each."""
    with Actor(room, name) as client, Actor(room, b"tw-server") as server:
        talk = Talk(client, server)
        talk.open()
        done = {
            format_: subprocess.run(
                [*COMMAND, "snapshot", "--netns", room.name, "--format", format_], capture_output=True, check=True
            ).stdout
            for format_ in ("jsonl", "text", "csv")
        }
    for format_, out in done.items():
        layout = "\n\t" if format_ == "text" else "\r\n"  # ss's second lines begin with a tab
        text = set(out.decode("utf-8")) - set(layout)
        assert not {c for c in text if ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066"}
    rows = [json.loads(line) for line in done["jsonl"].splitlines()]
    assert len(rows) == BOTH + 1
    mine = {row["comm"] for row in rows if row["rport"] == talk.port}
    assert len(mine) == 1
    assert mine.pop().isprintable()
