"""Are connections that nobody accepted told from those that a process has leaked?"""

from tcpwatch import wire

from .build import CLIENT, SERVER, Looker, living

WAITING = {"verdict": "half_closed_lingering", "state": wire.CLOSE_WAIT, "pid": 0, "comm": b""}


def test_they_hold_no_descriptor() -> None:
    """Nothing is said of a process that does not close them, and the advice is about accept()."""
    (found,) = Looker().look(living(23, **SERVER | WAITING))
    assert found.code == "close_wait"
    assert found.sentence == (
        "23 connections are in CLOSE_WAIT, their peers closed long ago, and no process was found that has them: likely "
        "nobody accepted them."
    )
    assert all("accept()" in advice for advice in found.advice)


def test_a_client_s_have_not_to_be_accepted() -> None:
    """Whose they are is not known, and no more is said."""
    (found,) = Looker().look(living(1000, **CLIENT | WAITING | {"netns": 7}))
    assert found.sentence == (
        "1,000 connections in 7 are in CLOSE_WAIT, their peers closed long ago, and no process was found that has them."
    )


def test_a_process_that_has_them_is_named() -> None:
    """As before."""
    (found,) = Looker().look(living(23, **SERVER | WAITING | {"pid": 812, "comm": b"nginx"}))
    assert found.sentence.startswith("nginx (812) has 23 connections in CLOSE_WAIT")
    assert "a leak" in found.advice[0]
