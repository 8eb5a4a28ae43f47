"""Are two pictures the same? Field by field, and what one knows less than the other."""

from dataclasses import fields

import numpy as np

from tcpwatch.tracker.view import View

_OF_THE_FRAME = ("snapshot", "pulse", "listening", "focus")  # compared by what is in them


def differences(one: View, other: View) -> list[str]:
    """The names of what differs."""
    found = [f.name for f in fields(View) if f.name not in _OF_THE_FRAME and not _same(one, other, f.name)]
    found += [f"pulse.{f.name}" for f in fields(one.pulse) if not _same(one.pulse, other.pulse, f.name)]
    found += [f"listening.{f.name}" for f in fields(one.listening) if not _same(one.listening, other.listening, f.name)]
    sockets = [view.snapshot.sockets.tobytes() if view.snapshot else b"" for view in (one, other)]
    return found if sockets[0] == sockets[1] else [*found, "snapshot"]


def _same(one: object, other: object, name: str) -> bool:
    a, b = getattr(one, name), getattr(other, name)
    return _alike(a, b) if isinstance(a, np.ndarray) else bool(a == b)


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Without the bytes between fields, which are anything."""
    parts = [(a[field], b[field]) for field in a.dtype.names] if a.dtype.names else [(a, b)]
    return a.dtype == b.dtype and a.shape == b.shape and all(x.tobytes() == y.tobytes() for x, y in parts)
