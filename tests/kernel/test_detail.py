"""Does what is worked out for the details of one connection agree with what happened, and with `ss -tin`?"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tcpwatch import wire
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.cable import ACK, SYN, Cable
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, join
from tcpwatch.tracker import audit, ending, flow
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Focus, Key, View
from tests import again

from .witness import End, Line, skipped, ss, ss_until

DELAY_S = 0.02
CLOCK_MS = 20  # two readings of a clock of jiffies
CLOCK_US = 1000  # the wall's clock against the kernel's
HALF_S = 0.4


class Eye:
    """A session that looks at one connection after the other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._session = Session(
            KernelSource(4 << 20, Knobs(), Pace(tick=0.05, snapshot=0.1, share=1.0)),
            Tracker(keep_closed=500, history_bytes=4 << 20, keep_events=5000),
        )
        self._session.set_listener(self._told)

    def __enter__(self) -> "Eye":
        self._session.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.stop()

    def _told(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def look(
        self, room: Namespace, lport: int, rport: int, enough: Callable[[Focus], bool], after_ns: int = 0
    ) -> tuple[View, Focus]:
        """The first picture of that connection which tells enough. after_ns: its snapshot was begun later than that."""
        found: list[tuple[View, Focus]] = []

        def seen() -> bool:
            view = self._session.latest()
            if view is None or view.snapshot is None or view.snapshot.begin_ns < after_ns:
                return False
            rows = view.connections
            here = rows[(rows["lport"] == lport) & (rows["rport"] == rport) & (rows["netns"] == room.inode)]
            if not len(here):
                return False
            key = Key(int(here[0]["netns"]), int(here[0]["cookie"]))
            self._session.look_at(key)
            if view.focus is not None and view.focus.key == key and enough(view.focus):
                found.append((view, view.focus))
            return bool(found)

        with self._changed:
            assert self._changed.wait_for(seen, DEADLINE_S), "not seen in time"
        return found[0]


def has_socket(focus: Focus) -> bool:
    return focus.socket is not None


class Pair:
    """A client and a server in namespaces of their own; the wire delays, or not."""

    def __init__(self, stack: ExitStack, eye: Eye, delay_s: float) -> None:
        self.eye = eye
        self.left, self.right = (stack.enter_context(Namespace()) for _ in range(2))
        self.cable: Cable | None = None
        if delay_s:
            self.cable = stack.enter_context(Cable(self.left, self.right, delay_s))
        else:
            join(self.left, self.right)
        self.client = stack.enter_context(Actor(self.left, b"tw-client"))
        self.server = stack.enter_context(Actor(self.right, b"tw-server"))

    def connect(self, server: dict[str, int] | None = None, **client: int | str) -> None:
        self.port = self.server.do("listen", address=self.right.address, options=server or {})
        (self.near,) = self.client.do("connect", address=self.right.address, port=self.port, options=client)
        self.server.do("accept", count=1)

    def talk(self, size: int = 1000) -> None:
        self.server.ask("receive", sizes=[size])
        self.client.do("send", sizes=[size])
        self.server.answer()

    def at_client(self, enough: Callable[[Focus], bool] = has_socket) -> tuple[View, Focus]:
        return self.eye.look(self.left, self.near, self.port, enough)

    def at_client_later(self) -> tuple[View, Focus]:
        """A picture that is measured from now on."""
        return self.eye.look(self.left, self.near, self.port, has_socket, time.monotonic_ns())

    def at_server(self, enough: Callable[[Focus], bool] = has_socket) -> tuple[View, Focus]:
        return self.eye.look(self.right, self.port, self.near, enough)

    def line(self, end: str) -> Line:
        """What ss shows of that end."""
        room, port = (self.left, self.near) if end == "client" else (self.right, self.port)
        return next(
            line for key, line in ss(room).items() if key[0][1] == port and line.state not in ("LISTEN", "TIME_WAIT")
        )


@pytest.fixture(scope="module")
def eye(machine: None) -> Iterator[Eye]:
    with Eye() as looking:
        yield looking


@contextmanager
def pair(eye: Eye, delay_s: float) -> Iterator[Pair]:
    before = skipped(os.getpid())
    with ExitStack() as stack:
        yield Pair(stack, eye, delay_s)
    again.note_skipped(skipped(os.getpid()) - before)


@pytest.fixture
def near(eye: Eye) -> Iterator[Pair]:
    """Joined by a wire without delay."""
    with pair(eye, 0.0) as both:
        yield both


@pytest.fixture
def far(eye: Eye) -> Iterator[Pair]:
    """20 ms apart."""
    with pair(eye, DELAY_S) as both:
        yield both


def now_ns(view: View) -> int:
    return view.time_ns - view.host.realtime_offset_ns


def remarks(focus: Focus) -> list[str]:
    return [remark.text for remark in audit.remarks(focus.row, audit.deal(focus.row, focus.socket))]


def test_the_handshake_of_both_sides(far: Pair) -> None:
    """A round trip for the client, from SYN to ESTABLISHED; another for the server, half-open for so long: as the wire
    saw them pass, which is not quicker than it should be, but on a busy machine slower."""
    begin_ns = time.time_ns()
    far.connect()
    end_ns = time.time_ns()
    assert far.cable
    syn_ns, synack_ns, ack_ns = (segment.time_ns for segment in far.cable.segments[:3])
    assert [segment.flags for segment in far.cable.segments[:3]] == [SYN, SYN | ACK, ACK]
    delay_ns = int(1e9 * DELAY_S)
    # it is at the earliest that a segment arrives, and at the latest that the wire had the answer to it
    client = synack_ns + delay_ns - syn_ns, ack_ns - begin_ns
    server = ack_ns + delay_ns - synack_ns, end_ns - (syn_ns + delay_ns)
    for (view, focus), (least_ns, most_ns) in zip((far.at_client(), far.at_server()), (client, server), strict=True):
        hand = audit.handshake(focus.row, now_ns(view))
        assert hand.done
        assert hand.took_us is not None
        assert hand.took_us >= 2e6 * DELAY_S
        assert least_ns / 1000 - CLOCK_US <= hand.took_us <= most_ns / 1000 + CLOCK_US
        assert (hand.syns_again, hand.synacks_again) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"tcp_sack": 1}, set()),
        ({"tcp_window_scaling": 0}, {"scaling"}),
        ({"tcp_sack": 0}, {"sack"}),
        ({"tcp_timestamps": 0}, {"timestamps"}),
    ],
)
def test_the_deal_is_that_of_ss(far: Pair, settings: dict[str, int], missing: set[str]) -> None:
    """With the options that one end leaves out, at both ends; and a remark on each."""
    far.right.set(**settings)
    far.connect()
    far.talk()
    for end, (_, focus) in (("client", far.at_client()), ("server", far.at_server())):
        deal, line = audit.deal(focus.row, focus.socket), far.line(end)
        seen = {"scaling": "wscale" in line.numbers, "sack": "sack" in line.words, "timestamps": "ts" in line.words}
        assert {name for name in seen if getattr(deal, name) is False} == {n for n in seen if not seen[n]} == missing
        assert (deal.mss, deal.pmtu, deal.asked) == tuple(line.numbers[name] for name in ("mss", "pmtu", "advmss"))
        assert deal.mss == deal.room
        if deal.scales:
            assert deal.scales == (line.numbers["wscale"], line.numbers["wscale_2"])
        assert len(remarks(focus)) == len(missing)


