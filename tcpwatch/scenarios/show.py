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
_TOOLS = ("ip", "nft", "sysctl")
_LANES = 3
_LOOK_S = 2.0

Announce = Callable[[str, str], None]


class _Stopped(Exception):
    pass


def check() -> None:
    """Raises NotPermitted or KernelLacks where this machine cannot play them, and says what to do."""
    if os.geteuid():
        raise NotPermitted("the scenarios make network namespaces, which only root may", "run it as root")
    if absent := [tool for tool in _TOOLS if not shutil.which(tool)]:
        packages = "the packages iproute2, nftables and procps have them"
        raise KernelLacks(f"the scenarios need the commands {', '.join(absent)}", packages)
    if not Path("/dev/net/tun").exists():
        raise KernelLacks("the scenarios need /dev/net/tun", "modprobe tun, or give the container that device")


def play(names: Sequence[str], on_begin: Announce, stop: threading.Event, look_s: float = _LOOK_S) -> None:
    """Plays the scenarios of these names, in their order (none: the usual ones), up to three side by side, and returns
    when all are over and tidied up, or soon after `stop` was set. on_begin: called with the name and the line of each
    as it begins, on threads of this function's own but never on two at a time. look_s: how long each scene stays."""
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise UsageError(f"no such scenario: {', '.join(unknown)}", f"there are: {', '.join(SCENARIOS)}")
    check()
    show = _Show([SCENARIOS[name] for name in names or USUAL], on_begin, stop, look_s)
    lanes = [threading.Thread(target=show.lane, name="scenario", daemon=True) for _ in range(_LANES)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    if show.error:
        raise show.error


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
            while scenario := self._next():
                if scenario.quiet:
                    self._play(scenario)
                else:
                    with self._busy:
                        self._play(scenario)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - told to whoever called play()
            self.error = error

    def _next(self) -> Scenario | None:
        with self._turn:
            return self._left.popleft() if self._left and not self._ended() else None

    def _play(self, scenario: Scenario) -> None:
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
