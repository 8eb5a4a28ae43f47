"""What is being done at the moment, on stderr."""

import sys


def say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
