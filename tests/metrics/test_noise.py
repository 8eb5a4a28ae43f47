"""Does whatever a damaged recording may hold leave metrics that a scraper can read?"""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpwatch import rows, wire
from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Host, Process, Snapshot
from tcpwatch.metrics import Meters, parse
from tcpwatch.metrics.space import IDLE_NS
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.verdicts import CODES
from tcpwatch.words import clean


def name(chance: Random) -> str:
    return "".join(chance.choice('a/\x1b\n"\\\u202e\ud800é') for _ in range(chance.randrange(6)))


def noise(chance: np.random.Generator, kind: np.dtype, most: int, least: int = 0) -> np.ndarray:
    return np.frombuffer(chance.bytes(int(chance.integers(least, most)) * kind.itemsize), kind).copy()


def step(seed: int) -> Step:
    """What a source could never be trusted not to bring."""
    chance, words = np.random.default_rng(seed), Random(seed)
    events, sockets = noise(chance, wire.EVENT, 20), noise(chance, wire.SOCKET, 20)
    table, lives = noise(chance, rows.ROW, 40, 1), noise(chance, rows.ROW, 20)
    for one in (table, lives):  # these are the tracker's own
        one["role"] %= len(rows.ROLES)
        one["verdict"] %= len(CODES)
    host = Host("h", "k\n", "b", words.choice([0, 100, 1000, -1]), 1, 0, ("A", 'B"\n'))
    paths = {words.getrandbits(64): name(words) for _ in range(3)}
    names = {number & 0xFFFFFFFF: text for number, text in paths.items()}
    setting = (("net.ipv4.ip_local_port_range", words.choice(["1 2", "9 1", "0 99999", "x y", "9" * 5000, ""])),)
    frame = Frame(
        1,
        words.randrange(2, IDLE_NS),
        host,
        events=events,
        snapshot=Snapshot(1, 2, sockets, frozenset(names), noise(chance, COUNTS, 5)),
        settings=tuple((number, setting) for number in (*names, 1)),
        processes=tuple(Process(words.randrange(-5, 1 << 32), 0, name(words), "", name(words)) for _ in range(2)),
        cgroups=tuple(paths.items()),
        namespaces=tuple(names.items()),
        tally=np.frombuffer(chance.bytes(len(wire.KINDS) * 16), wire.TALLY).copy(),
        joins=words.random() < 0.5,
    )
    lines = chance.integers(-1, len(table) + 1, len(events))
    ended = chance.integers(0, len(table), len(lives))
    nothing = np.zeros(len(wire.KINDS), np.uint64)
    kinds, states = events["kind"].copy(), events["new_state"].copy()
    return Step(frame, lines, table, lives, nothing, paths, names, {}, ended, kinds, states)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1 << 32), min_size=1, max_size=4), st.sampled_from([1, 5, 1000]))
def test_noise_breaks_nothing(seeds: list[int], cap: int) -> None:
    """Labels stay harmless, counters only grow, buckets add up."""
    tracker, meters = Tracker(history_bytes=1), Meters(networks=[parse("::/1=low")], max_series=cap)
    tracker.fold(Frame(0, 1, Host("h", "k", "b", 100, 1, 0)))
    before: dict[str, float] = {}
    for seed in seeds:
        meters.fold(step(seed))
        for family in meters.picture(tracker.view()).families:
            assert all(clean(text) == text for values in family.values for text in values), family.values
            if family.kind in ("counter", "histogram"):
                assert (family.numbers >= 0).all()
                assert float(family.numbers.sum()) >= before.get(family.name, 0.0) * (
                    1 - 1e-12
                )  # numbers of any size: rounded
                before[family.name] = float(family.numbers.sum())
            if family.kind == "histogram":
                assert (np.diff(family.buckets, axis=1) >= 0).all()
                assert (family.buckets[:, -1] == family.numbers).all()
                assert (family.sums >= 0).all()
