"""What is loaded, and what is said of what is not."""

import errno
import gc
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tcpwatch import wire
from tcpwatch.errors import KernelLacks, TcpwatchError
from tcpwatch.frame import FUNCTIONS
from tcpwatch.kernel import programs
from tcpwatch.kernel.programs import HOOKS, Hook, Knobs, Programs
from tcpwatch.kernel.ringarray import RingArray

ATTACHES = """
import sys
from tcpwatch.commands import sources, stream
from tcpwatch.kernel.programs import Knobs, Programs
programs = Programs(1 << 20, Knobs(), sys.argv[1])
assert any(probe.attached for probe in programs.probes)
print("numpy" in sys.modules)
"""


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> list[Hook]:
    """The list of hooks, to be changed by a test."""
    changed = list(HOOKS)
    monkeypatch.setattr(programs, "HOOKS", changed)
    return changed


def test_every_hook_is_attached_here() -> None:
    """This kernel has them all, but for those on functions, which not every kernel allows; each says what it is for."""
    loaded = Programs(1 << 20, Knobs())
    try:
        assert [probe.name for probe in loaded.probes] == [hook.target for hook in HOOKS if not hook.for_want_of]
        others = [probe for probe in loaded.probes if probe.kind not in FUNCTIONS]
        assert [(probe.name, probe.reason) for probe in others if not probe.attached or probe.without] == []
        functions = [probe for probe in loaded.probes if probe.kind in FUNCTIONS]
        assert len({(probe.attached, probe.refused, probe.reason) for probe in functions}) == 1, functions
        assert functions[0].attached or (functions[0].refused and "not permitted" in functions[0].reason)
        assert all(probe.purpose for probe in loaded.probes)
        assert "NO_SOCKET" in loaded.reset_reasons
        assert len(loaded.tally()) == len(wire.KINDS)
    finally:
        loaded.close()


def test_a_tracepoint_the_kernel_lacks_costs_only_itself(hooks: list[Hook]) -> None:
    """An older kernel has no tcp_cong_state_set: the others work, and it is said what is missed."""
    at = next(i for i, hook in enumerate(hooks) if hook.target == "tcp_cong_state_set")
    hooks[at] = Hook(hooks[at].program, "tp_btf", "tcp_no_such_event", "congestion states", "only snapshots show them")
    loaded = Programs(1 << 20, Knobs())
    try:
        missing = [probe for probe in loaded.probes if not probe.attached and probe.kind not in FUNCTIONS]
        assert [(probe.name, probe.refused, probe.without) for probe in missing] == [
            ("tcp_no_such_event", False, "only snapshots show them")
        ]
    finally:
        loaded.close()


def test_functions_stand_in_for_what_an_older_kernel_lacks(hooks: list[Hook], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked for there alone. Where they serve, nothing is said of what they stand in for; where they may not,
    what is missed is said of both."""
    lacks = {"reset_has_reason": 0, "congestion_has_event": 0}
    features = programs._features
    monkeypatch.setattr(programs, "_features", lambda kernel: features(kernel) | lacks)
    at = next(i for i, hook in enumerate(hooks) if hook.feature == "congestion_has_event")
    hooks[at] = replace(hooks[at], target="tcp_no_such_event")
    loaded = Programs(1 << 20, Knobs())
    try:
        found = {probe.name: probe for probe in loaded.probes}
        places = [(hook.kind, hook.target) for hook in hooks if hook.for_want_of]
        standins = [probe for probe in loaded.probes if (probe.kind, probe.name) in places]
        assert len(standins) == len(places) == 8
        assert found["tcp_send_reset"].without
        if all(probe.attached for probe in standins):
            assert "tcp_no_such_event" not in found
        else:
            assert all(probe.refused and probe.without and "not permitted" in probe.reason for probe in standins)
            assert not found["tcp_no_such_event"].attached
            assert found["tcp_no_such_event"].without
        assert {"NOT_SPECIFIED", "NO_SOCKET"} <= set(loaded.reset_reasons)
    finally:
        loaded.close()


def test_without_state_changes_there_is_nothing_to_watch(hooks: list[Hook]) -> None:
    """The one hook that everything rests on."""
    at = next(i for i, hook in enumerate(hooks) if hook.program == programs.ESSENTIAL)
    hooks[at] = Hook(programs.ESSENTIAL, "tp_btf", "no_such_event", "state changes", "all")
    with pytest.raises(KernelLacks, match="state changes"):
        Programs(1 << 20, Knobs())


def test_ring_sizes_are_rounded_up_to_what_the_kernel_takes() -> None:
    """A power of two; the kernel refuses anything else."""
    loaded = Programs(3 << 20, Knobs())
    try:
        assert loaded.ring_bytes == 4 << 20
    finally:
        loaded.close()


def test_knobs_that_the_object_does_not_know_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Object and package come from different versions: better no start than a filter that does nothing."""
    monkeypatch.setattr(Programs, "_constants", lambda _self, _knobs, _rings: {"want_color": 1})
    with pytest.raises(TcpwatchError, match="knobs"):
        Programs(1 << 20, Knobs())


@pytest.mark.parametrize("loader", ["core", "bcc"])
def test_programs_are_attached_before_numpy_is_loaded(loader: str) -> None:
    """It takes as long as everything else; the kernel can watch meanwhile."""
    done = subprocess.run([sys.executable, "-c", ATTACHES, loader], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_rings_that_cannot_be_made_leave_nothing_behind() -> None:
    """What was wrong is told by whoever waits for them; their array goes, too."""
    gc.collect()  # what other tests left to it closes no descriptor meanwhile
    before = os.listdir("/proc/self/fd")
    array = RingArray(3, os.sysconf("SC_PAGE_SIZE") + 1)
    with pytest.raises(OSError, match="the ring cannot be made") as raised:
        array.take()
    assert raised.value.errno == errno.EINVAL
    array.close()
    assert os.listdir("/proc/self/fd") == before


def test_rings_that_nobody_takes_go() -> None:
    """As where the programs cannot be loaded."""
    gc.collect()
    before = os.listdir("/proc/self/fd")
    array = RingArray(3, os.sysconf("SC_PAGE_SIZE"))
    array.close()
    array.close()
    assert os.listdir("/proc/self/fd") == before
