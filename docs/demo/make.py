"""Makes the recording that `make demo` shows: real trouble on the real kernel, of which only the scenarios' own
namespaces are kept, and of their processes only the names. Run as root: .venv/bin/python -m docs.demo.make"""

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame, Process, Snapshot
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.recording.writer import Writer
from tcpwatch.scenarios.show import choose, play

HERE = Path(__file__).resolve().parent
SHOWN = (
    *("clean", "lossy_path", "refused", "no_answer", "accept_queue_full_later", "reset_by_peer_midstream"),
    *("receiver_limited", "out_of_ports_time_wait", "rejected_by_firewall", "stalled_zero_window"),
    *("timed_out_keepalive", "reset_by_us_unread_data", "half_closed_lingering", "clean_half_close", "slow_handshake"),
)
LOOK_S = 1.5
CALM_S = 2.0  # before and after


class Stage:
    """What of the frames belongs to the scenarios: their namespaces are named after this process."""

    def __init__(self, frames: list[Frame]) -> None:
        own = f"tw-{os.getpid()}-"
        named = (one for frame in frames for one in frame.namespaces)
        self._rooms = np.array([number for number, name in named if name.startswith(own)])
        ours = [self._kept(frame.owners) for frame in frames if frame.owners is not None]
        self._pids = set(np.concatenate(ours)["pid"].tolist())
        self._tally = np.zeros(len(wire.KINDS), wire.TALLY)

    def only(self, frame: Frame) -> Frame:
        events = self._kept(frame.events)
        self._tally["seen"] += np.bincount(events["kind"], minlength=len(wire.KINDS)).astype(np.uint64)
        return replace(
            frame,
            host=replace(frame.host, name="demo", boot_id=""),
            events=events,
            tally=self._tally.copy(),
            snapshot=None if frame.snapshot is None else self._snapshot(frame.snapshot),
            owners=None if frame.owners is None else self._kept(frame.owners),
            processes=tuple(_nameless(process) for process in frame.processes if process.pid in self._pids),
            cgroups=(),
            namespaces=tuple(one for one in frame.namespaces if one[0] in self._rooms),
            settings=tuple(one for one in frame.settings if one[0] in self._rooms),
        )

    def _kept(self, records: np.ndarray) -> np.ndarray:
        return records[np.isin(records["netns"], self._rooms)]

    def _snapshot(self, snapshot: Snapshot) -> Snapshot:
        sockets = self._kept(snapshot.sockets)
        sockets["cgroup"] = 0
        return replace(
            snapshot,
            sockets=sockets,
            namespaces=snapshot.namespaces & set(self._rooms.tolist()),
            counts=self._kept(snapshot.counts),
        )


def _nameless(process: Process) -> Process:
    """Where the programs lie on this machine is nobody's business."""
    return replace(process, command=process.comm, cgroup="")


def main() -> int:
    path = HERE / "demo.tcpw"
    source = KernelSource(8 << 20, Knobs(want_time_wait=True), Pace(tick=0.1, share=0.1))
    over = threading.Event()

    def show() -> None:
        over.wait(CALM_S)
        play(choose(SHOWN), lambda name, line: sys.stderr.write(f"{name}: {line}\n"), over, LOOK_S)
        over.wait(CALM_S)
        source.stop()

    thread = threading.Thread(target=show)
    thread.start()
    try:
        frames = list(source.frames())
    finally:
        over.set()
        thread.join()
        source.close()
    path.unlink(missing_ok=True)
    writer, stage = Writer(path), Stage(frames)
    for frame in frames:
        writer.write(stage.only(frame))
    writer.close()
    os.chmod(path, 0o644)
    sys.stderr.write(f"{path.name}: {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
