"""Many connections with the same bad verdict: which verdicts are worth a finding, from how many on, and how that reads.
The verdict of each connection is tcpwatch.verdicts' business."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tcpwatch.health.finding import Finding, Lead
from tcpwatch.health.groups import NETWORK, PROCESS, SERVICE, doer, living, name_of, rest
from tcpwatch.health.scene import Scene
from tcpwatch.verdicts import CODES, HIGH, LOW, MEDIUM, harm_of
from tcpwatch.verdicts import conditions as when
from tcpwatch.verdicts.advice import ADVICE
from tcpwatch.verdicts.amounts import percent, span
from tcpwatch.verdicts.conditions import Condition
from tcpwatch.verdicts.facts import Facts

# From how many within a minute on, and from which share of all that ended with the same service. One of ten thousand
# clients is always gone
LEAST = {HIGH: 3, MEDIUM: 5, LOW: 20}
SHARE = {HIGH: 0.01, MEDIUM: 0.05, LOW: 0.2}
EVERYWHERE, PLACES = 30, 10  # so many, with so many different services, none of which has enough by itself
ALIKE = 20  # findings that say the same of different services; if there are more they become one


@dataclass(frozen=True, slots=True)
class Trouble:
    """what: after a number. ended, stands: what happened to those that are over, and what those that live do; "":
    never. least, share: instead of those above. holds: only those that are over, and of which this is true, count: one
    of the verdict's advices is for them."""

    code: str
    what: str
    ended: str
    stands: str = ""
    by: int = SERVICE
    least: int = 0
    share: float = 0.0
    holds: Condition | None = None

    @property
    def harm(self) -> int:
        return harm_of(self.code)

    @property
    def advice(self) -> tuple[str, ...]:
        return tuple(one.text for one in ADVICE[self.code] if one.holds is self.holds)

    @property
    def from_count(self) -> int:
        return self.least or LEAST[self.harm]

    @property
    def from_share(self) -> float:
        return self.share or SHARE[self.harm]


# The worst first. What listeners and ports tell better by themselves is not here, nor is what is on purpose as a rule
TROUBLES: tuple[Trouble, ...] = (
    Trouble("refused", "refused", "were refused"),
    Trouble("no_answer", "got no answer", "got no answer", "wait for an answer"),
    Trouble("unacknowledged", "gone silent", "", "get no acknowledgement any more"),
    Trouble("timed_out_retransmitting", "timed out", "timed out: nothing that was sent was acknowledged"),
    Trouble("unreachable", "unreachable", "found no way there"),
    Trouble("rejected_by_firewall", "rejected", "were rejected, likely by a firewall"),
    Trouble(
        "stalled_zero_window", "stalled", "ended stalled", "wait for the peer to read: its window is shut", least=3
    ),
    Trouble("timed_out_keepalive", "lost while idle", "were given up: keep-alive probes had no answer"),
    Trouble("reset_by_us_process_died", "cut: process ended", "were reset as their process ended without closing"),
    Trouble("reset_by_us_unread_data", "reset: data unread", "were closed by this side with data unread, and so reset"),
    Trouble("reset_by_peer", "reset by peer", "were reset by the peer"),
    Trouble("aborted", "aborted", "were aborted"),
    Trouble("lossy_path", "lose segments", "lost many segments", "lose many segments", by=NETWORK),
    Trouble("slow_handshake", "slow handshakes", "needed more than one SYN or SYN-ACK"),
    Trouble("given_up", "given up early", "were given up before an answer came", share=0.9),
    Trouble("reset_by_us", "reset by us", "were reset by this side", least=60),
    Trouble("reset_by_us_linger", "reset by us", "were reset by this side (SO_LINGER 0)", least=60),
    Trouble(
        "reset_after_goodbye",
        "used after their end",
        "were written to a second or more after the peer had closed them, and reset",
        least=5,
        holds=when.stale_use,
    ),
    Trouble("half_closed_lingering", "half closed", "", "wait for the other half to be closed", by=PROCESS),
)
_BY_NUMBER = {CODES.index(trouble.code): trouble for trouble in TROUBLES}
_SCATTERED = (
    *("refused", "no_answer", "unacknowledged", "timed_out_retransmitting", "unreachable", "rejected_by_firewall"),
)
HALF_CLOSED = CODES.index("half_closed_lingering")
_WAY_OUT = (
    "So many at once point to this machine or its way out, not to the destinations: look at its address, its default "
    "route (`ip route`), its gateway (`ip neigh`), its firewall and its DNS."
)


def _by_number(values: dict[int, int]) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    table[list(values)] = list(values.values())
    return table


# For each verdict by its number: what groups are made by; whether it counts for those that ended, and that live
BY = _by_number({number: trouble.by for number, trouble in _BY_NUMBER.items()})
_WORTH = _by_number({number: trouble.ended != "" for number, trouble in _BY_NUMBER.items()}).astype(bool)
STANDS = _by_number({number: trouble.stands != "" for number, trouble in _BY_NUMBER.items()}).astype(bool)


def worth(lives: np.ndarray) -> np.ndarray:
    """(n,) bool: which of these rows.ROW, that ended, count."""
    counts: np.ndarray = _WORTH[lives["verdict"]]
    for number, trouble in _BY_NUMBER.items():
        if trouble.holds is not None:
            at = np.flatnonzero(lives["verdict"] == number)
            counts[at] = trouble.holds(Facts(lives[at], 0, 0, ()))
    return counts


