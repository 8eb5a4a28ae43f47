"""`python -m tcpwatch.verdicts` prints docs/verdicts.md."""

from tcpwatch.verdicts import guide

print(guide.text(), end="")  # noqa: T201 - a page for a person or a file, not a command's data