def test_a_clamped_segment_is_noticed(near: Pair) -> None:
    """Whoever asked for it: the client by TCP_MAXSEG."""
    near.connect(TCP_MAXSEG=536)
    near.talk()
    (ours,), (theirs,) = remarks(near.at_client()[1]), remarks(near.at_server()[1])
    assert "we asked for no more" in ours
    assert "the peer asked for no more" in theirs


@pytest.mark.parametrize("timestamps", [0, 1])
def test_what_a_syn_cookie_took_away(far: Pair, timestamps: int) -> None:
    """Cookies are forced on; where the client sends no timestamps, the server's end is born without its options."""
    far.right.set(tcp_syncookies=2)
    far.left.set(tcp_timestamps=timestamps)
    far.connect()
    far.talk()
    _, focus = far.at_server()
    assert audit.by_cookie(focus.row, audit.deal(focus.row, focus.socket)) == (not timestamps)
    assert any("SYN cookie" in text for text in remarks(focus)) == (not timestamps)
    assert ("wscale" in far.line("server").numbers) == bool(timestamps)


def test_a_bare_client_is_no_cookie(far: Pair) -> None:
    """No option at all, but its SYN waited in the queue like any other: the round trip was measured."""
    far.left.set(tcp_timestamps=0, tcp_sack=0, tcp_window_scaling=0)
    far.connect()
    far.talk()
    _, focus = far.at_server()
    deal = audit.deal(focus.row, focus.socket)
    assert (deal.sack, deal.timestamps, deal.scaling) == (False, False, False)
    assert not audit.by_cookie(focus.row, deal)


