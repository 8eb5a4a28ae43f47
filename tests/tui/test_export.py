"""What is said where what a screen shows cannot be written to a file?"""

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Snapshot
from tcpwatch.text import export
from tcpwatch.tracker.view import View

from . import picture


@pytest.fixture
def view() -> View:
    """23 connections, each with its socket."""
    rows = picture.connections(23)
    rows["snap"] = np.arange(23)
    return replace(picture.view(rows), snapshot=Snapshot(0, 0, np.zeros(23, wire.SOCKET), frozenset()))


def test_where_there_is_room(view: View, tmp_path: Path) -> None:
    """A line each."""
    said = export.connections(view, np.arange(23), "", str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert said == f"23 written to {file}"
    assert file.read_text().count("\n") == 23


def test_a_full_disk(view: View, tmp_path: Path) -> None:
    """What happened and to which file, in words; and nothing half-written stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(TcpwatchError) as refused:
            export.connections(view, np.arange(23), "", str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.what.startswith(f"File too large: {tmp_path}/tcpwatch-")
    assert not list(tmp_path.iterdir())


def test_no_such_directory(view: View, tmp_path: Path) -> None:
    """Likewise."""
    with pytest.raises(TcpwatchError, match=r"^No such file or directory: .*gone/tcpwatch-"):
        export.connections(view, np.arange(23), "", str(tmp_path / "gone"))
