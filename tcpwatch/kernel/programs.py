"""Which programs run in the kernel, with which knobs: chooses by what the kernel has, loads, attaches, and says of each
hook what became of it. Everything attached is owned by this process's descriptors."""

import errno
import os
import re
import sys
from dataclasses import dataclass
from importlib import resources

import numpy as np

from tcpwatch import wire
from tcpwatch.errors import KernelLacks, NotPermitted, TcpwatchError
from tcpwatch.frame import Probe
from tcpwatch.kernel import libbpf, privileges
from tcpwatch.kernel.btf import Btf, check_records


@dataclass(frozen=True, slots=True)
class Hook:
    program: str  # in bpf/tcpwatch.bpf.c
    kind: str
    target: str
    purpose: str
    without: str  # what is missed where the kernel lacks it
    record: int | None = None  # wire.KINDS of the events it makes


HOOKS = (
    Hook(
        "on_inet_sock_set_state",
        "tp_btf",
        "inet_sock_set_state",
        "state changes: every connection's life",
        "all",
        wire.STATE,
    ),
    Hook(
        "on_tcp_retransmit_skb",
        "tp_btf",
        "tcp_retransmit_skb",
        "retransmitted segments",
        "only totals remain",
        wire.RETRANSMIT,
    ),
    Hook(
        "on_tcp_retransmit_synack",
        "tp_btf",
        "tcp_retransmit_synack",
        "repeated SYN-ACKs of half-open connections",
        "half-open connections show in snapshots only",
        wire.SYNACK_RETRANSMIT,
    ),
    Hook(
        "on_tcp_send_reset",
        "tp_btf",
        "tcp_send_reset",
        "resets we send",
        "resets are seen only as closes",
        wire.RESET_SENT,
    ),
    Hook(
        "on_tcp_receive_reset",
        "tp_btf",
        "tcp_receive_reset",
        "resets we get",
        "resets are seen only as closes",
        wire.RESET_RECEIVED,
    ),
    Hook(
        "on_tcp_cong_state_set",
        "tp_btf",
        "tcp_cong_state_set",
        "congestion states: loss, recovery",
        "snapshots still show the present one (the hook came with Linux 5.19)",
        wire.CONGESTION,
    ),
    Hook(
        "on_tcp_destroy_sock",
        "tp_btf",
        "tcp_destroy_sock",
        "who held a socket that a reset ended",
        "such a connection may have no process",
        wire.RELEASED,
    ),
    Hook("each_tcp", "iter", "tcp", "snapshots of every socket", "connections show only once something happens"),
    Hook("each_task_file", "iter", "task_file", "which process owns a socket", "accepted sockets have no process"),
)
_MOST_RINGS = 8  # as bpf/tcpwatch.bpf.c has room for
_PERMIT = "run as root: sudo tcpwatch; in a container add CAP_BPF and CAP_PERFMON and check its seccomp profile"
ESSENTIAL = "on_inet_sock_set_state"


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the programs are told before they are loaded; names and meaning as in bpf/tcpwatch.bpf.c."""

    want_family: int = 0
    want_netns: int = 0
    want_lport_min: int = 0
    want_lport_max: int = 65535
    want_rport_min: int = 0
    want_rport_max: int = 65535
    want_time_wait: int = 1


class Programs:
    """Loaded and attached programs. ring_bytes: of all rings together, rounded up to a power of two the kernel takes.

    Raises NotPermitted, KernelLacks, or TcpwatchError with the verifier's last words."""

    def __init__(self, ring_bytes: int, knobs: Knobs) -> None:
        privileges.require()
        # a power of two, so that a CPU finds its ring by a mask
        ring_count = min(_MOST_RINGS, 1 << ((os.cpu_count() or 1) - 1).bit_length())
        self.ring_size = max(os.sysconf("SC_PAGE_SIZE"), (1 << (ring_bytes - 1).bit_length()) // ring_count)
        self.ring_bytes = ring_count * self.ring_size
        self.rings: list[int] = []
        self.interrupted = 0  # events lost not for want of room: see tally()
        self._links: dict[str, int] = {}
        libbpf.library()  # before the BTF, so that a missing libbpf is what gets reported
        kernel = Btf.of_kernel()
        try:
            self._absent = _absent(kernel)
            self.reset_reasons = tuple(n.removeprefix("SK_RST_REASON_") for n in kernel.enum("sk_rst_reason"))
            self._features = _features(kernel)
        finally:
            kernel.close()
        self._refused: dict[str, str] = {}
        self._object = self._load(knobs, ring_count)
        try:
            self._make_rings(ring_count)
            self._attach()
        except BaseException:
            self.close()
            raise
        self._watching = frozenset(self._links)
        self.probes = tuple(self._probe(hook) for hook in HOOKS)
        self._tallies = self._object.descriptor("tallies")
        self._clock = self._object.descriptor("clock")
        self._cpus = np.zeros(libbpf.possible_cpus(), wire.TALLY)

    def link(self, program: str) -> int | None:
        """The descriptor of an attached program, None where the kernel refused it."""
        return self._links.get(program)

    def tally(self) -> np.ndarray:
        """(KINDS,) wire.TALLY since loading, summed over the CPUs. What a hook missed because it had interrupted itself
        counts as lost, although it might not have been wanted: nobody looked."""
        total = np.zeros(len(wire.KINDS), wire.TALLY)
        self.interrupted = 0
        for kind in range(len(total)):
            libbpf.look_up(self._tallies, kind, self._cpus)
            total[kind] = (self._cpus["seen"].sum(), self._cpus["lost"].sum())
        for hook in HOOKS:
            if hook.record is not None and hook.program in self._watching:
                missed = self._object.recursion_misses(hook.program)
                total["seen"][hook.record] += missed
                total["lost"][hook.record] += missed
                self.interrupted += missed
        return total

    def clock(self) -> tuple[int, int]:
        """(CLOCK_MONOTONIC ns, jiffies) at the last snapshot's begin; (0, 0) before the first."""
        slot = np.zeros(1, wire.CLOCK)
        libbpf.look_up(self._clock, 0, slot)
        return int(slot["time_ns"][0]), int(slot["jiffies"][0])

    def fall_silent(self) -> None:
        """Detach what makes events; snapshots and owners can still be read."""
        for hook in HOOKS:
            if hook.kind != "iter" and self._links.pop(hook.program, None) is not None:
                self._object.detach(hook.program)

    def close(self) -> None:
        self._object.close()
        while self.rings:
            os.close(self.rings.pop())

    def _make_rings(self, count: int) -> None:
        for place in range(count):
            try:
                self.rings.append(libbpf.make_ring(self.ring_size))
            except OSError as error:
                if error.errno != errno.ENOMEM:
                    raise
                wanted = f"{self.ring_bytes >> 20} MB of event rings"
                raise TcpwatchError(f"no memory for {wanted}", "use a smaller --ring-mb") from error
            libbpf.put(self._object.descriptor("rings"), place, self.rings[-1])

    def _load(self, knobs: Knobs, ring_count: int) -> libbpf.Object:
        """One program that the verifier refuses must not cost us the others: leave it out and try again."""
        image = _image()
        while True:
            opened = libbpf.Object(image)
            try:
                check_records(Btf.of_object(opened), wire.STRUCTS)
                opened.choose(lambda name: name not in self._absent and name not in self._refused)
                _set_constants(opened, self._constants(knobs, ring_count))
                libbpf.take_messages()
                opened.load()
                return opened
            except OSError as error:
                opened.close()
                said = libbpf.take_messages()
                self._refused[self._culprit(said, error)] = _last_words(said, error)
                if ESSENTIAL in self._refused:
                    raise KernelLacks(
                        f"the kernel refuses to watch state changes: {self._refused[ESSENTIAL]}", "see tcpwatch doctor"
                    ) from error

    def _culprit(self, said: str, error: OSError) -> str:
        """The program that made loading fail; raises where it was none of them."""
        found = re.findall(r"prog '(\w+)': (?:failed to load|BPF program load failed)", said)
        if found and found[-1] not in self._refused:
            return str(found[-1])
        if error.errno in (errno.EPERM, errno.EACCES):
            raise NotPermitted(
                f"the kernel does not let us load BPF programs: {_last_words(said, error)}",
                _PERMIT,
            ) from error
        raise KernelLacks(f"the BPF programs cannot be loaded: {_last_words(said, error)}", "see tcpwatch doctor")

    def _constants(self, knobs: Knobs, ring_count: int) -> dict[str, int]:
        chosen = {name: getattr(knobs, name) for name in Knobs.__slots__}
        rings = {"ring_mask": ring_count - 1, "wake_at_bytes": self.ring_size // 2}
        return chosen | self._features | rings | {"own_pid": os.getpid()}

    def _attach(self) -> None:
        for hook in HOOKS:
            if hook.program in self._absent or hook.program in self._refused:
                continue
            try:
                self._links[hook.program] = self._object.attach(hook.program)
            except OSError as error:
                self._refused[hook.program] = _last_words(libbpf.take_messages(), error)
                if hook.program == ESSENTIAL and error.errno in (errno.EPERM, errno.EACCES):
                    raise NotPermitted(f"state changes may not be watched: {error.strerror}", _PERMIT) from error
        if ESSENTIAL not in self._links:
            raise KernelLacks(f"state changes cannot be watched: {self._refused.get(ESSENTIAL, 'no tracepoint')}")

    def _probe(self, hook: Hook) -> Probe:
        if hook.program in self._links:
            return Probe(hook.target, hook.kind, hook.purpose, True)
        refusal = self._refused.get(hook.program)
        reason = refusal or "this kernel has no such hook"
        return Probe(hook.target, hook.kind, hook.purpose, False, reason, hook.without, refusal is not None)


def _image() -> bytes:
    name = f"tcpwatch.bpf{'el' if sys.byteorder == 'little' else 'eb'}.o"
    try:
        return (resources.files("tcpwatch.kernel") / "objects" / name).read_bytes()
    except OSError as error:
        raise KernelLacks(
            f"the compiled BPF object {name} is not installed", "run make setup, or reinstall tcpwatch-ebpf"
        ) from error


def _absent(kernel: Btf) -> frozenset[str]:
    """Programs whose tracepoint this kernel does not have: one of them would fail the whole object."""
    return frozenset(
        hook.program for hook in HOOKS if hook.kind == "tp_btf" and kernel.tracepoint_arguments(hook.target) is None
    )


def _features(kernel: Btf) -> dict[str, int]:
    return {
        "reset_has_reason": int((kernel.tracepoint_arguments("tcp_send_reset") or 0) >= 3),
        "retransmit_has_error": int((kernel.tracepoint_arguments("tcp_retransmit_skb") or 0) >= 3),
    }


def _set_constants(opened: libbpf.Object, values: dict[str, int]) -> None:
    data = opened.constants()
    slots = {name: (offset, size) for name, offset, size in Btf.of_object(opened).variables(".rodata")}
    if data is None or slots.keys() != values.keys():
        raise TcpwatchError(
            f"the BPF object's knobs are {sorted(slots)}, expected {sorted(values)}", "run make setup again"
        )
    for name, (offset, size) in slots.items():
        memoryview(data).cast("B")[offset : offset + size] = values[name].to_bytes(size, sys.byteorder)


def _last_words(messages: str, error: OSError) -> str:
    """The line of the verifier's log that says why, else what the system call said."""
    noise = ("libbpf:", "-- ", "processed ", "verification time", "stack depth", "max_states", "mark_precise", "from ")
    lines = [line.strip() for line in messages.splitlines()]
    said = [line for line in lines if line and not line.startswith(noise) and not re.match(r"\d+: \(", line)]
    return said[-1] if said else str(error.strerror or error)
