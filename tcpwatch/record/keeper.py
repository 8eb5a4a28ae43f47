"""The flight recorder: when is what is kept written out, and under which name? On a signal, a key or a finding; on a
thread of its own, so that nothing is missed meanwhile."""

import os
import signal
import threading
from queue import SimpleQueue

from tcpwatch import words
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame
from tcpwatch.record.alarm import Alarm
from tcpwatch.record.keyboard import Keyboard
from tcpwatch.record.orders import FLIGHT_BYTES, Orders
from tcpwatch.record.progress import Progress
from tcpwatch.record.sizes import told, told_time
from tcpwatch.recording import destination
from tcpwatch.recording.flight import Dump, Flight
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.verdicts import HARMS

_LOOK_NS = 1_000_000_000
_KEY = b"e"


class Keeper:
    """To be made, used and closed on the main thread."""

    def __init__(self, orders: Orders, progress: Progress) -> None:
        assert orders.keep_ns is not None
        destination.check(orders.output, force=True, stamps=True)
        self._orders, self._progress = orders, progress
        self._flight = Flight(orders.keep_ns, orders.max_bytes or FLIGHT_BYTES)
        self._keyboard = Keyboard()
        self._asked = False
        self._pending: tuple[str, str] | None = None  # (word for the name, words for people) of the next dump
        self._writing: threading.Thread | None = None
        self._outcomes: SimpleQueue[tuple[str, Dump, TcpwatchError | None]] = SimpleQueue()
        self._failed: TcpwatchError | None = None
        self._told_short = False
        self._looked_ns = 0
        self._now_ns = 0  # the newest frame's end, Unix
        self.dumps: list[str] = []
        if orders.severity is not None:
            self._tracker: Tracker | None = Tracker(keep_closed=5000, history_bytes=16 << 20)
            self._alarm = Alarm(orders.severity, again_ns=orders.keep_ns)
        else:
            self._tracker = None
        self._handler = signal.signal(signal.SIGUSR1, self._ask)

    def begin(self) -> None:
        self._keyboard.__enter__()
        ways = [f"kill -USR1 {os.getpid()}"]
        if self._keyboard.there:
            ways.append("the key e")
        if self._orders.severity is not None:
            ways.append(f"a finding of severity {HARMS[self._orders.severity]}, or a worse one,")
        held = f"the last {told_time(self._flight.keep_ns)}, at most {told(self._flight.max_bytes)}"
        self._progress.say(f"holding {held}; {' or '.join(ways)} writes them to a file")

    @property
    def bytes(self) -> int:
        return self._flight.bytes

    def write(self, frame: Frame) -> None:
        self._flight.write(frame)
        self._now_ns = frame.end_ns + frame.host.realtime_offset_ns
        if self._flight.cut_short and not self._told_short:
            self._told_short = True
            held, most = told_time(self._flight.held_ns), told(self._flight.max_bytes)
            self._progress.say(f"{most} hold no more than the last {held} of this traffic: --max-size allows more")
        if not frame.joins:
            self._look(frame)
        self._listen()
        self._hear()
        if self._pending is not None and self._writing is None:
            self._dump(*self._pending)

    def close(self) -> None:
        """Who asked in the last moment gets a dump, too. Raises TcpwatchError where one could not be written."""
        try:
            self._finish()
            self._listen()
            if self._pending is not None and self._now_ns:
                self._dump(*self._pending)
                self._finish()
        finally:
            self._keyboard.__exit__(None, None, None)
            signal.signal(signal.SIGUSR1, self._handler)  # which ends the process, as a rule
        if self._failed is not None:
            raise self._failed

    def state(self) -> str:
        return f"holding {told_time(self._flight.held_ns)} of {told_time(self._flight.keep_ns)}"

    def summary(self) -> str:
        if not self.dumps:
            return "nothing was written out"
        return f"written out: {', '.join(map(words.clean, self.dumps))}"

    def _ask(self, _number: int, _frame: object) -> None:
        self._asked = True

    def _look(self, frame: Frame) -> None:
        if self._tracker is None:
            return
        self._tracker.fold(frame)
        if frame.end_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = frame.end_ns
        given = self._alarm.look(self._tracker.view().findings, frame.end_ns)
        if given:
            self._want(given[0].code, "; ".join(words.clean(f"{one.what} {one.where}".strip()) for one in given))

    def _listen(self) -> None:
        """To people."""
        if _KEY in self._keyboard.pressed() or self._asked:
            self._asked = False
            self._want("", "as asked")

    def _want(self, code: str, what: str) -> None:
        """One dump serves all who want one by then."""
        before = self._pending
        self._pending = (code, what) if before is None else (before[0] or code, f"{before[1]}; {what}")

    def _dump(self, code: str, what: str) -> None:
        path = destination.stamped(self._orders.output, self._now_ns, code)
        self._pending = None
        self._progress.say(f"writing out {told_time(self._flight.held_ns)} to {words.clean(path)} ({what})")
        dump = self._flight.take()
        self._writing = threading.Thread(target=self._write, args=(path, dump), name="dump")
        self._writing.start()

    def _finish(self) -> None:
        """What is being written."""
        if self._writing is not None:
            self._writing.join()
        self._hear()

    def _write(self, path: str, dump: Dump) -> None:
        failure = None
        try:
            dump.write(path)
        except TcpwatchError as error:
            failure = error
        self._outcomes.put((path, dump, failure))

    def _hear(self) -> None:
        """Of a dump that is over. One that failed ends nothing: what is kept is kept, and may be asked for again."""
        while not self._outcomes.empty():
            path, dump, failure = self._outcomes.get()
            if self._writing is not None:
                self._writing.join()
                self._writing = None
            if failure is not None:
                self._failed = failure
                self._progress.say(failure.what)
                continue
            self.dumps.append(path)
            self._progress.say(f"{words.clean(path)} is complete, {told(dump.bytes)}")
            if self._orders.max_files is not None:
                for name in destination.thin_out(self._orders.output, self._orders.max_files, path):
                    self._progress.say(f"{words.clean(name)} is deleted")