def busy_ms(line: Line) -> tuple[float, float, float]:
    """busy, rwnd_limited, sndbuf_limited: ss leaves out what is 0."""
    times = dict(
        word.partition("(")[0].removesuffix("ms").split(":", 1)
        for word in line.words
        if word.startswith(("busy:", "rwnd_limited:", "sndbuf_limited:"))
    )
    busy, rwnd, sndbuf = (float(times.get(name, 0)) for name in ("busy", "rwnd_limited", "sndbuf_limited"))
    return busy, rwnd, sndbuf


def stands_still(seen: dict[tuple[End, End], Line]) -> bool:
    """Somebody has data to send, and nothing of it is under way."""
    return any(line.send_queue and "unacked" not in line.numbers for line in seen.values())


def test_a_stalled_sender_s_shares(near: Pair) -> None:
    """The receiver's window is shut: what limits it, how much is under way and unsent, and since when, as ss has it."""
    near.connect()
    near.client.do("stuff")
    ss_until(near.left, stands_still)
    give_up = time.monotonic() + DEADLINE_S
    while True:
        before = near.line("client")
        view, focus = near.at_client_later()
        after = near.line("client")
        found = flow.shares(focus.row, measured_ns(view), view.host.hz)
        # a probe may yet find room for a little more, and what came before may have taken its time
        same = before.send_queue == after.send_queue and before.numbers.get("notsent") == after.numbers.get("notsent")
        if same and found is not None and found.receiver > 0.5:
            break
        assert time.monotonic() < give_up, (before, after, found)
    assert focus.socket is not None
    assert flow.limiter(focus.socket) == "receiver"
    assert focus.socket["send_queue"] == before.send_queue == after.send_queue
    assert focus.socket["unsent"] == after.numbers["notsent"]
    assert flow.under_way(focus.socket) == after.send_queue - after.numbers["notsent"]
    ours = (1 - found.application, found.receiver, found.buffer)
    for share, first, last in zip(ours, busy_ms(before), busy_ms(after), strict=True):
        assert first - CLOCK_MS <= share * found.span_ns / 1e6 <= last + CLOCK_MS
    assert focus.row["stalled_ns"] != 0
    name, left = flow.timer(focus.socket) or ("", 0)
    assert name == "zero-window probe"
    assert 0 <= left <= view.host.hz * 120


def measured_ns(view: View) -> int:
    """When its newest measures were read, CLOCK_MONOTONIC."""
    assert view.snapshot is not None
    return view.snapshot.end_ns


def test_an_idle_connection_s_shares_are_its_application_s(near: Pair) -> None:
    """Nothing to send but one word in the beginning."""
    near.connect()
    near.talk()
    give_up = time.monotonic() + DEADLINE_S
    while True:  # the first word may have taken its time
        view, focus = near.at_client_later()
        found = flow.shares(focus.row, measured_ns(view), view.host.hz)
        if found is not None and found.application > 0.8:
            break
        assert time.monotonic() < give_up, found
    assert focus.socket is not None
    assert (flow.limiter(focus.socket), flow.under_way(focus.socket)) == ("application", 0)


