"""Under which circumstances is each kernel tried, and with which tests? A lane is something that users meet: what it
changes, and what has to hold then."""

from collections.abc import Sequence
from dataclasses import dataclass

_EVENTS = "tests/kernel/test_events.py::test_every_step_once_and_in_order"
# Known traffic, exact counts: what an event, a life and a snapshot is, what listeners turn away, what stays behind
_TRUTH = (
    "tests/kernel/test_events.py",
    "tests/kernel/test_lives.py::test_a_client_that_closes_first",
    "tests/kernel/test_lives.py::test_a_reset[client]",
    "tests/kernel/test_lives.py::test_refused",
    "tests/kernel/test_lives.py::test_resets_for_closed_ports",
    "tests/kernel/test_loss.py::test_recoveries_are_what_netstat_says",
    "tests/kernel/test_loss.py::test_a_loss_of_each_life_of_a_socket",
    "tests/kernel/test_snapshot.py::test_every_state",
    "tests/kernel/test_listeners.py::test_a_server_that_does_not_accept",
    # not the flood: an emulated machine has no time for anything else then
    "tests/kernel/test_cookies.py::test_each_cookie_and_its_peer",
    "tests/kernel/test_cookies.py::test_forged_acknowledgements",
    "tests/kernel/test_residue.py::test_nothing_is_left_in_the_kernel[SIGKILL]",
)
# The same again for another loader, each once
_ESSENCE = (
    _EVENTS,
    "tests/kernel/test_lives.py::test_a_client_that_closes_first",
    "tests/kernel/test_snapshot.py::test_every_state",
    "tests/kernel/test_residue.py::test_nothing_is_left_in_the_kernel[SIGKILL]",
)
_NOBODY = (
    "prlimit --memlock=unlimited "  # before Linux 5.11 BPF memory counts against it
    "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all,+bpf,+perfmon "
    "--inh-caps=-all,+bpf,+perfmon --ambient-caps=-all,+bpf,+perfmon"
)
_HIDE = """printf 'mount -t tmpfs none /sys/kernel/btf\nexec "$@"\n' >/run/without-btf"""
_WITH_HEADERS = ("5.10", "6.1")  # as old as Debian 12's bcc, which does not compile with the headers of younger ones


@dataclass(frozen=True, slots=True)
class Lane:
    """tests: what pytest is given. prepare: a shell's commands, before them; restore: after them. prefix: what goes
    before each tcpwatch that watches. loader: as --loader knows it. hooks: under which name docs/kernels.md tells which
    hooks there were, "" where it does not. kernels: those that it is for, () for all. with_headers: whether it takes
    them. asked_for: run only where it is named."""

    name: str
    what: str
    tests: tuple[str, ...]
    prepare: str = ":"
    restore: str = ":"
    prefix: str = ""
    loader: str = "auto"
    hooks: str = ""
    kernels: tuple[str, ...] = ()
    with_headers: bool = False
    asked_for: bool = False


LANES = (
    Lane("normal", "as Debian ships it, as root", _TRUTH, loader="core", hooks="core"),
    Lane(
        "bcc",
        "`--loader bcc`",
        (
            *_ESSENCE,
            "tests/kernel/test_cookies.py::test_each_cookie_and_its_peer",
            "tests/kernel/test_lives.py::test_resets_for_closed_ports",
            "tests/kernel/test_loss.py::test_recoveries_are_what_netstat_says",
        ),
        loader="bcc",
        hooks="bcc",
    ),
    Lane(
        "hidden",
        "without BTF: bcc with the kernel's headers; another kernel's are refused",
        (
            _EVENTS,
            "tests/kernel/test_lives.py::test_a_client_that_closes_first",
            # functions by kprobes; each start of tcpwatch compiles there, which takes a minute of an emulated machine
            "tests/kernel/test_cookies.py::test_each_cookie_and_its_peer[127.0.0.1]",
            "tests/kernel/test_lives.py::test_resets_for_closed_ports[::1]",
            "tests/kernel/test_loss.py::test_recoveries_are_what_netstat_says",
            "tests/kernel/test_residue.py::test_nothing_is_left_in_the_kernel[SIGKILL]",
            "tests/loaders/test_broken.py::test_headers_of_another_kernel",
        ),
        prepare=_HIDE,
        prefix="unshare --mount sh -e /run/without-btf",
        hooks="bcc without BTF",
        kernels=_WITH_HEADERS,
        with_headers=True,
    ),
    Lane(
        "beside",
        "beside bcc's own `tcpstates`: both tell of the same steps",
        ("tests/kernels/beside.py",),
        prepare="mount -t debugfs none /sys/kernel/debug",  # where bcc looks for tracepoints
        restore="umount /sys/kernel/debug",
        kernels=_WITH_HEADERS,
        with_headers=True,
    ),
    Lane(
        "paranoid",
        "`kernel.perf_event_paranoid=3`",
        (_EVENTS,),
        prepare="sysctl -q -w kernel.perf_event_paranoid=3",
        restore="sysctl -q -w kernel.perf_event_paranoid=2",
    ),
    Lane(
        "capabilities",
        "a user with `CAP_BPF` and `CAP_PERFMON` alone",
        ("tests/kernel/test_own_namespace.py",),
        prefix=_NOBODY,
    ),
    Lane(
        "capabilities-bcc",
        "the same with `--loader bcc`",
        ("tests/kernel/test_own_namespace.py",),
        prefix=_NOBODY,
        loader="bcc",
    ),
    Lane(
        "bare",
        "without BTF and headers: refused, with the reason",
        ("tests/loaders/test_broken.py::test_neither_btf_nor_headers",),
        prepare="mkdir -p /usr/src; mount -t tmpfs none /usr/src",
        restore="umount /usr/src",
    ),
    Lane("brief", "the essence of `normal`, for every change", _ESSENCE, loader="core", asked_for=True),
)


def chosen(kernel: str, names: Sequence[str]) -> list[Lane]:
    """The lanes for that kernel: of those names, or all that need not be asked for."""
    return [
        lane
        for lane in LANES
        if (lane.name in names if names else not lane.asked_for) and (not lane.kernels or kernel in lane.kernels)
    ]
