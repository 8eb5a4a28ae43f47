"""What happened in the last minutes? Keeps that much of a recording in bounded memory, ready to become a file at any
moment. Knows no clock, signal or key; writing takes nothing away from what is kept."""

from collections import deque
from collections.abc import Sequence

from tcpwatch.frame import Frame
from tcpwatch.recording.encoder import SEGMENT_NS, Block, Encoder
from tcpwatch.recording.rotation import begin_file

_PARTS = 8  # it goes in pieces of such a share: so much more than asked for is kept, or so much less than allowed
_LEAST_SEGMENT_NS = 1_000_000_000


class Flight:
    """keep_ns: how much time is asked for. max_bytes: what it may take, encoded; one segment is kept whatever it
    takes."""

    def __init__(self, keep_ns: int, max_bytes: int) -> None:
        self.keep_ns, self.max_bytes = keep_ns, max_bytes
        self._encoder = Encoder(segment_ns=min(SEGMENT_NS, max(keep_ns // _PARTS, _LEAST_SEGMENT_NS)))
        self._segments: deque[list[Block]] = deque()
        self._frames_bytes = 0  # of the newest segment, but for its beginning
        self._end_ns = 0
        self.bytes = 0
        self.events = 0
        self.cut_short = False  # whether anything younger than keep_ns had to go

    @property
    def held_ns(self) -> int:
        """From the oldest moment that is kept to the newest."""
        return self._end_ns - self._segments[0][0].header.begin_ns if self._segments else 0

    def write(self, frame: Frame) -> None:
        self._end_ns = frame.end_ns
        self.events += len(frame.events)
        self._take(self._encoder.add(frame))
        self._forget()

    def take(self) -> "Dump":
        """All that is kept, up to the newest frame, for Dump.write() on whatever thread."""
        self._take(self._encoder.flush())
        return Dump(self._encoder, [block for segment in self._segments for block in segment])

    def _take(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            if block.begins_segment:
                self._segments.append([])
                self._frames_bytes = 0
            else:
                self._frames_bytes += len(block.data)
            self._segments[-1].append(block)
            self.bytes += len(block.data)
        if self._frames_bytes > self.max_bytes // _PARTS:
            self._encoder.cut()

    def _forget(self) -> None:
        while len(self._segments) > 1:
            old_enough = self._segments[1][0].header.begin_ns <= self._end_ns - self.keep_ns
            if not old_enough and self.bytes <= self.max_bytes:
                return
            self.cut_short |= not old_enough
            self.bytes -= sum(len(block.data) for block in self._segments.popleft())


class Dump:
    """Blocks that no longer change. bytes: of the blocks; of the file, once it is written."""

    def __init__(self, encoder: Encoder, blocks: Sequence[Block]) -> None:
        self._encoder, self._blocks = encoder, blocks
        self.bytes = sum(len(block.data) for block in blocks)

    def write(self, path: str) -> None:
        """Into a new file. Raises TcpwatchError that names it; what was written until then stays, and is whole."""
        file = begin_file(path, self._encoder, self._blocks[:1])
        try:
            file.write(self._blocks[1:])
        except BaseException:
            file.abandon()
            raise
        file.close()
        self.bytes = file.bytes