def test_slow_start_and_its_end(far: Pair) -> None:
    """Before any loss ss knows no ssthresh; after one it is congestion avoidance, with the numbers of ss."""
    far.connect(TCP_CONGESTION="reno")
    far.talk(20_000)
    _, focus = far.at_client()
    assert "ssthresh" not in far.line("client").numbers
    assert focus.socket is not None
    assert flow.phase(focus.row, focus.socket["ca_name"].decode()) == "slow start"
    far.right.nft("input", "meta l4proto tcp meta length > 500 limit rate 20/second burst 30 packets accept\n"
                  "meta l4proto tcp meta length > 500 counter drop")  # fmt: skip
    far.talk(120_000)
    far.right.nft("input", "")
    far.talk(200_000)
    far.at_client(lambda focus: focus.socket is not None and not focus.socket["send_queue"])
    before, after = (0.0, 0.0, 0.0), window(far)
    while before != after:  # that some came twice is said last of all, and may yet give the window back
        before = after
        _, focus = far.at_client_later()
        after = window(far)
    cwnd, ssthresh, retrans = after
    assert (focus.row["cwnd"], focus.row["ssthresh"]) == (cwnd, ssthresh)
    assert flow.phase(focus.row, "reno") == ("slow start" if cwnd < ssthresh else "congestion avoidance")
    assert int(focus.row["causes"].sum()) == focus.row["retrans"] == retrans > 0


def window(pair: Pair) -> tuple[float, float, float]:
    """cwnd, ssthresh and retransmissions, as ss has them."""
    numbers = pair.line("client").numbers
    return numbers["cwnd"], numbers["ssthresh"], numbers["retrans_2"]


def test_who_closed_first_and_what_is_left(near: Pair) -> None:
    """The client hangs up, the server goes on for a while: half-closed for so long at both ends; then TIME_WAIT."""
    near.connect()
    near.talk()
    begin = time.monotonic()
    near.client.do("shutdown")
    near.server.do("trickle", size=10, times=4, pause_s=HALF_S / 4)
    closing = time.monotonic()
    near.server.do("close")
    took_s = time.monotonic() - begin
    near.client.do("drain")
    near.client.do("close")
    view, focus = near.at_client(lambda focus: focus.socket is not None and focus.socket["sort"] == wire.TIME_WAIT_SORT)
    waited_s = time.monotonic() - closing
    other_view, other = near.at_server(lambda focus: focus.row["closed_ns"] != 0)
    for first, told, seen in (("us", focus, view), ("peer", other, other_view)):
        bye = ending.goodbye(told.row, now_ns(seen))
        assert (bye.first, bye.waits) == (first, False)
        assert bye.apart_us is not None
        assert HALF_S <= bye.apart_us / 1e6 <= took_s
    assert focus.socket is not None
    left_s = int(focus.socket["timer_ticks"]) / view.host.hz
    assert 60 - waited_s - 0.1 <= left_s <= 60.1


def test_resets_of_both_kinds(near: Pair) -> None:
    """SO_LINGER on one side; a reset that came on the other."""
    near.connect()
    near.talk()
    near.at_client()
    begin_ns = time.monotonic_ns()
    near.client.do("reset")
    near.server.do("broken")
    took_ns = time.monotonic_ns() - begin_ns
    view, ours = near.at_client(lambda focus: focus.row["reset_ns"] != 0)
    _, theirs = near.at_server(lambda focus: focus.row["reset_ns"] != 0 and focus.row["closed_ns"] != 0)
    sent = ending.newest_reset(ours.row, now_ns(view), view.host.reset_reasons)
    received = ending.newest_reset(theirs.row, now_ns(view), view.host.reset_reasons)
    assert sent is not None
    assert received is not None
    assert (sent.sent, sent.meaning, sent.inferred) == (True, "SO_LINGER with 0 s", True)
    assert sent.who == f"tw-client {near.client.pid}"
    assert not received.sent
    assert abs(received.time_ns - sent.time_ns) < took_ns
