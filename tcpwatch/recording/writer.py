"""How do blocks get into a file so that whatever happens leaves whole ones? Each with one write, at the end; what was
written in part is taken back. Nothing written is ever changed."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame
from tcpwatch.recording.encoder import Block, Encoder
from tcpwatch.recording.index import Gatherer, pack_index


class BlockFile:
    """A file of blocks of one encoder, created here. Its name must not be taken, be it by a link; only its owner may
    read it. Or a descriptor that is open for writing, and is closed here."""

    def __init__(self, path: str | Path | int, encoder: Encoder) -> None:
        """Raises TcpwatchError naming the file."""
        self.name = f"file descriptor {path}" if isinstance(path, int) else str(path)
        self.bytes = 0
        self._identity = encoder.identity
        self._gathered = Gatherer()
        self._fd = path if isinstance(path, int) else _create(str(path))
        try:
            self._start = os.lseek(self._fd, 0, os.SEEK_CUR) if stat.S_ISREG(os.fstat(self._fd).st_mode) else None
            self._write(encoder.head)
        except BaseException:
            os.close(self._fd)
            raise

    def write(self, blocks: Iterable[Block]) -> None:
        """Raises TcpwatchError where they cannot be written; those before are whole."""
        for block in blocks:
            offset = self.bytes
            self._write(block.data)
            self._gathered.note(block.header, offset)

    def close(self) -> None:
        """With the index, if there is room for it: it can be done without."""
        with suppress(TcpwatchError):
            self._write(pack_index(self._gathered, self._identity, self.bytes))
        self.abandon()

    def abandon(self) -> None:
        """Without the index."""
        try:
            os.close(self._fd)
        except OSError as error:  # a network's file system says so only now
            raise self._error(error) from error

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # a disk nearly full, or a pipe
                written += os.write(self._fd, memoryview(data)[written:])
        except OSError as error:
            if self._start is not None:
                os.ftruncate(self._fd, self._start + self.bytes)
            raise self._error(error) from error
        self.bytes += len(data)

    def _error(self, error: OSError) -> TcpwatchError:
        cure = "what was recorded until now is whole and can be replayed" if self.bytes else ""
        return TcpwatchError(f"cannot write {self.name}: {error.strerror}", cure)


def _create(path: str) -> int:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise TcpwatchError(f"cannot write {path}: there is such a file already", "choose another name") from error
    except OSError as error:
        raise TcpwatchError(f"cannot write {path}: {error.strerror}") from error
    os.fchmod(fd, 0o600)  # whatever the umask
    return fd


class Writer:
    """A session into a file. events, frames: taken so far. bytes: in the file so far."""

    def __init__(self, path: str | Path | int, encoder: Encoder | None = None) -> None:
        self._encoder = encoder or Encoder()
        self._file = BlockFile(path, self._encoder)
        self.events = self.frames = 0
        self._closed = self._failed = False

    @property
    def bytes(self) -> int:
        return self._file.bytes

    def write(self, frame: Frame) -> None:
        """Raises TcpwatchError where the file takes no more; close() is still due."""
        self.events += len(frame.events)
        self.frames += 1
        self._put(self._encoder.add(frame))

    def close(self) -> None:
        """Raises TcpwatchError where the last frames find no room, unless write() said so before."""
        if self._closed:
            return
        self._closed = True
        try:
            self._put(self._encoder.flush())
        finally:
            self._file.close()

    def _put(self, blocks: list[Block]) -> None:
        """What follows a block that is missing could not be read: after an error nothing is written any more."""
        if self._failed:
            return
        self._failed = True
        self._file.write(blocks)
        self._failed = False
