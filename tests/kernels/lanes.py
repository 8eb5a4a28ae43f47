"""Under which circumstances is each kernel tried, and with which tests? A lane is something that users meet: what it
changes, and what has to hold then."""

from dataclasses import dataclass

_EVENTS = "tests/kernel/test_events.py::test_every_step_once_and_in_order"
# Known traffic, exact counts: what an event, a life and a snapshot is, what listeners turn away, what stays behind
_TRUTH = (
    "tests/kernel/test_events.py",
    "tests/kernel/test_lives.py::test_a_client_that_closes_first",
    "tests/kernel/test_lives.py::test_a_reset[client]",
    "tests/kernel/test_lives.py::test_refused",
    "tests/kernel/test_snapshot.py::test_every_state",
    "tests/kernel/test_listeners.py::test_a_server_that_does_not_accept",
    "tests/kernel/test_cookies.py",
    "tests/kernel/test_residue.py::test_nothing_is_left_in_the_kernel[SIGKILL]",
)
_NOBODY = (
    "prlimit --memlock=unlimited "  # before Linux 5.11 BPF memory counts against it
    "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all,+bpf,+perfmon "
    "--inh-caps=-all,+bpf,+perfmon --ambient-caps=-all,+bpf,+perfmon"
)


@dataclass(frozen=True, slots=True)
class Lane:
    """tests: what pytest is given. prepare: a shell's commands, before them; restore: after them. prefix: what goes
    before each tcpwatch that watches."""

    name: str
    what: str
    tests: tuple[str, ...]
    prepare: str = ":"
    restore: str = ":"
    prefix: str = ""


LANES = (
    Lane("normal", "as Debian ships it, as root", _TRUTH),
    Lane(
        "paranoid",
        "`kernel.perf_event_paranoid=3`",
        (_EVENTS,),
        "sysctl -q -w kernel.perf_event_paranoid=3",
        "sysctl -q -w kernel.perf_event_paranoid=2",
    ),
    Lane(
        "capabilities",
        "a user with `CAP_BPF` and `CAP_PERFMON` alone",
        ("tests/kernel/test_own_namespace.py",),
        prefix=_NOBODY,
    ),
    Lane(
        "hidden", "without BTF and headers: refused, with the reason", ("tests/kernel/test_refusals.py::test_no_btf",)
    ),
)
