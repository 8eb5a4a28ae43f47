"""`python -m tcpwatch` is the command `tcpwatch`."""

import sys

from tcpwatch.cli import main

sys.exit(main())
