"""How are scenarios shown to somebody? One after the other, a few side by side, each announced and slow enough to be
looked at. Knows nothing of the screen they are seen on."""

import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from tcpwatch.errors import KernelLacks, NotPermitted, UsageError
from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.scenario import Scenario
from tcpwatch.scenarios.stage import Stage

USUAL = tuple(name for name, scenario in SCENARIOS.items() if not scenario.long)
_TOOLS = ("ip", "nft", "ss", "sysctl")
_LANES = 3
_LOOK_S = 2.0

Announce = Callable[[str, str], object]


class _Stopped(Exception):
    pass


def choose(names: Sequence[str]) -> list[Scenario]:
    """Those of these names, in their order; the usual ones where none is named. Raises UsageError."""
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise UsageError(f"no such scenario: {', '.join(unknown)}", f"there are: {', '.join(SCENARIOS)}")
    return [SCENARIOS[name] for name in names or USUAL]


def check() -> None:
    """Raises NotPermitted or KernelLacks where this machine cannot play them, and says what to do."""
    if os.geteuid():
        raise NotPermitted("the scenarios make network namespaces, which only root may", "run it as root")
    if absent := [tool for tool in _TOOLS if not shutil.which(tool)]:
        packages = "the packages iproute2, nftables and procps have them"
        raise KernelLacks(f"the scenarios need the commands {', '.join(absent)}", packages)
    if not Path("/dev/net/tun").exists():
        raise KernelLacks("the scenarios need /dev/net/tun", "modprobe tun, or give the container that device")


def play(scenarios: Sequence[Scenario], on_begin: Announce, stop: threading.Event, look_s: float = _LOOK_S) -> None:
    """Plays them in their order, up to three side by side, and returns when all are over and tidied up, or soon after
    `stop` was set. on_begin: called with the name and the line of each as it begins, on threads of this function's own
    but never on two at a time. look_s: how long each scene stays."""
    check()
    show = _Show(scenarios, on_begin, stop, look_s)
    lanes = [threading.Thread(target=show.lane, name="scenario", daemon=True) for _ in range(_LANES)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    if show.error:
        raise show.error


class Company:
    """A show beside something else that runs: begin() and end() return at once, but for tidying up."""

    def __init__(self, scenarios: Sequence[Scenario], look_s: float = _LOOK_S) -> None:
        self._scenarios = scenarios
        self._look_s = look_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def begin(self, tell: Callable[[str], object]) -> None:
        """tell: given one line for each scenario, and one when all are over, on another thread."""
        self._thread = threading.Thread(target=self._run, args=(tell,), name="show", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Raises what ended the show, where it was not the end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self, tell: Callable[[str], object]) -> None:
        try:
            play(self._scenarios, lambda name, line: tell(f"{name}: {line}"), self._stop, self._look_s)
        except BaseException as error:  # noqa: BLE001 - raised by end()
            self._error = error
            tell(f"the show has stopped: {error}")
        else:
            tell("the show is over; q leaves")


class _Show:
    """What the lanes share. A scenario that keeps the machine busy has no other such beside it."""

    def __init__(self, scenarios: Sequence[Scenario], on_begin: Announce, stop: threading.Event, look_s: float) -> None:
        self.error: BaseException | None = None
        self._left = deque(scenarios)
        self._on_begin = on_begin
        self._stop = stop
        self._look_s = look_s
        self._turn = threading.Lock()
        self._busy = threading.Lock()

    def lane(self) -> None:
        try:
            while scenario := self._take():
                if scenario.quiet:
                    self._play(scenario)
                else:
                    with self._busy:
                        self._play(scenario)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - told to whoever called play()
            self.error = error

    def _take(self) -> Scenario | None:
        """And announces it while nobody else can; but for a busy one, which may have to wait for another."""
        with self._turn:
            if not self._left or self._ended():
                return None
            scenario = self._left.popleft()
            if scenario.quiet:
                self._on_begin(scenario.name, scenario.line)
            return scenario

    def _play(self, scenario: Scenario) -> None:
        if not scenario.quiet:
            with self._turn:
                self._glance()
                self._on_begin(scenario.name, scenario.line)
        scenario.run(audience=self._look, glance=self._glance)

    def _look(self, moment: str, stage: Stage) -> None:
        if moment != "ready":
            self._stop.wait(self._look_s)
        self._glance()

    def _glance(self) -> None:
        if self._ended():
            raise _Stopped

    def _ended(self) -> bool:
        return self._stop.is_set() or self.error is not None
