"""Are the times in the evidence of a verdict such as can have been?"""

from .build import CONNECTED, MS, START, explained, got_reset, row

MOVED = "data last moved, as the newest snapshot has it"


def test_no_data_moves_before_the_handshake_has_ended() -> None:
    """The idle time is in jiffies of up to 10 ms: reckoned back, it may reach to before the SYN."""
    for moved_ns, told_ns in (
        (START - 4 * MS, START + MS),
        (START + MS // 2, START + MS),
        (START + 7 * MS, START + 7 * MS),
    ):
        evidence = explained(row(CONNECTED, moved_ns=moved_ns, **got_reset())).evidence
        assert (told_ns, MOVED) in evidence
        assert min(time_ns for time_ns, _ in evidence if time_ns is not None) == START
