"""Which programs run in the kernel, with which knobs: chooses by what the kernel has, loads, attaches, and says of each
hook what became of it. Everything attached is owned by this process's descriptors."""

import errno
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcpwatch.errors import KernelLacks, NotPermitted, TcpwatchError
from tcpwatch.kernel import libbpf, privileges
from tcpwatch.kernel.loaders.choice import choose
from tcpwatch.kernel.loaders.loaded import Description, Loaded, Loader, Targets
from tcpwatch.kernel.loaders.verifier import PERMIT, last_words, reject
from tcpwatch.kernel.ringarray import RingArray
from tcpwatch.probe import FUNCTIONS, Probe

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Hook:
    program: str  # in bpf/tcpwatch.bpf.c
    kind: str
    target: str
    purpose: str
    without: str  # what is missed where the kernel lacks it
    record: str = ""  # which of wire.KINDS its events are
    feature: str = ""  # of the kernel, that it is
    for_want_of: str = ""  # the feature in whose place it stands: not loaded where the kernel has that


# program -> (the feature of the kernel without which it tells less, what it does not tell then)
_PARTLY = {
    # 5691276b39da
    "on_tcp_send_reset": ("reset_has_reason", "without the kernel's reasons (Linux 6.10 tells them)"),
    # c5dbb89fc2ac: nothing ties the small sockets to the connection that they are a part of
    "each_tcp": ("makes_cookies", "half-open and TIME_WAIT sockets are left out (they take Linux 5.12)"),
}
_COUNTERS_SERVE = "snapshots count cookies per namespace, without their peers"
_RESETS_COUNTED = "snapshots count those of closed ports per namespace"
_SNAPSHOTS_SERVE = "snapshots still show the present one"
HOOKS = (
    Hook(
        "on_inet_sock_set_state",
        "tp_btf",
        "inet_sock_set_state",
        "state changes: every connection's life",
        "all",
        "state",
    ),
    Hook(
        "on_tcp_retransmit_skb",
        "tp_btf",
        "tcp_retransmit_skb",
        "retransmitted segments",
        "only totals remain",
        "retransmit",
    ),
    Hook(
        "on_tcp_retransmit_synack",
        "tp_btf",
        "tcp_retransmit_synack",
        "repeated SYN-ACKs of half-open connections",
        "half-open connections show in snapshots only",
        "synack_retransmit",
    ),
    Hook(
        "on_tcp_send_reset",
        "tp_btf",
        "tcp_send_reset",
        "resets we send",
        "resets are seen only as closes",
        "reset_sent",
    ),
    Hook(
        "on_tcp_receive_reset",
        "tp_btf",
        "tcp_receive_reset",
        "resets we get",
        "resets are seen only as closes",
        "reset_received",
    ),
    Hook(
        "on_tcp_cong_state_set",
        "tp_btf",
        "tcp_cong_state_set",
        "congestion states: loss, recovery",
        "snapshots still show the present one (the hook came with Linux 5.19)",
        "congestion",
        "congestion_has_event",
    ),
    Hook(
        "on_tcp_destroy_sock",
        "tp_btf",
        "tcp_destroy_sock",
        "who held a socket that a reset ended",
        "such a connection may have no process",
        "released",
    ),
    Hook(
        "on_tcp_make_synack",
        "fentry",
        "tcp_make_synack",
        "peers of SYN cookies sent",
        _COUNTERS_SERVE,
        "syn_cookie_sent",
    ),
    Hook(
        "after_cookie_v4_check",
        "fexit",
        "cookie_v4_check",
        "peers of SYN cookies that came back over IPv4",
        _COUNTERS_SERVE,
        "syn_cookie_accepted",
    ),
    Hook(
        "after_cookie_v6_check",
        "fexit",
        "cookie_v6_check",
        "peers of SYN cookies that came back over IPv6",
        _COUNTERS_SERVE,
        "syn_cookie_accepted",
    ),
    Hook(
        "on_tcp_v4_send_reset",
        "fentry",
        "tcp_v4_send_reset",
        "resets for closed ports, over IPv4",
        _RESETS_COUNTED,
        "reset_sent",
        for_want_of="reset_has_reason",
    ),
    Hook(
        "on_tcp_v6_send_reset",
        "fentry",
        "tcp_v6_send_reset",
        "resets for closed ports, over IPv6",
        _RESETS_COUNTED,
        "reset_sent",
        for_want_of="reset_has_reason",
    ),
    Hook(
        "on_tcp_enter_recovery",
        "fentry",
        "tcp_enter_recovery",
        "a recovery that follows on another",
        "they look like one recovery",
        "congestion",
        for_want_of="congestion_has_event",
    ),
    Hook(
        "after_tcp_enter_recovery",
        "fexit",
        "tcp_enter_recovery",
        "congestion states: a recovery that a timer begins",
        "a short one is not told of",
        "congestion",
        for_want_of="congestion_has_event",
    ),
    Hook(
        "after_tcp_fastretrans_alert",
        "fexit",
        "tcp_fastretrans_alert",
        "congestion states: recovery, and its end",
        _SNAPSHOTS_SERVE,
        "congestion",
        for_want_of="congestion_has_event",
    ),
    Hook(
        "after_tcp_enter_loss",
        "fexit",
        "tcp_enter_loss",
        "congestion states: loss",
        _SNAPSHOTS_SERVE,
        "congestion",
        for_want_of="congestion_has_event",
    ),
    Hook(
        "after_tcp_simple_retransmit",
        "fexit",
        "tcp_simple_retransmit",
        "congestion states: loss, as the path's MTU shrank",
        _SNAPSHOTS_SERVE,
        "congestion",
        for_want_of="congestion_has_event",
    ),
    Hook(
        "after_tcp_enter_cwr",
        "fexit",
        "tcp_enter_cwr",
        "congestion states: the window reduced",
        _SNAPSHOTS_SERVE,
        "congestion",
        for_want_of="congestion_has_event",
    ),
    Hook("each_tcp", "iter", "tcp", "snapshots of every socket", "connections show only once something happens"),
    Hook("each_task_file", "iter", "task_file", "which process owns a socket", "accepted sockets have no process"),
)
_COARSE = 6  # CLOCK_MONOTONIC_COARSE, include/uapi/linux/time.h: its step is a jiffy
_MOST_RINGS = 8  # as bpf/tcpwatch.bpf.c has room for
ESSENTIAL = "on_inet_sock_set_state"
# What standins.h tells of resets, numbered as enum sk_rst_reason is where the kernel has it
_REASONS_OF_FUNCTIONS = ("NOT_SPECIFIED", "NO_SOCKET")


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
    loader: auto, core or bcc.

    Raises NotPermitted, KernelLacks, or TcpwatchError with the verifier's last words."""

    def __init__(self, ring_bytes: int, knobs: Knobs, loader: str = "auto") -> None:
        privileges.require()
        # a power of two, so that a CPU finds its ring by a mask
        ring_count = min(_MOST_RINGS, 1 << ((os.cpu_count() or 1) - 1).bit_length())
        self.ring_size = max(os.sysconf("SC_PAGE_SIZE"), (1 << (ring_bytes - 1).bit_length()) // ring_count)
        self.ring_bytes = ring_count * self.ring_size
        self.rings: list[int] = []
        self.interrupted = 0  # events lost not for want of room: see tally()
        self._links: dict[str, int] = {}
        self._object: Loaded
        chosen = choose(loader)
        try:
            self.loader, self._instead = chosen.name, chosen.instead
            self._features = _features(chosen.kernel)
            self._hooks = [hook for hook in HOOKS if not self._features.get(hook.for_want_of)]
            self._absent = _absent(self._hooks, chosen)
            reasons = (name.removeprefix("SK_RST_REASON_") for name in chosen.kernel.enum("sk_rst_reason"))
            self.reset_reasons = tuple(reasons) or _REASONS_OF_FUNCTIONS
            targets = {
                hook.program: (hook.kind, hook.target) for hook in self._hooks if hook.program not in self._absent
            }
            constants = self._constants(knobs, ring_count) | self._features
            self.sees_time_wait = bool(constants["makes_cookies"])  # else nothing ties them to a connection
            self._object, self._refused, self.rings = self._load(chosen, targets, constants, ring_count)
        finally:
            chosen.close()
        try:
            self._attach()
        except BaseException:
            self.close()
            raise
        self._watching = frozenset(self._links)
        served = self._served()
        self.probes = tuple(
            self._probe(hook) for hook in self._hooks if hook.program not in self._absent or hook.feature not in served
        )
        self._tallies = self._object.descriptor("tallies")

    def link(self, program: str) -> int | None:
        """The descriptor of an attached program, None where the kernel refused it."""
        return self._links.get(program)

    def tally(self) -> "np.ndarray":
        """(KINDS,) wire.TALLY since loading, summed over the CPUs. What a hook missed because it had interrupted itself
        counts as lost, although it might not have been wanted: nobody looked."""
        import numpy as np  # 80 ms, and not needed to attach

        from tcpwatch import wire

        cpus = np.zeros(libbpf.possible_cpus(), wire.TALLY)
        total = np.zeros(len(wire.KINDS), wire.TALLY)
        interrupted = 0
        for kind in range(len(total)):
            libbpf.look_up(self._tallies, kind, cpus)
            total[kind] = (cpus["seen"].sum(), cpus["lost"].sum())
        for hook in self._hooks:
            if hook.record and hook.program in self._watching:
                missed = self._object.recursion_misses(hook.program)
                kind = wire.KINDS.index(hook.record)
                total["seen"][kind] += missed
                total["lost"][kind] += missed
                interrupted += missed
        self.interrupted = interrupted
        return total

    def fall_silent(self) -> None:
        """Detach what makes events; snapshots and owners can still be read."""
        for hook in self._hooks:
            if hook.kind != "iter" and self._links.pop(hook.program, None) is not None:
                self._object.detach(hook.program)

    def close(self) -> None:
        self._object.close()
        while self.rings:
            os.close(self.rings.pop())

    def _load(
        self, chosen: Loader, targets: Targets, constants: dict[str, int], ring_count: int
    ) -> tuple[Loaded, dict[str, str], list[int]]:
        """The programs, why the verifier would not have some of them, and the rings that they write into."""
        try:
            array = RingArray(ring_count, self.ring_size)
        except OSError as error:
            reject("", error)
        try:
            loaded, refused = chosen.load(targets, constants, array.descriptor)
            try:
                return loaded, refused, self._rings_of(array)
            except BaseException:
                loaded.close()
                raise
        finally:
            array.close()

    def _rings_of(self, array: RingArray) -> list[int]:
        try:
            return array.take()
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            wanted = f"{self.ring_bytes >> 20} MB of event rings"
            raise TcpwatchError(f"no memory for {wanted}", "use a smaller --ring-mb") from error

    def _constants(self, knobs: Knobs, ring_count: int) -> dict[str, int]:
        chosen = {name: int(getattr(knobs, name)) for name in Knobs.__slots__}
        rings = {"ring_mask": ring_count - 1, "wake_at_bytes": self.ring_size // 2}
        return chosen | rings | {"own_pid": os.getpid()}

    def _attach(self) -> None:
        if ESSENTIAL in self._refused:
            raise KernelLacks(
                f"the kernel refuses to watch state changes: {self._refused[ESSENTIAL]}", "see tcpwatch doctor"
            )
        for hook in self._hooks:
            if hook.program in self._absent or hook.program in self._refused:
                continue
            try:
                self._links[hook.program] = self._object.attach(hook.program)
            except OSError as error:
                self._refused[hook.program] = last_words(libbpf.take_messages(), error)
                if hook.program == ESSENTIAL and error.errno in (errno.EPERM, errno.EACCES):
                    raise NotPermitted(f"state changes may not be watched: {error.strerror}", PERMIT) from error
        if ESSENTIAL not in self._links:
            raise KernelLacks(f"state changes cannot be watched: {self._refused.get(ESSENTIAL, 'no tracepoint')}")

    def _served(self) -> set[str]:
        """The features that this kernel lacks, and all of whose stand-ins are attached."""
        standins = {hook.for_want_of for hook in self._hooks} - {""}
        return standins - {hook.for_want_of for hook in self._hooks if hook.program not in self._links}

    def _probe(self, hook: Hook) -> Probe:
        kind = self._instead.get(hook.kind, hook.kind)
        if hook.program in self._links:
            feature, missed = _PARTLY.get(hook.program, ("", ""))
            return Probe(
                hook.target, kind, hook.purpose, True, without=missed if not self._features.get(feature, 1) else ""
            )
        refusal = self._refused.get(hook.program)
        reason = refusal or self._absent[hook.program]
        return Probe(hook.target, kind, hook.purpose, False, reason, hook.without, refusal is not None)


def jiffies_per_second() -> int:
    """The kernel's HZ."""
    return round(1 / time.clock_getres(_COARSE))


def _absent(hooks: list[Hook], loader: Loader) -> dict[str, str]:
    """Programs that cannot be had here, with the reason: one whose target this kernel lacks would fail the whole
    object."""
    found = {}
    for hook in hooks:
        if hook.kind == "tp_btf" and loader.kernel.tracepoint_arguments(hook.target) is None:
            found[hook.program] = "this kernel has no such hook"
        elif hook.kind in FUNCTIONS and not loader.kernel.has_function(hook.target):
            found[hook.program] = loader.no_functions or "this kernel has no such function that could be hooked"
        elif hook.kind == "iter" and not loader.iterators:
            found[hook.program] = "this kernel does not describe its types (BTF), which iterators take"
    return found


def _features(kernel: Description) -> dict[str, int]:
    return {
        "jiffies_per_second": jiffies_per_second(),
        "makes_cookies": int(kernel.has_helper("bpf_get_socket_ptr_cookie")),
        "finds_sockets": int(kernel.has_helper("bpf_sock_from_file")),
        "knows_task": int(kernel.has_helper("bpf_get_current_task_btf")),
        "reset_has_reason": int((kernel.tracepoint_arguments("tcp_send_reset") or 0) >= 3),
        "congestion_has_event": int(kernel.tracepoint_arguments("tcp_cong_state_set") is not None),
        "retransmit_has_error": int((kernel.tracepoint_arguments("tcp_retransmit_skb") or 0) >= 3),
    }
