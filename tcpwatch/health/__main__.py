"""`python -m tcpwatch.health` prints docs/health.md."""

from tcpwatch.health import guide

print(guide.text(), end="")  # noqa: T201 - a page for a person or a file, not a command's data
