"""What a command tells about itself: on stderr, so that stdout is data."""

import sys


def say(text: str) -> None:
    """One line. If nobody can hear it, that is no reason to fail."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the one place that narrates
    except OSError:
        return
