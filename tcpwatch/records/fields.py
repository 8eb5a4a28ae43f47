"""What a filter may ask of events, lives and sockets: the same names for all three, each worked out only when asked
for; a name that a face has no notion of is absent. Knows nothing of filters' language."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from tcpwatch.records import identity, measures
from tcpwatch.records.parts import Array, Codes, Number
from tcpwatch.tracker.step import Step
from tcpwatch.verdicts import judge

Make = Callable[[str], Array]


class Fields(Mapping[str, Array]):
    """Columns by name, (n,) each, addresses (n, 16) u1. Measures are float64, NaN where unknown; pid, lport, cgroup,
    netns and role are 0 where unknown; comm is S16, empty where unknown."""

    def __init__(self, makers: Mapping[str, Make]) -> None:
        self._makers = makers
        self._made: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._made:
            self._made[name] = self._makers[name](name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def of_events(step: Step) -> Fields:
    events, lines = step.frame.events, identity.event_lines(step)
    return Fields(
        {
            **_same(("laddr", "raddr", "rport", "family", "netns"), lambda name: events[name]),
            **_same(measures.EVENT, lambda name: measures.event_number(events, name).floats()),
            **_same(("cgroup", "role", "verdict"), lambda name: identity.gather(step, lines, name)),
            "lport": lambda _: identity.local_port(step, lines, events),
            "state": lambda _: events["new_state"],
            "pid": lambda _: identity.event_owners(step, lines, events)[0],
            "comm": lambda _: identity.event_owners(step, lines, events)[1],
            "rtt_us": lambda _: measures.event_number(events, "srtt_us").floats(),
            "age_ms": lambda _: _ms(identity.gather(step, lines, "opened_ns"), events["time_ns"]),
        }
    )


_OF_ROWS = ("laddr", "raddr", "lport", "rport", "family", "netns", "state", "pid", "comm", "cgroup", "role", "verdict")


def of_lives(step: Step) -> Fields:
    lives = step.lives
    return Fields(
        {
            **_same(_OF_ROWS, lambda name: lives[name]),
            **_same(measures.LIFE, lambda name: measures.LIFE[name](lives).floats()),
            "rtt_us": lambda _: measures.LIFE["srtt_us"](lives).floats(),
            "age_ms": lambda _: _ms(lives["opened_ns"], lives["closed_ns"]),
        }
    )


def of_sockets(step: Step) -> Fields:
    """Empty without a snapshot."""
    if step.frame.snapshot is None:
        return Fields({})
    sockets, lines = step.frame.snapshot.sockets, identity.socket_lines(step)
    now = np.full(len(sockets), step.frame.snapshot.end_ns, np.uint64)
    return Fields(
        {
            **_same(
                ("laddr", "raddr", "lport", "rport", "family", "netns", "state", "cgroup"), lambda name: sockets[name]
            ),
            **_same(measures.SOCKET, lambda name: measures.socket_number(sockets, name).floats()),
            **_same(("pid", "comm", "role"), lambda name: identity.gather(step, lines, name)),
            "rtt_us": lambda _: measures.socket_number(sockets, "srtt_us").floats(),
            "idle_ms": lambda _: measures.socket_time(sockets, "idle", step.frame.host.hz).floats(),
            "age_ms": lambda _: _ms(identity.gather(step, lines, "opened_ns"), now),
            "state_ms": lambda _: _ms(_entered_ns(step, lines), now),
            "verdict": lambda _: _standing(step, lines),
        }
    )


def _same(names: tuple[str, ...] | Mapping[str, object], make: Make) -> dict[str, Make]:
    return dict.fromkeys(names, make)


def _standing(step: Step, lines: Codes) -> Array:
    """What ails each connection now."""
    host, verdicts = step.frame.host, np.zeros(len(lines), np.uint8)
    known = np.flatnonzero(lines >= 0)
    verdicts[known] = judge(step.table.take(lines[known]), step.frame.end_ns, host.hz, host.reset_reasons)
    return verdicts


def _entered_ns(step: Step, lines: Codes) -> Array:
    """When each connection entered its present state; 0 = unknown."""
    path, length = identity.gather(step, lines, "path_ns"), identity.gather(step, lines, "path_len").astype(np.intp)
    last: Array = path[np.arange(len(lines)), np.clip(length, 1, path.shape[1]) - 1]
    return last


def _ms(begin_ns: Array, end_ns: Array) -> Array:
    span: Number = measures.between("", begin_ns, end_ns, np.ones(len(begin_ns), np.bool_))
    return span.floats() / 1000
