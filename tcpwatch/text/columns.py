"""Records as text for people: the columns of tcpstates, tcplife and `ss -tin`, whose readers they are for. Unknown is
drawn as a dash; widths grow when an address needs it and never shrink again."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from tcpwatch.records.lines import Coded, Column, Decimal, Fixed, join
from tcpwatch.records.parts import Array, Number, Records, Sequences, Value, group

DASH = "–"
_IPV4, _PORT, _PID, _COMM, _VERDICT = 15, 5, 7, 16, 14
_EVENT, _STATE, _STATES = 18, 11, 26
_NS_PER_S, _NS_PER_MS = 1_000_000_000, 1_000_000


class _Stream:
    """Lines that begin with TIME PID COMM and the two ends."""

    _title = ""

    def __init__(self) -> None:
        self._laddr = self._raddr = _IPV4

    def header(self) -> bytes:
        ends = f"{'LADDR':<{self._laddr}} {'LPORT':>5} {'RADDR':<{self._raddr}} {'RPORT':>5}"
        return f"{'TIME':<12} {'PID':>{_PID}} {'COMM':<{_COMM}} {ends} {self._title}\n".encode()

    def _begin(self, records: Records) -> list[Column]:
        return [
            *_clock(records.number("time_ns").values),
            *_owner(records),
            Fixed(" "),
            *self._ends(records),
        ]

    def _ends(self, records: Records) -> list[Column]:
        left, right = records.shared("laddr"), records.shared("raddr")
        self._laddr = _widest(self._laddr, left.values["laddr"])
        self._raddr = _widest(self._raddr, right.values["raddr"])
        return [
            Coded([f"{_word(address):<{self._laddr}} " for address in left.values["laddr"]], left.codes),
            *_numbers(records, ("lport", _PORT, 0)),
            Coded([f"{_word(address):<{self._raddr}} " for address in right.values["raddr"]], right.codes),
            *_numbers(records, ("rport", _PORT, 0)),
        ]


class EventColumns(_Stream):
    _title = f"{'EVENT':<{_EVENT}} {'OLDSTATE -> NEWSTATE':<{_STATES}} {'COUNT':>5} {'RTT(ms)':>9} {'CWND':>6} REASON"

    def lines(self, records: Records) -> memoryview:
        what = records.shared("event")
        values = what.values
        happened = [
            f"{_word(event):<{_EVENT}} {_states(old, new):<{_STATES}} "
            for event, old, new in zip(values["event"], values["old_state"], values["new_state"])
        ]
        columns = [
            *self._begin(records),
            Coded(happened, what.codes),
            Decimal(records.number("count"), DASH, 5),
            Fixed(" "),
            *_numbers(records, ("srtt_us", 9, 3), ("cwnd", 6, 0)),
            Coded([_word(reason) + "\n" for reason in values["reason"]], what.codes),
        ]
        return join(columns, records.size)


class LifeColumns(_Stream):
    _title = (
        f"{'TX_KB':>9} {'RX_KB':>9} {'MS':>12} {'ROLE':<6} {'SETUP(ms)':>9} {'RETR':>6} {'RTT(ms)':>9} "
        f"{'MINRTT(ms)':>10} {'VERDICT':<{_VERDICT}} STATES(ms)"
    )

    def lines(self, records: Records) -> memoryview:
        role, verdict = records.shared("role"), records.shared("verdict")
        columns = [
            *self._begin(records),
            Decimal(_scaled(records.number("bytes_sent"), 1024), DASH, 9),
            Fixed(" "),
            Decimal(_scaled(records.number("bytes_received"), 1024), DASH, 9),
            Fixed(" "),
            *_numbers(records, ("duration_us", 12, 3)),
            Coded([f"{_word(name):<6} " for name in role.values["role"]], role.codes),
            *_numbers(records, ("handshake_us", 9, 3), ("retrans", 6, 0), ("srtt_us", 9, 3), ("min_rtt_us", 10, 3)),
            Coded([f"{_word(code):<{_VERDICT}} " for code in verdict.values["verdict"]], verdict.codes),
            *_path(records.sequences("states")),
            Fixed("\n"),
        ]
        return join(columns, records.size)


def _clock(unix_ns: Array) -> list[Column]:
    """HH:MM:SS.mmm, local time, and a space."""
    seconds = unix_ns // np.uint64(_NS_PER_S)
    first, codes = group(seconds)
    clock = [time.strftime("%H:%M:%S.", time.localtime(second)) for second in seconds[first].tolist()]
    thousandths = (unix_ns - seconds * np.uint64(_NS_PER_S)) // np.uint64(_NS_PER_MS)
    return [Coded(clock, codes), Coded([f"{n:03} " for n in range(1000)], thousandths.astype(np.intp))]


def _owner(records: Records) -> list[Column]:
    shared = records.shared("pid")
    pairs = zip(shared.values["pid"], shared.values["comm"])
    return [Coded([f"{_word(pid):>{_PID}} {_word(comm):<{_COMM}}" for pid, comm in pairs], shared.codes)]


def _numbers(records: Records, *wanted: tuple[str, int, int]) -> list[Column]:
    """(name, width, decimal places) each, a space behind each."""
    columns: list[Column] = []
    for name, width, places in wanted:
        columns += [Decimal(records.number(name), DASH, width, places), Fixed(" ")]
    return columns


def _scaled(number: Number, unit: int) -> Number:
    return Number(number.name, number.values // np.uint64(unit), number.known)


def _states(old: Value, new: Value) -> str:
    return f"{_word(old):<{_STATE}} -> {_word(new)}" if old != new else _word(new)


def _path(states: Sequences) -> Iterator[Column]:
    """`SYN_SENT:0.031 ESTABLISHED:12.400 TIME_WAIT`, milliseconds; only the name where the time is unknown."""
    yield Coded(["", DASH], states.lengths == 0)
    for place in range(int(states.lengths.max(initial=0))):
        absent = states.lengths <= place
        silent = absent | ~states.known[place]
        names = [f"{' ' if place else ''}{word}" for word in states.words]
        yield Coded([*names, ""], np.where(absent, len(names), states.codes[place]))
        yield Coded([":", ""], silent)
        yield Decimal(Number("", states.values[place]), DASH, places=3, absent=silent)


def _widest(width: int, words: Sequence[Value]) -> int:
    return max([width, *(len(_word(word)) for word in words)])


def _word(value: Value) -> str:
    return DASH if value is None else str(value)
