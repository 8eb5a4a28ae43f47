"""One number per row: which verdict fits. Whole batches at once; nearly all connections end well, and those leave
before the first rule is asked."""

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts.facts import BRIEF_NS, Facts
from tcpwatch.verdicts.rules import RULES

CODES: tuple[str | None, ...] = (None, *(rule.code for rule in RULES))  # None: nothing to say, or too little was seen
CLEAN = CODES.index("clean")

_END = shape.CLOSED | shape.VANISHED | shape.ABORTED


def judge(rows: np.ndarray, now_ns: int, hz: int, reasons: tuple[str, ...]) -> np.ndarray:
    """(n,) u1: CODES by number. rows: (n,) rows.ROW; of ended connections the verdict, of others a standing one, 0
    where nothing is wrong. now_ns: CLOCK_MONOTONIC. hz: jiffies per second, 0: unknown. reasons: names of the
    kernel's enum sk_rst_reason by number, without the prefix; () where it has none."""
    verdicts = np.zeros(len(rows), np.uint8)
    ended = rows["flags"] & shape.CLOSED != 0
    fine = ended & _ended_well(rows)
    verdicts[fine] = CLEAN
    doubtful = ended & ~fine
    live = np.flatnonzero(~ended)
    if len(live):
        doubtful[live] = _may_ail(rows if len(live) == len(rows) else rows.take(live), hz)
    rest = np.flatnonzero(doubtful)
    if len(rest):
        verdicts[rest] = judge_by_rules(rows.take(rest), now_ns, hz, reasons)
    return verdicts


def judge_by_rules(rows: np.ndarray, now_ns: int, hz: int, reasons: tuple[str, ...]) -> np.ndarray:
    """The same without the short cuts."""
    facts = Facts(rows, now_ns, hz, reasons)
    verdicts = np.zeros(len(rows), np.uint8)
    for phase, undecided in (("ended", facts.told.copy()), ("standing", facts.live.copy())):
        for number, rule in enumerate(RULES, 1):
            if not undecided.any():
                break
            condition = rule.ended if phase == "ended" else rule.standing
            if condition is None:
                continue
            holds = condition(facts) & undecided
            verdicts[holds] = number
            undecided &= ~holds
    return verdicts


def _ended_well(rows: np.ndarray) -> np.ndarray:
    """Short lives with a goodbye, of which nothing but `clean` could be said: no rule says otherwise."""
    last = np.clip(rows["path_len"], 1, shape.PATH).astype(np.intp) - 1
    state = rows["path_state"][np.arange(len(rows)), last]
    orphan = (state == wire.FIN_WAIT2) & (rows["state"] == wire.FIN_WAIT2)
    goodbye = (state == wire.LAST_ACK) | (state == wire.TIME_WAIT) | orphan
    trouble = rows["resets_sent"] | rows["resets_received"] | rows["error"] | rows["retrans"] | rows["again_ns"]
    took_ns = rows["closed_ns"] - rows["opened_ns"]  # wraps where the one is unknown, and is not brief then
    brief = (took_ns < np.uint64(BRIEF_NS)) & (rows["opened_ns"] != 0)
    known = (rows["path_len"] != 0) & (rows["path_state"][:, 0] != wire.LISTEN)
    return (rows["flags"] & _END == shape.CLOSED) & goodbye & (trouble == 0) & brief & known


def _may_ail(rows: np.ndarray, hz: int) -> np.ndarray:
    """Live connections that a standing verdict may fit. Never false where a rule holds."""
    waits = np.isin(rows["state"], (wire.CLOSE_WAIT, wire.FIN_WAIT2))
    worked = rows["busy_ticks"] >= max(hz, 1)
    return (
        (rows["retrans"] != 0)
        | (rows["stalled_ns"] != 0)
        | (rows["probes"] != 0)
        | (rows["again_ns"] != 0)
        | (waits | worked)
    )
