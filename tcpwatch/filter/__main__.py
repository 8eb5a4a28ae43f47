"""`python -m tcpwatch.filter` prints docs/filters.md."""

from tcpwatch.filter import guide

print(guide.text(), end="")  # noqa: T201 - a page for a person or a file, not a command's data
