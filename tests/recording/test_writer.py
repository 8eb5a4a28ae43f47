"""What becomes of the file? Nobody else may read it, no link is followed, and an error names it."""

import os
import stat
from pathlib import Path

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer

from .session import are_same, life


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        Writer(tmp_path / "made").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    """Nor written through a link, be it one that leads nowhere."""
    kept = tmp_path / "kept"
    kept.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    for name in ("kept", "link", "nowhere"):
        with pytest.raises(TcpwatchError, match=name):
            Writer(tmp_path / name)
    assert kept.read_bytes() == b"precious"
    assert not (tmp_path / "absent").exists()


def test_a_full_disk_is_an_error_with_a_name() -> None:
    """/dev/full is one."""
    with pytest.raises(TcpwatchError, match="No space left"):
        Writer(os.open("/dev/full", os.O_WRONLY))


def test_counts_are_of_what_was_taken(tmp_path: Path) -> None:
    """events, frames and bytes."""
    told = life(30, 20)
    writer = Writer(tmp_path / "counted")
    for frame in told:
        writer.write(frame)
    assert writer.frames == len(told)
    assert writer.events == sum(len(frame.events) for frame in told)
    writer.close()
    writer.close()
    assert 0 < writer.bytes <= (tmp_path / "counted").stat().st_size
    with Recording(tmp_path / "counted") as recording:
        assert are_same(told, recording.frames())
