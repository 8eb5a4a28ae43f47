import io
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
import pytest

from tcpwatch.errors import BadInput, TcpwatchError, UsageError
from tcpwatch.export.export import export
from tcpwatch.export.progress import Progress
from tcpwatch.export.tables import FACES, FORMS, TABLES, FormName, TableName
from tcpwatch.filter import parse
from tcpwatch.frame import Frame
from tcpwatch.script import ScriptedSource
from tcpwatch.text.writer import Writer
from tcpwatch.tracker.tracker import Tracker
from tests.tracker.machine import Machine, Weather

from .read import batches, lines, plain, records

WEATHER = Weather(seed=23, sockets=101, frames=149, loss=0.02)
FAR_FROM_HERE = 120  # seconds; what hangs is killed


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(Machine(WEATHER).frames())


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_text_is_what_the_faces_write(form: Literal["csv", "jsonl"], frames: list[Frame], tmp_path: Path) -> None:
    """Byte for byte what events, life and snapshot would have written meanwhile."""
    export(ScriptedSource(frames), form, str(tmp_path / "out"))
    for table in TABLES:
        out, tracker = io.BytesIO(), Tracker()
        writer = Writer(FACES[table], form, out)
        writer.header()
        for frame in frames:
            writer.write(tracker.fold(frame))
        assert (tmp_path / "out" / f"{table}.{form}").read_bytes() == out.getvalue()
        assert len(out.getvalue().splitlines()) > 23


def test_parquet_and_lines_are_the_same_records(frames: list[Frame], tmp_path: Path) -> None:
    """One stream, three forms, one story."""
    for form in ("parquet", "jsonl"):
        export(ScriptedSource(frames), form, str(tmp_path))
    for table in TABLES:
        assert records(pq.read_table(tmp_path / f"{table}.parquet")) == lines(tmp_path / f"{table}.jsonl")


@pytest.mark.parametrize("form", FORMS)
def test_only_the_owner_may_read(form: FormName, frames: list[Frame], tmp_path: Path) -> None:
    """Whatever the umask; and nothing else lies there afterwards."""
    before = os.umask(0)
    try:
        export(ScriptedSource(frames), form, str(tmp_path / "out"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert names(tmp_path / "out") == sorted(f"{table}.{form}" for table in TABLES)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "out").iterdir()} == {0o600}


@pytest.mark.parametrize("table", TABLES)
def test_one_table_is_one_file(table: TableName, frames: list[Frame], tmp_path: Path) -> None:
    """With the name that was asked for."""
    export(ScriptedSource(frames), "jsonl", str(tmp_path / "some.name"), table=table)
    assert names(tmp_path) == ["some.name"]
    told = [record for batch in batches(FACES[table], frames) for record in plain(batch)]
    assert lines(tmp_path / "some.name") == told


@pytest.mark.parametrize("form", FORMS)
def test_no_frames_make_empty_tables(form: FormName, tmp_path: Path) -> None:
    """With their columns."""
    export(ScriptedSource([]), form, str(tmp_path / "out"))
    assert len(names(tmp_path / "out")) == 3


class Breaking(ScriptedSource):
    """A recording that is damaged in the middle."""

    def frames(self) -> Iterator[Frame]:
        yield from super().frames()
        raise BadInput("the recording is damaged at byte 23: it is")


