"""The blocks of facts about one connection: what nobody saw is not told."""

from dataclasses import replace
from typing import Any

import pytest

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.tracker.audit import deal
from tcpwatch.tracker.view import Key
from tcpwatch.tui import units
from tcpwatch.tui.blocks import blocks

from . import picture

ROWS = picture.connections(97)[:1].copy()
ROWS["state"], ROWS["flags"] = wire.ESTABLISHED, shapes.HAS_COUNTERS
NINE = [0] * 9


@pytest.mark.parametrize(
    ("given", "closer"),
    [
        ({"state": wire.ESTABLISHED, "path_state": [wire.ESTABLISHED, *NINE]}, "nobody yet"),
        ({"state": wire.CLOSE_WAIT, "path_state": [wire.CLOSE_WAIT, *NINE]}, "the peer"),
        ({"state": wire.TIME_WAIT, "path_state": [wire.TIME_WAIT, *NINE]}, units.UNKNOWN),
        ({"state": wire.CLOSE, "flags": shapes.CLOSED, "path_state": [wire.ESTABLISHED, *NINE]}, None),
        ({"state": wire.CLOSE, "flags": shapes.CLOSED, "path_state": [wire.SYN_SENT, *NINE]}, "nobody"),
    ],
)
def test_whose_fin_came_first_is_told_where_it_was_seen(given: dict[str, Any], closer: str | None) -> None:
    """A TIME_WAIT has seen two, and an end before our time may have. None: of what is gone, dashes are left out."""
    focus = picture.focus(ROWS, Key(int(ROWS["netns"][0]), int(ROWS["cookie"][0])))
    assert focus is not None
    for name, value in {"path_len": 1, "error": 0, "resets_sent": 0, "resets_received": 0, **given}.items():
        focus.row[name] = value
    focus = replace(focus, socket=None)
    found = dict(blocks(picture.view(ROWS, focus=focus), focus, deal(focus.row, None)))["ending"]
    assert {fact[0]: fact[1] for fact in found}.get("first FIN") == closer
