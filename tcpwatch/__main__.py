"""`python -m tcpwatch` is the command `tcpwatch`."""

import os
import signal
import sys


def main() -> int:
    """Ctrl-C while the rest is being loaded: nothing has begun that would have to be brought to an end."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    from tcpwatch import cli

    signal.signal(signal.SIGINT, before)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
