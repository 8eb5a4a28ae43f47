"""One module per measure, each with a `measure(scale)` that yields a Result. MEASURES is the order they run in."""

from collections.abc import Callable, Mapping

from bench.figures import Result
from bench.measures import bulk, connect, decode, events, flood, losses, record, replay, screen, serve, snapshot, start
from bench.scale import Scale

MEASURES: Mapping[str, Callable[[Scale], Result]] = {
    "connect": connect.measure,
    "events": events.measure,
    "bulk": bulk.measure,
    "losses": losses.measure,
    "record": record.measure,
    "decode": decode.measure,
    "snapshot": snapshot.measure,
    "screen": screen.measure,
    "flood": flood.measure,
    "start": start.measure,
    "replay": replay.measure,
    "serve": serve.measure,
}
