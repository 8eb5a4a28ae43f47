"""What did Prometheus see while there was trouble? Plays it under a live `tcpwatch serve` that a real Prometheus
scrapes, and notes what the kernel itself counted meanwhile; judges nothing."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tcpwatch.counters import EXTENDED, TCP
from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.stage import ENDS, End, Happened, Stage
from tests.dashboards import trouble
from tests.dashboards.daemons import Exporter, Prometheus, free_port, until
from tests.dashboards.stock import PROMETHEUS
from tests.kernel import unheard
from tests.kernel.witness import counters
from tests.scenarios.standstill import Standstill

N = 23
LIVE, SMALL, GONE = "live", "small", "gone"
HELD_PORT = 7  # the kernel gives it to no client: where ports run out, each one counts
LANES = 4  # beside the one for those that keep the machine busy
ATTEMPTS = 3
_WELL_S = 2.0  # so much younger than what is to be seen must be what is served: two scrapes, as rates need

# tcpwatch_kernel_..., and the reading of the kernel it is of
KERNEL: dict[str, str] = {
    "active_opens": "active_opens",
    "passive_opens": "passive_opens",
    "attempt_fails": "attempt_fails",
    "established_resets": "established_resets",
    "received_segments": "segs_in",
    "sent_segments": "segs_out",
    "retransmitted_segments": "segs_retrans",
    "sent_resets": "resets_sent",
    "listen_overflows": "listen_overflows",
    "listen_drops": "listen_drops",
    "timeouts": "timeouts",
    "syncookies sent": "cookies_sent",
    "syncookies accepted": "cookies_accepted",
    "syncookies rejected": "cookies_rejected",
    "aborts unread": "abort_unread_close",
    "aborts close": "abort_unread",
    "aborts timeout": "abort_timeout",
}


def of_kernel(room: Namespace) -> dict[str, int]:
    """What /proc/net/snmp and netstat of a namespace say, by our names."""
    found = counters(room)
    names = {key: f"Tcp{name}" for key, name in TCP.items()} | {key: f"TcpExt{name}" for key, name in EXTENDED.items()}
    return {ours: found[names[theirs]] for ours, theirs in KERNEL.items()}


@dataclass
class Span:
    """What happened in one namespace between the first scene and the last. told: by Prometheus, of the same span."""

    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    @property
    def happened(self) -> dict[str, int]:
        return {name: self.after[name] - self.before[name] for name in self.after}


@dataclass
class Watched:
    """begin_s, end_s: Unix times between which all of it was. spans: by scenario and end. rooms: the namespaces' names,
    likewise; of the lasting trouble under ""."""

    prometheus: Prometheus
    begin_s: float
    end_s: float = 0.0
    spans: dict[tuple[str, End], Span] = field(default_factory=dict)
    rooms: dict[tuple[str, End], str] = field(default_factory=dict)
    happened: dict[str, Happened] = field(default_factory=dict)

    def play(self, name: str, still: Standstill) -> None:
        """Again where it went wrong while the machine stood still, or the kernel kept something from the hooks."""
        for left in reversed(range(ATTEMPTS)):
            begin, lost = time.monotonic(), self._lost()
            try:
                self._play(name)
                if self._is_right(name):
                    return
            except (AssertionError, TcpwatchError):
                if not left:
                    raise
                if self._lost() == lost and not still.since(begin):
                    raise
            else:
                if self._lost() == lost and not still.since(begin):
                    return  # the tests say what is wrong

    def _play(self, name: str) -> None:
        """Each scene stays until Prometheus has seen it, and the last until it has seen what the kernel counts and the
        alerts have fired, or else for as long as one has patience."""
        with ExitStack() as holders:

            def look(moment: str, stage: Stage) -> None:
                rooms: dict[End, Namespace] = {"client": stage.client.room, "server": stage.server.room}
                if moment == "ready":
                    for end in ENDS:
                        self.rooms[name, end] = rooms[end].name
                        # a namespace is read while it has a socket, so one that stays is put into each
                        holder = holders.enter_context(Actor(rooms[end], b"holder"))
                        holder.do("listen", address="127.0.0.1", port=HELD_PORT)
                    for end in ENDS:
                        self._see(rooms[end])
                        self.spans[name, end] = Span(of_kernel(rooms[end]))
                elif moment == "over":
                    for end in ENDS:
                        self._agree(rooms[end], self.spans[name, end])
                self._seen_well()
                case = trouble.PLAYED[name]
                if moment == case.scene:
                    self.wait_for(case.alerts, f'netns="{rooms[case.end].name}"')
                if moment == "over":
                    holders.close()

            self.happened[name] = SCENARIOS[name].run(N, audience=look)

    def _is_right(self, name: str) -> bool:
        case = trouble.PLAYED[name]
        return (
            all(self.spans[name, end].told == self.spans[name, end].happened for end in ENDS)
            and all(self.ended(name, end).get(verdict) == N for end, verdict in SCENARIOS[name].verdicts.items())
            and all(self.fired(alert, f'netns="{self.rooms[name, case.end]}"') for alert in case.alerts)
        )

    def ended(self, name: str, end: End) -> dict[str, float]:
        """How many connections ended in the namespace where the scenario's connections under judgement were, by
        verdict."""
        (netns,) = {one.room for one in getattr(self.happened[name], end)}
        ended = f'sum by (verdict) (tcpwatch_connections_closed_total{{instance="{LIVE}", netns="{netns}"}})'
        found = self.prometheus.ever(ended, self.begin_s, self.end_s or time.time())
        return {labels["verdict"]: max(counts) for labels, counts in found}

    @property
    def own(self) -> str:
        """A regular expression for the namespaces of ours: others may be busy on this machine, too."""
        return "|".join(self.rooms.values())

    def fired(self, alert: str, where: str = "") -> bool:
        """At any time. where: matchers of labels."""
        labels = f'alertname="{alert}", alertstate="firing", {where}'
        return bool(self.prometheus.ever(f"ALERTS{{{labels}}}", self.begin_s, self.end_s or time.time()))

    def wait_for(self, alerts: tuple[str, ...], where: str = "") -> None:
        """Until all have fired; in vain if they don't, as the tests will say."""
        with suppress(AssertionError):
            until(lambda: all(self.fired(alert, where) for alert in alerts))

    def told(self, room: Namespace) -> dict[str, int]:
        """The kernel's counters as Prometheus has them now; empty while it does not know the namespace. What never
        happened may have no series."""
        found = self.prometheus.now(f'{{__name__=~"tcpwatch_kernel_.+", instance="{LIVE}", netns="{room.name}"}}')
        told = dict.fromkeys(KERNEL, 0) if found else {}
        for labels, value in found:
            name = labels["__name__"].removeprefix("tcpwatch_kernel_").removesuffix("_total")
            told[" ".join([name, *(labels[own] for own in ("result", "why") if own in labels)])] = int(value)
        return told

    def _see(self, room: Namespace) -> None:
        until(lambda: self.told(room), lambda: f"{room.name} is not seen")

    def _agree(self, room: Namespace, span: Span) -> None:
        """Until what is told is what happened: late segments may still come in."""

        def same() -> bool:
            span.after, span.told = of_kernel(room), self.told(room)
            return span.told == span.happened

        with suppress(AssertionError):
            until(same)

    def _seen_well(self) -> None:
        begin_s = time.time()
        until(lambda: self._drawn_s() >= begin_s + _WELL_S)

    def _drawn_s(self) -> float:
        """Of when the numbers are that were scraped last."""
        age = f'tcpwatch_view_age_seconds{{instance="{LIVE}"}}'
        return max((when for _, when in self.prometheus.now(f"timestamp({age}) - {age}")), default=0.0)

    def _lost(self) -> float:
        found = self.prometheus.now(f'sum(tcpwatch_events_lost_total{{instance="{LIVE}"}})')
        return sum(lost for _, lost in found) + unheard.count()


