"""Which Grafana dashboards are there? One module for each, on top of board.py, panels.py and queries.py; `make
dashboards` writes them to dashboards/grafana/. The builder is our own: it is no longer than the layer that Grafana's
SDK would need above it, and that SDK's newest release gives up the model which Grafana 10 and 11 import."""

from collections.abc import Iterator

from dashboards.source import itself, listeners, overview, ports, quality
from dashboards.source.board import Board

BOARDS: tuple[Board, ...] = (overview.BOARD, listeners.BOARD, quality.BOARD, ports.BOARD, itself.BOARD)


def files() -> Iterator[tuple[str, str]]:
    """The name and the text of each file of dashboards/grafana/."""
    return ((f"{board.uid}.json", board.text()) for board in BOARDS)
