"""Is what was dealt at the handshake read rightly, and is a bad deal told from a good one?"""

import numpy as np
import pytest

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.tracker.audit import by_cookie, deal, handshake, remarks

from .one import ALL_OPTIONS, V4, V6, at, row, socket

MET = (wire.SYN_SENT, 0.0), (wire.ESTABLISHED, 0.042)
UNSCALED = wire.SACK | wire.TIMESTAMPS


def told(line: np.void, one: np.void | None) -> list[tuple[bool, str]]:
    return [(remark.grave, remark.text) for remark in remarks(line, deal(line, one))]


def test_a_client_s_handshake() -> None:
    """From the SYN to ESTABLISHED, with the SYNs that had to be sent again."""
    causes = np.zeros(len(wire.CAUSES), "u2")
    causes[wire.SYN] = 2
    line = row(*MET, role=shape.CLIENT, opened_ns=at(0), established_ns=at(0.042), causes=causes, retrans=5)
    hand = handshake(line, at(9))
    assert (hand.took_us, hand.done, hand.syns_again, hand.synacks_again) == (42_000, True, 2, 0)


def test_a_handshake_that_goes_on() -> None:
    """So far, and what was sent again before we came counts too."""
    hand = handshake(row((wire.SYN_SENT, 0.0), opened_ns=at(0), retrans=3), at(7))
    assert (hand.took_us, hand.done, hand.syns_again) == (7_000_000, False, 3)
    hand = handshake(row((wire.SYN_RECV, 0.0), opened_ns=at(0), retrans=1), at(2))
    assert (hand.took_us, hand.done, hand.synacks_again) == (2_000_000, False, 1)


def test_a_handshake_that_failed() -> None:
    """It took until it was given up."""
    line = row((wire.SYN_SENT, 0.0), opened_ns=at(0), closed_ns=at(3), state=wire.CLOSE, flags=shape.CLOSED)
    hand = handshake(line, at(60))
    assert (hand.took_us, hand.done) == (3_000_000, False)


@pytest.mark.parametrize("times", [{}, {"opened_ns": at(1), "established_ns": at(1)}])
def test_an_unknown_handshake(times: dict[str, int]) -> None:
    """Opened before we came, or a server's of which nobody saw the request: unknown, not zero."""
    assert handshake(row(role=shape.SERVER, **times), at(9)).took_us is None


def test_the_deal() -> None:
    """As the newest snapshot has it; what an ended one leaves in the row is what is known then."""
    known = deal(row(), socket())
    assert (known.mss, known.pmtu, known.room, known.scales) == (1448, 1500, 1448, (7, 9))
    assert (known.sack, known.timestamps, known.scaling, known.ecn, known.fast_open) == (True, True, True, False, False)
    ended = deal(row(options=UNSCALED), None)
    assert (ended.sack, ended.scaling, ended.pmtu, ended.room, ended.scales) == (True, False, None, None, None)


def test_nothing_is_dealt_before_an_answer() -> None:
    """The kernel begins with an MSS of 536 and no options: that is not what was agreed on."""
    for more in ({}, {"state": wire.CLOSE, "flags": shape.CLOSED}):
        line = row((wire.SYN_SENT, 0.0), mss=524, **more)
        known = deal(line, socket(options=0))
        assert (known.mss, known.sack, known.scaling, known.ecn) == (None, None, None, None)
        assert told(line, socket(options=0)) == []


def test_never_in_a_snapshot() -> None:
    """Options are unknown, and nothing is said of them."""
    line = row(moved_ns=0)
    assert (deal(line, None).sack, told(line, None)) == (None, [])


def test_a_good_deal() -> None:
    """Nothing to say: IPv4 and IPv6, with and without timestamps in each segment."""
    assert told(row(min_rtt_us=200_000), socket()) == []
    assert told(row(raddr=V6, mss=1428), socket()) == []
    assert [grave for grave, _ in told(row(mss=1460), socket(options=ALL_OPTIONS & ~wire.TIMESTAMPS))] == [False]


@pytest.mark.parametrize(("rtt_us", "grave"), [(40_000, True), (400, False), (0, False), (wire.NO_SAMPLE, False)])
def test_no_window_scaling(rtt_us: int, grave: bool) -> None:
    """64 KB under way: a ceiling that matters on a long path, with the number."""
    ((seen, text),) = told(row(min_rtt_us=rtt_us), socket(options=UNSCALED))
    assert seen == grave
    assert text.startswith("No window scaling")
    assert ("1.6 MB a second over 40 ms" in text) == (rtt_us == 40_000)


def test_a_peer_that_scales_by_one() -> None:
    """It agreed to scaling and still offers 64 KB at most."""
    ((grave, text),) = told(row(min_rtt_us=40_000), socket(snd_wscale=0))
    assert grave
    assert text.startswith("The peer scales its window by 1")


def test_no_sack() -> None:
    """Grave where segments get lost."""
    ((grave, _),) = told(row(), socket(options=ALL_OPTIONS & ~wire.SACK))
    assert not grave
    ((grave, text),) = told(row(retrans=30, segs_out=1000), socket(options=ALL_OPTIONS & ~wire.SACK))
    assert grave
    assert "30 segments (3.0 %)" in text


@pytest.mark.parametrize(
    ("mss", "pmtu", "raddr", "expected"),
    [
        (1448, 1500, V4, []),
        (1428, 1500, V6, []),
        (1388, 1500, V4, [False]),
        (536, 1500, V4, [True]),
        (1448, 9001, V4, [False]),
        (32_768, 65_535, V4, []),
    ],
)
def test_small_segments(mss: int, pmtu: int, raddr: np.ndarray, expected: list[bool]) -> None:
    """A tunnel's loss is worth a word, a third of an ordinary segment a warning; a loopback's bound is its window's."""
    line, one = row(mss=mss, raddr=raddr), socket(pmtu=pmtu, advmss=pmtu - 52)
    assert [grave for grave, _ in told(line, one)] == expected


def test_who_asked_for_small_segments() -> None:
    """Ours or the peer's fault."""
    assert "we asked for no more" in told(row(mss=536), socket(advmss=536))[0][1]
    assert "the peer asked for no more" in told(row(mss=536), socket())[0][1]


BORN = {"role": shape.SERVER, "opened_ns": at(0), "established_ns": at(0), "min_rtt_us": 40_000}


def test_born_of_a_cookie() -> None:
    """No options, and no round trip of a SYN-ACK at its birth; then that is said in place of each option's lack."""
    line = row(**BORN)
    assert by_cookie(line, deal(line, socket(options=0)))
    ((grave, text),) = told(line, socket(options=0, pmtu=0))
    assert grave
    assert text.startswith("Likely born of a SYN cookie")


@pytest.mark.parametrize(
    ("facts", "options"),
    [
        ({"established_ns": at(0.04)}, 0),
        ({"role": shape.CLIENT}, 0),
        ({"opened_ns": 0, "established_ns": 0}, 0),
        ({}, wire.SACK),
        ({}, ALL_OPTIONS),
    ],
)
def test_not_born_of_a_cookie(facts: dict[str, int], options: int) -> None:
    """A round trip was measured, it called itself, its birth was not seen, or something was dealt."""
    line = row(**{**BORN, **facts})
    assert not by_cookie(line, deal(line, socket(options=options)))


def test_the_grave_ones_come_first() -> None:
    """Whatever the order they are found in."""
    bad = told(row(mss=536), socket(options=wire.WSCALE))
    assert [grave for grave, _ in bad] == [True, False, False]