def hasty(directory: Path) -> list[Path]:
    """The rules with a minute made four seconds, and an alert's patience one, as the trouble lasts no longer."""
    written = []
    for path in PROMETHEUS.glob("*.rules.yml"):
        text = re.sub(r"\bfor: \w+", "for: 1s", path.read_text())
        text = re.sub(r"(\[|offset )(\d+)m\b", lambda found: f"{found[1]}{4 * int(found[2])}s", text)
        written.append(directory / path.name)
        written[-1].write_text(text)
    return written


@contextmanager
def watch(directory: Path) -> Iterator[Watched]:
    """Plays everything, then gives what was seen, while the Prometheus still answers."""
    with ExitStack() as cleanup:
        options = ("--group", "10.0.0.0/8=inside", "--max-series", "50000")
        live = cleanup.enter_context(Exporter(directory, LIVE, *options))
        small = cleanup.enter_context(Exporter(directory, SMALL, "--netns", "self", "--max-series", "50"))
        instances = {LIVE: live.address, SMALL: small.address, GONE: f"127.0.0.1:{free_port()}"}
        prometheus = cleanup.enter_context(Prometheus(directory, instances, hasty(directory)))
        until(lambda: prometheus.now(f'up{{instance="{LIVE}"}} == 1'))
        seen = Watched(prometheus, time.time())
        room = cleanup.enter_context(Namespace())
        seen.rooms["", "client"] = room.name
        with trouble.lasting_trouble(room), Standstill() as still:
            with ThreadPoolExecutor(LANES) as quiet, ThreadPoolExecutor(1) as busy:
                plays = [busy.submit(seen.play, name, still) for name in trouble.BUSY]
                plays += [quiet.submit(seen.play, name, still) for name in trouble.QUIET]
            for play in plays:
                play.result()
            for name in trouble.LAST:
                seen.play(name, still)
            seen.wait_for(trouble.LASTING, f'netns="{room.name}"')
            seen.wait_for(trouble.ELSEWHERE)
        seen.end_s = time.time()
        yield seen
