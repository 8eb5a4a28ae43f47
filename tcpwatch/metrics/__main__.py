"""`python -m tcpwatch.metrics` prints docs/metrics.md."""

from tcpwatch.metrics import guide

print(guide.text(), end="")  # noqa: T201 - a page for a person or a file, not a command's data
