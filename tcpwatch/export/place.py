"""Where do tables go? Files of our own that nobody else can read, under other names until all of them are whole. Knows
nothing of what is in them."""

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO

from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.export.tables import FORMS, FormName, TableName

_BUFFER = 1 << 20


def paths(out: str, form: FormName, tables: Iterable[TableName], *, single: bool, force: bool) -> dict[TableName, str]:
    """The file of each table, in the directory `out`; or `out` itself, where a single table is wanted. Raises
    UsageError where that makes no sense or, unless forced, where there is such a file already."""
    if out in ("", "-"):
        raise UsageError(
            "tables go into files, not to stdout", "use tcpwatch events, life or snapshot --from FILE --format csv"
        )
    if single:
        if os.path.isdir(out):
            raise UsageError(f"{out} is a directory; with --table, -o names the file")
        found = dict.fromkeys(tables, out)
    else:
        if out.endswith(tuple(f".{ending}" for ending in FORMS)):
            raise UsageError(f"there are three tables, and {out} is one name", "name a directory, or use --table")
        if os.path.lexists(out) and not os.path.isdir(out):
            raise UsageError(f"{out} is not a directory", "name a directory, or use --table")
        found = {table: os.path.join(out, f"{table}.{form}") for table in tables}
    taken = [path for path in found.values() if os.path.lexists(path)]
    if taken and not force:
        raise UsageError(f"there is {taken[0]} already", "choose another place, or use --force to replace it")
    for path in taken:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFLNK):  # root could do it, and there would be no /dev/null any more
            raise UsageError(f"cannot replace {path}: it is no regular file", "choose another place")
    return found


@contextmanager
def writing(path: str) -> Iterator[None]:
    """OSErrors become a TcpwatchError that names the file."""
    try:
        yield
    except OSError as error:
        raise TcpwatchError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def files(found: Mapping[TableName, str]) -> Iterator[dict[TableName, BinaryIO]]:
    """Open files in one directory, which is made where there is none. They get their names at the end if nothing was
    raised; else none of them stays. Raises TcpwatchError."""
    directory = os.path.dirname(next(iter(found.values()))) or "."
    made = _make(directory)
    opened: dict[TableName, _Hidden] = {}
    try:
        for table, path in found.items():
            opened[table] = _Hidden(path)
        yield {table: hidden.file for table, hidden in opened.items()}
        for hidden in opened.values():
            hidden.settle()
        for hidden in opened.values():
            hidden.publish()
    except BaseException:
        for hidden in opened.values():
            hidden.withdraw()
        if made:
            with suppress(OSError):
                os.rmdir(directory)
        raise


class _Hidden:
    """A file that has not its name yet."""

    def __init__(self, path: str) -> None:
        self._path = path
        directory, name = os.path.split(path)
        with writing(path):
            descriptor, self._hidden = tempfile.mkstemp(".part", f".{name}.", directory or ".")  # 0600
            self.file: BinaryIO = open(descriptor, "wb", _BUFFER)  # noqa: SIM115 - it has to outlive this method
            _give_to_caller(descriptor)

    def settle(self) -> None:
        """Everything is on the disk."""
        with writing(self._path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def publish(self) -> None:
        with writing(self._path):
            os.replace(self._hidden, self._path)  # a link of that name is replaced, not followed

    def withdraw(self) -> None:
        with suppress(OSError):  # what could not be written still cannot
            self.file.close()
        with suppress(OSError):
            os.unlink(self._hidden)


def _make(directory: str) -> bool:
    """Whether it had to be."""
    if os.path.isdir(directory):
        return False
    with writing(directory):
        os.mkdir(directory, 0o700)
        _give_to_caller(directory)
    return True


def _give_to_caller(file: int | str) -> None:
    """The one who called sudo is to read it."""
    caller = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and caller.isdecimal():
        with suppress(OSError, OverflowError):  # a file system without owners; a number that is no user's
            os.chown(file, int(caller), -1)
