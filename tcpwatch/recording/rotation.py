"""Which file does the next frame go to? One, or one after the other of bounded size and age, each of which can be read
without those before it. Knows files and frames, and no clock: time is what the frames say."""

import os
from collections.abc import Callable, Sequence

from tcpwatch import words
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame
from tcpwatch.recording import destination
from tcpwatch.recording.encoder import Block, Encoder
from tcpwatch.recording.writer import BlockFile

_PATIENCE_NS = 2_000_000_000  # beyond its age, a file waits so long for a frame that shows all sockets
_LAST_TENTH = 10


class Files:
    """path: the file's name; of several, what their names begin and end with. file: the present one, "" before the
    first frame. bytes: in all of them; events: recorded."""

    def __init__(
        self,
        path: str,
        *,
        force: bool = False,
        max_bytes: int | None = None,
        max_age_ns: int | None = None,
        max_files: int | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """tell: is told of each file that is complete. Raises where `path` cannot be written, as far as is known before
        it is."""
        self._path, self._force, self._tell = path, force, tell
        self._max_bytes, self._max_age_ns, self._max_files = max_bytes, max_age_ns, max_files
        self._rotates = max_bytes is not None or max_age_ns is not None
        destination.check(path, force or self._rotates, stamps=self._rotates)
        self._encoder = Encoder()
        self._open: BlockFile | None = None
        self._before = 0  # bytes in the files before this one
        self._largest = 0  # block of this file
        self._since_ns = 0
        self.file = ""
        self.count = self.events = 0

    @property
    def bytes(self) -> int:
        return self._before + (0 if self._open is None else self._open.bytes)

    def write(self, frame: Frame) -> None:
        """Raises TcpwatchError, naming the file, where it takes no more; it is closed then, and all in it is whole."""
        if self._open is not None and not frame.joins and self._is_full(self._open, frame):
            self.close()
            self._tell(f"{words.clean(self.file)} is complete")
        blocks = self._encoder.add(frame)
        self.events += len(frame.events)
        if blocks:
            if self._open is None:
                self._open = self._begin(frame, blocks)
            else:
                self._put(self._open, blocks)

    def close(self) -> None:
        """With an index. Raises TcpwatchError; does nothing where no file is open."""
        if self._open is not None:
            self._put(self._open, self._encoder.flush())
            self._encoder.cut()
            file, self._open = self._open, None
            try:
                file.close()
            finally:
                self._before += file.bytes

    def _put(self, file: BlockFile, blocks: Sequence[Block]) -> None:
        try:
            file.write(blocks)
        except TcpwatchError:
            self._open = None
            self._before += file.bytes
            file.abandon()
            raise
        self._largest = max(self._largest, *(len(block.data) for block in blocks), 0)

    def _is_full(self, file: BlockFile, frame: Frame) -> bool:
        """A new file had better begin with a frame that shows all sockets; but it will not wait for ever."""
        age_ns, shows = frame.end_ns - self._since_ns, frame.snapshot is not None
        if self._max_age_ns is not None and age_ns >= self._max_age_ns + (0 if shows else _PATIENCE_NS):
            return True
        if self._max_bytes is None:
            return False
        room = self._max_bytes - file.bytes
        return room < 2 * self._largest or (shows and room < self._max_bytes // _LAST_TENTH)

    def _begin(self, frame: Frame, blocks: Sequence[Block]) -> BlockFile:
        if self._rotates:
            self.file = destination.stamped(self._path, frame.begin_ns + frame.host.realtime_offset_ns)
        else:
            self.file = self._path
        self._since_ns, self._largest, self.count = frame.begin_ns, 0, self.count + 1
        file = begin_file(self.file, self._encoder, blocks, self._force and not self._rotates)
        if self._max_files is not None:
            for name in destination.thin_out(self._path, self._max_files, self.file):
                self._tell(f"{words.clean(name)} is deleted: --max-files {self._max_files}")
        return file


class Pipe:
    """A recording that goes to a descriptor, which is closed with it."""

    def __init__(self, descriptor: int) -> None:
        self._encoder = Encoder()
        self._descriptor = descriptor
        self._open: BlockFile | None = None
        self._closed = False
        self.bytes = 0

    def write(self, frame: Frame) -> None:
        """Each frame goes at once: somebody waits for it at the other end. Raises TcpwatchError; it is closed then."""
        try:
            if self._open is None:
                self._open = BlockFile(self._descriptor, self._encoder)
            self._open.write([*self._encoder.add(frame), *self._encoder.flush()])
        except TcpwatchError as error:
            self._closed = True
            if self._open is not None:
                self._open.abandon()
            reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error.what
            raise TcpwatchError(f"cannot write to standard output: {reason}") from error.__cause__
        self.bytes = self._open.bytes

    def close(self) -> None:
        """With an index, as a file has."""
        if not self._closed:
            self._closed = True
            if self._open is None:
                os.close(self._descriptor)
            else:
                self._open.close()


def begin_file(path: str, encoder: Encoder, blocks: Sequence[Block], force: bool = False) -> BlockFile:
    """A new file that holds these blocks, of which the first begins a segment. Raises TcpwatchError that names it; then
    nothing of it is left."""
    beginning = destination.Beginning(path, force)
    file = None
    try:
        file = BlockFile(beginning.descriptor, encoder)
        file.name = words.clean(path)
        file.write(blocks)
        beginning.appear()
    except TcpwatchError as error:
        beginning.vanish()
        if file is not None:
            file.abandon()
        if isinstance(error.__cause__, OSError):  # else it says all: somebody else took the name
            raise TcpwatchError(f"cannot write {words.clean(path)}: {error.__cause__.strerror}") from error
        raise
    return file
