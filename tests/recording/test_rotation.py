"""Does each file of a rotation stand for itself, and do all together tell the whole story? And is nothing written where
nothing should be?"""

import os
import stat
from pathlib import Path

import pytest

from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.recording import destination
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.rotation import Files

from .story import FRAME_NS, SNAPSHOT_EVERY, follows, frames

SECOND_NS = 1_000_000_000


def recorded(path: Path, count: int, events: int = 23, **limits: int) -> Files:
    files = Files(str(path), **limits)  # type: ignore[arg-type]
    for one in frames(count, events):
        files.write(one)
    files.close()
    return files


def pieces(directory: Path, events: int = 23) -> list[range]:
    """Which frames each file holds, by the files' names."""
    found = []
    for path in sorted(directory.iterdir()):
        with Recording(path) as recording:
            told = list(recording.frames())
            assert recording.complete
            assert recording.dropped is None
        found.append(follows(told, events))
        assert told[0].joins == (found[-1].start > 0)
    return found


def test_one_file_is_called_as_asked(tmp_path: Path) -> None:
    """Without a limit there is one file, with every frame; only its owner may read it."""
    files = recorded(tmp_path / "one.tcpw", 23)
    assert pieces(tmp_path) == [range(23)]
    assert stat.S_IMODE(os.stat(tmp_path / "one.tcpw").st_mode) == 0o600
    assert (files.file, files.count, files.events) == (str(tmp_path / "one.tcpw"), 1, 23 * 23)
    assert files.bytes == os.path.getsize(tmp_path / "one.tcpw")


def test_files_by_age_tell_it_all(tmp_path: Path) -> None:
    """A new one at the first frame with all sockets after each 2 s; no frame is in two, none is missing; each begins
    with what was told before, so that it needs no other."""
    files = recorded(tmp_path / "old.tcpw", 97, max_age_ns=2 * SECOND_NS)
    found = pieces(tmp_path)
    assert [number for piece in found for number in piece] == list(range(97))
    assert all(piece.start % SNAPSHOT_EVERY == 0 for piece in found)
    assert {len(piece) * FRAME_NS // SECOND_NS for piece in found[:-1]} <= {2, 3}
    assert files.count == len(found)
    assert files.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    with Recording(sorted(tmp_path.iterdir())[-1]) as last:
        first = next(last.frames())
    known = {process.pid for process in first.processes}
    assert known == {number + 1 for number in range(0, found[-1].start, 3)}


def test_files_by_size_stay_below_it(tmp_path: Path) -> None:
    """None is larger than asked, and none is nearly empty."""
    most = 1 << 20
    recorded(tmp_path / "large.tcpw", 131, events=499, max_bytes=most)
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert len(sizes) > 2
    assert max(sizes) <= most
    assert min(sizes[:-1]) > most // 2
    found = pieces(tmp_path, 499)
    assert [number for piece in found for number in piece] == list(range(131))


def test_no_more_files_than_asked(tmp_path: Path) -> None:
    """The oldest go, those of an earlier run too; what only looks alike stays."""
    old = tmp_path / "kept-20200101-000000.tcpw"
    recorded(old, 3)
    os.utime(old, (1, 1))
    strangers = {
        tmp_path / "kept-20200101-000001.tcpw",
        tmp_path / "kept.tcpw",
        tmp_path / "other-20200101-000000.tcpw",
    }
    for stranger in strangers:
        stranger.write_text("mine")
        os.utime(stranger, (1, 1))
    link = tmp_path / "kept-20200101-000002.tcpw"
    link.symlink_to(old)
    recorded(tmp_path / "kept.tcpw", 97, max_age_ns=2 * SECOND_NS, max_files=2)
    left = set(tmp_path.iterdir()) - strangers - {link}
    assert len(left) == 2
    assert old not in left
    assert all(stranger.read_text() == "mine" for stranger in strangers)
    assert link.is_symlink()


def test_names_of_one_second_differ(tmp_path: Path) -> None:
    """And sort as they were made."""
    names = []
    for _ in range(3):
        names.append(destination.stamped(str(tmp_path / "a.tcpw"), 1_700_000_000_000_000_000))
        Path(names[-1]).touch()
    assert len(set(names)) == 3
    assert sorted(names) == names
    assert destination.stamped(str(tmp_path / "a"), 1_700_000_000_000_000_000, "refused").endswith("-refused")


def test_an_existing_file_is_not_touched(tmp_path: Path) -> None:
    """Unless it is asked for, and then whoever had it open keeps what he had."""
    path = tmp_path / "there.tcpw"
    path.write_text("mine")
    path.chmod(0o644)
    with pytest.raises(UsageError, match=r"there\.tcpw: it exists already"):
        Files(str(path))
    assert path.read_text() == "mine"
    with path.open() as before:
        recorded(path, 3, force=True)
        assert before.read() == "mine"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert pieces(tmp_path) == [range(3)]


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    """Not to a file, not into nothing; with --force the link gives way, and what it led to stays."""
    target, link, nowhere = tmp_path / "target", tmp_path / "link.tcpw", tmp_path / "nowhere.tcpw"
    target.write_text("mine")
    link.symlink_to(target)
    nowhere.symlink_to(tmp_path / "absent")
    for path in (link, nowhere):
        with pytest.raises(UsageError, match="it is a link"):
            Files(str(path))
    recorded(link, 3, force=True)
    assert not link.is_symlink()
    assert target.read_text() == "mine"
    assert not (tmp_path / "absent").exists()


def test_a_name_that_is_taken_at_the_last_moment(tmp_path: Path) -> None:
    """Between the first look and the first frame, somebody else made it: it stays theirs."""
    path = tmp_path / "late.tcpw"
    files = Files(str(path))
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        files.write(next(frames(1)))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_written_is_said_with_its_name(tmp_path: Path, force: bool) -> None:
    """A directory, a directory that is not there, a device, a pipe: before anything is recorded."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for name, why in (
        (".", "is a directory"),
        ("absent/x.tcpw", "no directory"),
        ("file/x.tcpw", "no directory"),
        ("pipe", "no regular file"),
        ("/dev/null", "no regular file"),
    ):
        path = str(tmp_path / name)
        with pytest.raises(TcpwatchError, match=why) as caught:
            Files(path, force=force)
        assert path in caught.value.what
    assert stat.S_IMODE(os.stat("/dev/null").st_mode) == 0o666


def test_no_name_is_said() -> None:
    """Before anything is recorded."""
    with pytest.raises(UsageError, match="needs a name"):
        Files("")


def test_whoever_called_sudo_may_be_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is no user's changes nothing."""
    monkeypatch.setenv("SUDO_UID", "9" * 20)
    recorded(tmp_path / "a.tcpw", 3)
    assert (tmp_path / "a.tcpw").stat().st_uid == os.geteuid()


@pytest.mark.parametrize(("length", "max_bytes"), [(256, None), (192, 1 << 20)])
def test_a_name_too_long_is_said(tmp_path: Path, length: int, max_bytes: int | None) -> None:
    """Before anything is recorded; also where only the time added to it makes it so."""
    Files(str(tmp_path / ("x" * (length - 1))), max_bytes=max_bytes)
    with pytest.raises(UsageError, match=r"xxx: its name is too long"):
        Files(str(tmp_path / ("x" * length)), max_bytes=max_bytes)


def test_a_name_shows_no_control_characters(tmp_path: Path) -> None:
    """Whoever names a directory does not write on the terminal."""
    with pytest.raises(TcpwatchError) as caught:
        Files(str(tmp_path / "\x1b[2J" / "x.tcpw"))
    assert "\x1b" not in caught.value.what