@pytest.mark.parametrize("form", FORMS)
def test_all_or_nothing(form: FormName, frames: list[Frame], tmp_path: Path) -> None:
    """A source that breaks leaves neither a file nor the directory that was made for it, and its error passes."""
    with pytest.raises(BadInput, match="byte 23"):
        export(Breaking(frames), form, str(tmp_path / "out"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("form", FORMS)
def test_what_was_there_stays_when_it_fails(form: FormName, frames: list[Frame], tmp_path: Path) -> None:
    """Forced or not: the old tables are replaced by whole ones only."""
    for table in TABLES:
        (tmp_path / f"{table}.{form}").write_text("old")
    with pytest.raises(BadInput):
        export(Breaking(frames), form, str(tmp_path), force=True)
    assert {file.read_text() for file in tmp_path.iterdir()} == {"old"}
    assert len(names(tmp_path)) == 3


class Stopped(ScriptedSource):
    """Somebody has seen enough after 23 frames."""

    def frames(self) -> Iterator[Frame]:
        for number, frame in enumerate(super().frames(), 1):
            if number == 23:
                self.stop()
            yield frame


def test_a_stopped_source_ends_the_tables_early(frames: list[Frame], tmp_path: Path) -> None:
    """What came until then is whole: that is what Ctrl-C does."""
    export(Stopped(frames), "jsonl", str(tmp_path))
    told = [record for batch in batches("events", frames[:23]) for record in plain(batch)]
    assert lines(tmp_path / "events.jsonl") == told


def test_files_are_not_replaced_unasked(frames: list[Frame], tmp_path: Path) -> None:
    """--force does; a link is replaced and what it leads to is left alone."""
    treasure = tmp_path / "treasure"
    treasure.write_text("old")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "lives.csv").symlink_to(treasure)
    with pytest.raises(UsageError, match=r"lives\.csv"):
        export(ScriptedSource(frames), "csv", str(tmp_path / "out"))
    export(ScriptedSource(frames), "csv", str(tmp_path / "out"), force=True)
    assert treasure.read_text() == "old"
    assert not (tmp_path / "out" / "lives.csv").is_symlink()


def test_only_files_are_replaced(tmp_path: Path) -> None:
    """A pipe, or a device, stays what it is whatever is asked for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / "lives.csv")
    whole: tuple[tuple[str, TableName | None], ...] = (("pipe", "lives"), ("out", None))
    for out, table in whole:
        with pytest.raises(UsageError, match="no regular file"):
            export(ScriptedSource([]), "csv", str(tmp_path / out), table=table, force=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)
    assert names(tmp_path / "out") == ["lives.csv"]


def test_other_forms_may_lie_beside(frames: list[Frame], tmp_path: Path) -> None:
    """Nothing of theirs is touched."""
    for form in FORMS:
        export(ScriptedSource(frames), form, str(tmp_path))
    assert len(names(tmp_path)) == 9


@pytest.mark.parametrize(
    ("out", "table", "what"),
    [
        ("-", None, "stdout"),
        ("", "events", "stdout"),
        ("all.parquet", None, "three tables"),
        ("file", None, "not a directory"),
        ("directory", "events", "is a directory"),
    ],
)
def test_places_that_make_no_sense(out: str, table: TableName | None, what: str, tmp_path: Path) -> None:
    """Said before anything is read, with what to do instead."""
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    place = str(tmp_path / out) if out.isalnum() else out
    with pytest.raises(UsageError, match=what):
        export(ScriptedSource([]), "csv", place, table=table)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """Its parent is not there."""
    with pytest.raises(TcpwatchError, match="No such file") as caught:
        export(ScriptedSource([]), "csv", str(tmp_path / "no" / "where"))
    assert str(tmp_path) in caught.value.what


def test_whoever_called_sudo_may_be_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is no user's changes nothing."""
    monkeypatch.setenv("SUDO_UID", "9" * 20)
    export(ScriptedSource([]), "csv", str(tmp_path / "out"))
    assert len(names(tmp_path / "out")) == 3


_PROGRAM = """
import resource, sys
sys.path.insert(0, ".")
{before}
from tcpwatch.errors import TcpwatchError
from tcpwatch.export.export import export
from tcpwatch.script import ScriptedSource
from tests.tracker.machine import Machine, Weather
frames = list(Machine(Weather(seed=23, sockets=101, frames=149)).frames())
try:
    export(ScriptedSource(frames), {form!r}, {out!r})
except TcpwatchError as error:
    print(error.what, "|", error.cure, "|", error.exit_code)
"""


def run(form: str, out: Path, before: str) -> str:
    program = _PROGRAM.format(form=form, out=str(out), before=before)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=FAR_FROM_HERE
    )
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    return done.stdout


def without_progress(narration: str) -> str:
    """What is told on a slow machine besides."""
    return re.sub(r"^tcpwatch: [\d,]+ rows(, \d+ %)?\n", "", narration, flags=re.MULTILINE)


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk(form: FormName, tmp_path: Path) -> None:
    """Files that may not grow are a disk that is full: an error that names the file, and nothing stays of it."""
    said = run(form, tmp_path / "out", "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))")
    assert said.startswith(f"cannot write {tmp_path / 'out'}/")
    assert "File too large" in said
    assert names(tmp_path) == []


def test_without_pyarrow(tmp_path: Path) -> None:
    """Parquet says what to install, and leaves nothing behind; the other forms need nothing."""
    absent = "sys.modules['pyarrow'] = None"
    assert run("parquet", tmp_path / "out", absent).split(" | ")[1] == "pip install tcpwatch-ebpf[parquet]"
    assert names(tmp_path) == []
    program = _PROGRAM.format(form="csv", out=str(tmp_path / "out"), before=absent)
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=True, timeout=FAR_FROM_HERE)
    assert len(names(tmp_path / "out")) == 3


def test_a_filter_picks_rows_of_every_table(frames: list[Frame], tmp_path: Path) -> None:
    """As it does for events, life and snapshot; but losses may have been anything."""
    export(ScriptedSource(frames), "jsonl", str(tmp_path), wanted=parse("sport = 443"))
    for table in TABLES:
        told = lines(tmp_path / f"{table}.jsonl")
        everything = [record for batch in batches(FACES[table], frames) for record in plain(batch)]
        kept = [record for record in everything if record["lport"] == 443 or record.get("event") == "lost"]
        assert told == kept
        assert 0 < len(told) < len(everything)


def test_progress_is_told_after_a_while(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing in the first second; then now and then, with how far the stream has come where that is known."""
    clock = iter([0.0, 0.5, 1.5, 2.0, 7.0, 7.1])
    progress = Progress((1000, 2000), lambda: next(clock))
    for rows, now_ns in ((10, 1100), (20, 1500), (30, 1600), (12345, 2500), (5, 5)):
        progress.note(rows, now_ns)
    assert capfd.readouterr().err == "tcpwatch: 20 rows, 50 %\ntcpwatch: 12,345 rows, 100 %\n"
    clock = iter([0.0, 2.0])
    Progress(None, lambda: next(clock)).note(23, 1)
    assert capfd.readouterr().err == "tcpwatch: 23 rows\n"


def test_what_was_written_is_told(frames: list[Frame], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """On stderr, once, losses included."""
    export(ScriptedSource(frames), "jsonl", str(tmp_path / "out"))
    counts = {table: len(lines(tmp_path / "out" / f"{table}.jsonl")) for table in TABLES}
    lost = sum(r["count"] for r in lines(tmp_path / "out" / "events.jsonl") if r["event"] == "lost")
    out, err = capfd.readouterr()
    assert out == ""
    told = ", ".join(f"{count:,} {table}" for table, count in counts.items())
    assert without_progress(err) == f"tcpwatch: {told} written to {tmp_path / 'out'}; {lost:,} events were lost\n"