def bursts(scene: Scene, code: str) -> Iterator[Finding]:
    """One finding for each group that is large enough."""
    trouble = _BY_NUMBER[CODES.index(code)]
    large, _ = _sized(scene, trouble)
    for group in large:
        strength = _strength(scene, trouble, group)
        if strength >= 0.5:
            yield _finding(scene, trouble, group, strength)


def _sized(scene: Scene, trouble: Trouble) -> tuple[np.ndarray, np.ndarray]:
    """The groups that may be worth a finding of their own, the largest; and those that are not, some of them in both:
    what is too small to open a finding may keep one."""
    groups = scene.troubled[scene.troubled["verdict"] == CODES.index(trouble.code)]
    counts = np.where(groups["service"] != 0, groups["ended"] + groups["standing"], -1)
    order = np.argsort(-counts, kind="stable")
    large = counts[order] * 2 >= trouble.from_count
    large[ALIKE:] = False
    small = ~large | (counts[order] < trouble.from_count)
    return groups[order[large]], groups[order[small]]


def _strength(scene: Scene, trouble: Trouble, group: np.void) -> float:
    """Of those that ended a share of all ends is enough, of those that stand a share of all that live."""
    ended, standing = int(group["ended"]), int(group["standing"])
    number = (ended + standing) / trouble.from_count
    shares = []
    if ended:
        shares.append(ended / max(ended, scene.ends.get(int(group["service"]), 0)) / trouble.from_share)
    if standing:
        met = trouble.by == SERVICE and trouble.code != "no_answer"
        shares.append(
            standing / max(standing, living(scene.connections, scene.alive, group) if met else 0) / trouble.from_share
        )
    return min(number, max(shares))


def _finding(scene: Scene, trouble: Trouble, group: np.void, strength: float) -> Finding:
    name, count = name_of(group, scene.home), int(group["ended"] + group["standing"])
    where = name.text + scene.elsewhere(int(group["netns"]))
    to = "from" if trouble.by == SERVICE and group["serves"] else "to"
    whose = "" if group["serves"] else doer(group)
    at = f"at {where}" if group["serves"] and trouble.by == SERVICE else f"{to} {where}"
    return Finding(
        code=trouble.code,
        subject=name.key,
        severity=trouble.harm,
        what=trouble.what,
        where=where,
        numbers=_numbers(scene, group),
        sentence=f"{_parts(scene, trouble, group, f'{whose} {at}')}.",
        advice=trouble.advice,
        count=count,
        lead=Lead("connections", f"verdict = {trouble.code} and {name.expression}", closed=bool(group["ended"])),
        strength=strength,
        since_ns=int(group["first_ns"]),
    )


def _parts(scene: Scene, trouble: Trouble, group: np.void, whose: str) -> str:
    ended, standing = int(group["ended"]), int(group["standing"])
    parts = []
    if ended:
        all_ends = scene.ends.get(int(group["service"]), 0)
        share = f" ({percent(ended / all_ends)} of those that ended)" if all_ends > ended else ""
        parts.append(f"{connections(ended)}{whose} {_be(trouble.ended, ended)} in the last minute{share}")
        parts[0] += f", the newest {_ago(scene, group)}"
    if standing:
        verb = _third(trouble.stands, standing)
        parts.append(f"{standing:,} {verb} now" if ended else f"{connections(standing)}{whose} {verb}")
    return "; ".join(parts)


def _numbers(scene: Scene, group: np.void) -> str:
    ended, standing = int(group["ended"]), int(group["standing"])
    parts = [f"{ended:,} in 60 s"] if ended else []
    parts += [f"{standing:,} now"] if standing else []
    return ", ".join(parts)


def _ago(scene: Scene, group: np.void) -> str:
    passed = scene.now_ns - int(group["newest_ns"])
    return f"{span(passed)} ago" if passed >= 1_000_000_000 else "just now"


def connections(count: int) -> str:
    return f"{count:,} connection{'' if count == 1 else 's'}"


def _be(verb: str, count: int) -> str:
    return verb.replace("were ", "was ", 1) if count == 1 else verb


def _third(verb: str, count: int) -> str:
    first, _, more = verb.partition(" ")
    return f"{first}s {more}" if count == 1 else verb


def scattered(scene: Scene) -> Iterator[Finding]:
    """The same everywhere, and nowhere enough of it to be named: this machine's own way out is broken."""
    for code in _SCATTERED:
        trouble = _BY_NUMBER[CODES.index(code)]
        _, others = _sized(scene, trouble)
        for group in rest(others[~others["serves"]]):
            count, places = int(group["ended"] + group["standing"]), int(group["places"])
            strength = min(count / EVERYWHERE, places / PLACES)
            if strength < 0.5:
                continue
            there = scene.elsewhere(int(group["netns"]))
            own = f" and netns = {group['netns']}" if there else ""
            yield Finding(
                code=f"{code}_everywhere",
                subject=int(group["netns"]),
                severity=MEDIUM,
                what=trouble.what,
                where=f"{places:,} destinations{there}",
                numbers=_numbers(scene, group),
                sentence=f"{_parts(scene, trouble, group, f' to {places:,} destinations{there}')}.",
                advice=(_WAY_OUT,),
                count=count,
                lead=Lead("connections", f"verdict = {code}{own}", closed=bool(group["ended"])),
                strength=strength,
                since_ns=int(group["first_ns"]),
            )
