"""Can a recording be watched while it is made? What is whole is read, what is half written is waited for, and nobody is
told of damage where there is none."""

import os
import threading
import time
from pathlib import Path

import pytest

from tcpwatch.errors import BadInput
from tcpwatch.recording.reader import Recording, stream
from tcpwatch.recording.writer import Writer

from .session import are_same, life, piped, same, written


def test_a_growing_file_is_followed(tmp_path: Path) -> None:
    """refresh() says whether there is more; the frames that came are played on where the others ended."""
    told = life(40, 20)
    data = written(told, segment_events=23)
    path = tmp_path / "grows"
    cuts = iter([*range(len(data) * 1 // 3, len(data), 97), len(data)])
    path.write_bytes(data[: next(cuts)])
    with Recording(path) as recording, path.open("ab") as file:

        def more() -> bool:
            cut = next(cuts, None)
            if cut is None:
                return False
            file.write(data[path.stat().st_size : cut])
            file.flush()
            recording.refresh()
            return True

        assert not recording.complete
        assert are_same(told, recording.frames(more=more))
        assert recording.complete
        assert recording.dropped is None
        assert not recording.refresh()
        with Recording(path) as whole:
            assert whole.segments == recording.segments
            assert same(whole.timeline, recording.timeline)


def test_what_is_not_whole_yet_is_known_all_the_time(tmp_path: Path) -> None:
    """Also on another thread, while somebody looks whether there is more."""
    data = written(life(40, 20))
    (tmp_path / "grows").write_bytes(data[: len(data) * 2 // 3])
    asked, over = set(), threading.Event()
    with Recording(tmp_path / "grows") as recording:

        def ask() -> None:
            while not over.is_set():
                asked.add(recording.dropped)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            until = time.monotonic() + 1
            while time.monotonic() < until or not asked:
                recording.refresh()
        finally:
            over.set()
            thread.join()
        assert asked == {recording.dropped}
    assert None not in asked


def test_a_file_that_only_begins_has_nothing_yet(tmp_path: Path) -> None:
    """An error that says so: there is no frame that could be shown."""
    path = tmp_path / "begins"
    writer = Writer(path)
    with pytest.raises(BadInput, match="no whole frame"):
        Recording(path)
    writer.close()
    with pytest.raises(BadInput, match="no whole frame"):
        Recording(path)


def test_frames_come_through_a_pipe_as_soon_as_they_are_whole() -> None:
    """A block is given when its last byte has come, though nothing follows."""
    told = life(40, 20)
    read, write = os.pipe()
    with open(read, "rb") as file:
        writer = Writer(write)
        reader = None
        given = 0
        for frame in told:
            before = writer.bytes
            writer.write(frame)
            if writer.bytes == before:
                continue
            if reader is None:
                reader = stream(file)
                frames = reader.frames()
            for one in told[given : told.index(frame)]:
                assert same(one, next(frames))
                given += 1
        writer.close()
        assert are_same(told[given:], frames)
        assert reader is not None
        assert reader.complete
        assert reader.dropped is None
    assert piped(written(told))[1] is None
