import fcntl
import io
import json
import os
import struct
import termios
from contextlib import suppress
from dataclasses import replace

import pytest

from tcpwatch import doctor
from tcpwatch.doctor import Facts, report
from tcpwatch.errors import KernelLacks, NotPermitted, TcpwatchError, UsageError
from tcpwatch.findings import Finding, Report
from tcpwatch.frame import Probe
from tcpwatch.kernel import machine, privileges
from tcpwatch.kernel.machine import Machine
from tcpwatch.kernel.namespaces import Place
from tcpwatch.text.doctor import write

from .real import needs_root, with_only

NO_LIBBPF = KernelLacks("libbpf.so.1 cannot be loaded", "apt-get install libbpf1")
MACHINE = Machine(
    release="6.1.0-18-amd64",
    architecture="x86_64",
    btf="/sys/kernel/btf/vmlinux",
    btf_bytes=5 << 20,
    libbpf="1.1",
    libbpf_missing=None,
    lockdown="none",
    initial_user_namespace=True,
    initial_pid_namespace=True,
    cgroup2="/sys/fs/cgroup",
)
STATES = Probe("inet_sock_set_state", "tp_btf", "state changes", True)
NO_CONGESTION = Probe("tcp_cong_state_set", "tp_btf", "congestion states", False, "no such hook", "snapshots have them")
FACTS = Facts(
    probes=(STATES,),
    ring_bytes=16 << 20,
    error=None,
    held=frozenset(privileges.GAINS),
    root=True,
    machine=MACHINE,
    sysctls={"net.ipv4.tcp_syncookies": "1", "kernel.perf_event_paranoid": "3"},
    places={5: Place(5, "/proc/1/ns/net"), 6: Place(6, "/run/netns/blue", "blue"), 4: Place(4, "/proc/9/ns/net")},
    own_netns=5,
)
UNPRIVILEGED = replace(FACTS, probes=(), held=frozenset(), root=False)


def find(found: Report, name: str) -> Finding:
    return next(finding for finding in found.findings if finding.name == name)


def text(found: Report, form: str = "text") -> str:
    out = io.StringIO()
    write(found, form, out)
    return out.getvalue()


def test_all_is_well() -> None:
    """Everything attached, everything held: exit code 0, and nothing to cure."""
    found = report(FACTS)
    assert found.exit_code == 0
    assert found.findings[0] == Finding("verdict", "tcpwatch", "ok", "tcpwatch works here")
    assert [finding.name for finding in found.findings if finding.cure] == []


def test_a_refused_hook_is_said_with_its_reason() -> None:
    """tcpwatch still works, and the verdict says what it lacks."""
    found = report(replace(FACTS, probes=(STATES, NO_CONGESTION)))
    assert found.exit_code == 0
    assert found.findings[0].reason == "no congestion states"
    missing = find(found, "tp_btf/tcp_cong_state_set")
    assert (missing.status, missing.reason, missing.cure) == ("missing", "no such hook: snapshots have them", "")


def test_functions_that_may_not_be_hooked_take_another_kernel() -> None:
    """It is no capability that is missing; cause and cure are told apart, and what serves until then is said."""
    snapshots = Probe("tcp", "iter", "snapshots", True)
    refused = Probe("cookie_v4_check", "fexit", "SYN cookies", False, "not permitted", "counters serve", True)
    found = report(replace(FACTS, probes=(STATES, snapshots, refused)))
    hook = find(found, "fexit/cookie_v4_check")
    assert (hook.status, hook.reason) == ("refused", "not permitted: this kernel likely lets nobody hook its functions")
    assert hook.cure == "a kernel that does (fentry, fexit); until then counters serve"
    assert find(found, "SYN cookies").status == "info"


def test_kprobes_that_may_not_be_opened_take_a_capability() -> None:
    """That of perf events, where the kernel has its own idea of who may open them."""
    refused = Probe("cookie_v4_check", "kretprobe", "SYN cookies", False, "Permission denied", "none are told", True)
    hook = find(report(replace(FACTS, probes=(STATES, refused))), "kretprobe/cookie_v4_check")
    assert "Permission denied: perf events" in hook.reason
    assert hook.cure == "CAP_SYS_ADMIN, or kernel.perf_event_paranoid at 2; until then none are told"


def test_a_kprobe_that_the_function_does_not_take_has_no_cure() -> None:
    """A capability is none."""
    refused = Probe("cookie_v4_check", "kretprobe", "SYN cookies", False, "Invalid argument", "none are told", True)
    hook = find(report(replace(FACTS, probes=(STATES, refused))), "kretprobe/cookie_v4_check")
    assert (hook.status, hook.reason, hook.cure) == ("refused", "Invalid argument: none are told", "")


def test_an_attached_hook_may_lack_something() -> None:
    """An older kernel's tracepoint tells less: it is there, and what is missing is said all the same."""
    partly = Probe("tcp_send_reset", "tp_btf", "resets we send", True, without="no reasons")
    found = find(report(replace(FACTS, probes=(STATES, partly))), "tp_btf/tcp_send_reset")
    assert (found.status, found.reason, found.cure) == ("ok", "no reasons", "")


def test_where_syn_cookies_are_counted() -> None:
    """From counters, unless something hooks the functions that make them; without snapshots not at all."""
    snapshots = Probe("tcp", "iter", "snapshots", True)
    found = find(report(replace(FACTS, probes=(STATES, snapshots))), "SYN cookies")
    assert (found.status, "counted per namespace" in str(found.value)) == ("info", True)
    hooked = Probe("cookie_v4_check", "fexit", "SYN cookies", True)
    for probes in ((STATES,), (STATES, snapshots, hooked)):
        assert "SYN cookies" not in [finding.name for finding in report(replace(FACTS, probes=probes)).findings]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotPermitted("CAP_BPF missing", "sudo"), 3),
        (KernelLacks("no BTF", "another kernel"), 4),
        (TcpwatchError("?"), 1),
    ],
)
def test_the_error_of_the_real_attempt_decides(error: TcpwatchError, code: int) -> None:
    """Its exit code, its words and its cure come first, whatever the other facts look like."""
    found = report(replace(FACTS, probes=(), error=error))
    assert found.exit_code == code
    assert (found.findings[0].reason, found.findings[0].cure) == (error.what, error.cure)


def test_without_privileges_the_capabilities_are_named() -> None:
    """Exit code 3; the needed ones are told apart from the useful ones; no advice to use setcap."""
    found = report(UNPRIVILEGED)
    assert found.exit_code == 3
    assert "CAP_BPF, CAP_PERFMON missing" in found.findings[0].reason
    assert find(found, "CAP_BPF").reason != find(found, "CAP_SYS_PTRACE").reason
    assert "sudo tcpwatch" in find(found, "CAP_BPF").cure
    assert "setcap" not in text(found)


def test_sys_admin_includes_the_needed_two() -> None:
    """It is said so, rather than that they are missing."""
    found = report(replace(FACTS, held=frozenset({"CAP_SYS_ADMIN"})))
    assert find(found, "CAP_PERFMON").status == "ok"
    assert find(found, "CAP_PERFMON").reason == "CAP_SYS_ADMIN includes it"
    assert find(found, "CAP_SYS_PTRACE").status == "missing"


def test_nothing_attached_is_the_kernels_lack() -> None:
    """With all privileges and not one hook the exit code is 4, with the hook's own reason."""
    found = report(replace(FACTS, probes=(NO_CONGESTION,)))
    assert found.exit_code == 4
    assert "no such hook" in found.findings[0].reason


def test_missing_btf_and_libbpf_have_cures() -> None:
    """And the cures disappear where tcpwatch works all the same, by another loader."""
    bare = replace(MACHINE, btf_bytes=None, libbpf=None, libbpf_missing=NO_LIBBPF)
    stuck = report(replace(FACTS, probes=(), machine=bare, error=NO_LIBBPF))
    assert [find(stuck, name).status for name in ("btf", "libbpf")] == ["missing", "missing"]
    assert "CONFIG_DEBUG_INFO_BTF" in find(stuck, "btf").cure
    assert find(stuck, "libbpf").cure == "apt-get install libbpf1"
    works = report(replace(FACTS, machine=bare))
    assert works.exit_code == 0
    assert find(works, "btf").cure == find(works, "libbpf").cure == ""


def test_what_a_container_hides_is_said() -> None:
    """Namespaces of its own for users and processes, lockdown, no cgroup v2."""
    boxed = replace(
        MACHINE,
        initial_user_namespace=False,
        initial_pid_namespace=False,
        lockdown="confidentiality",
        cgroup2=None,
    )
    found = report(replace(FACTS, machine=boxed))
    status = {name: find(found, name).status for name in ("user namespace", "pid namespace", "lockdown", "cgroup v2")}
    assert status == {
        "user namespace": "refused",
        "pid namespace": "refused",
        "lockdown": "refused",
        "cgroup v2": "missing",
    }


def test_perf_event_paranoid_is_not_blamed() -> None:
    """3 is Debian's default and stops perf_event_open, which tcpwatch calls only where the kernel has no BTF."""
    finding = find(report(FACTS), "kernel.perf_event_paranoid")
    assert (finding.status, finding.value) == ("info", "3")
    assert "no matter here" in finding.reason


def test_a_sysctl_that_is_not_there_is_unknown() -> None:
    """null and a dash, not 0."""
    found = report(FACTS)
    assert find(found, "net.ipv4.tcp_fin_timeout").value is None
    assert any(line.split() == ["net.ipv4.tcp_fin_timeout", "–"] for line in text(found).splitlines())


def test_namespaces_in_order() -> None:
    """The own one, then by name, then the nameless."""
    found = [finding for finding in report(FACTS).findings if finding.item == "namespace"]
    assert [finding.name for finding in found] == ["net:[5]", "blue", "net:[4]"]
    assert [finding.status for finding in found] == ["ok", "ok", "ok"]


def test_namespaces_we_may_not_enter() -> None:
    """Without CAP_SYS_ADMIN only the own one can be read."""
    found = report(replace(FACTS, held=frozenset({"CAP_BPF", "CAP_PERFMON"})))
    assert [finding.status for finding in found.findings if finding.item == "namespace"] == ["ok", "refused", "refused"]
    assert "CAP_SYS_ADMIN" in find(found, "blue").reason


def test_a_thousand_namespaces_do_not_fill_the_screen() -> None:
    """Text shows a few and counts the rest; JSON lines have all."""
    many = report(replace(FACTS, places={i: Place(i, "", f"n{i:04}") for i in range(1, 1010)}))
    assert "and 1001 more" in text(many)
    assert text(many).count("n00") < 10
    assert text(many, "jsonl").count('"item": "namespace"') == 1009


@pytest.mark.parametrize("facts", [FACTS, UNPRIVILEGED])
def test_json_lines_have_every_key(facts: Facts) -> None:
    """One object per finding; what is not known or not there is null."""
    found = report(facts)
    records = [json.loads(line) for line in text(found, "jsonl").splitlines()]
    assert len(records) == len(found.findings)
    for record in records:
        assert list(record) == ["schema", "item", "name", "status", "value", "reason", "cure"]
        assert record["schema"] == 1
        assert record["status"] in ("ok", "missing", "refused", "info")
        assert "" not in record.values()


@pytest.mark.parametrize("facts", [FACTS, UNPRIVILEGED, replace(FACTS, probes=(STATES, NO_CONGESTION))])
def test_text_fits_80_columns(facts: Facts) -> None:
    """In a pipe, too; every finding of it is there."""
    drawn = text(report(facts))
    assert max(map(len, drawn.splitlines())) <= 80
    assert "net.ipv4.tcp_available_congestion_control" in drawn


def test_text_fits_the_terminal() -> None:
    """The width is that of the terminal written to."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 50, 0, 0))
    drawn = b""
    with open(master, "rb", buffering=0) as screen:
        with open(slave, "w", encoding="utf-8") as out:
            write(Report(report(FACTS).findings[:8], 0), "text", out)
        with suppress(OSError):  # all of it has come, and nobody holds the other end any more
            while part := screen.read(65536):
                drawn += part
    widths = [len(line) for line in drawn.decode().splitlines()]
    assert 40 < max(widths) <= 50


def test_reasons_are_not_repeated() -> None:
    """Eight namespaces refused for the same reason need to hear it once."""
    found = report(replace(FACTS, held=frozenset({"CAP_BPF", "CAP_PERFMON"})))
    assert text(found).count("no snapshot of it without") == 1


def test_csv_is_a_usage_error() -> None:
    """Findings are no table."""
    with pytest.raises(UsageError, match="csv"):
        text(report(FACTS), "csv")


def test_this_machine() -> None:
    """The real facts, with a hook that attached: it works here."""
    found = doctor.examine([STATES], 1 << 20, None)
    assert found.exit_code == 0
    assert find(found, "kernel").value == f"{os.uname().release} {os.uname().machine}"
    assert find(found, "ring").value == "1 MiB"


def test_it_runs_without_any_privilege() -> None:
    """That is when people ask: exit code 3, the reason, and every line within 80 columns."""
    needs_root("setpriv")
    code = (
        "import sys; from tcpwatch import doctor; from tcpwatch.text.doctor import write\n"
        "found = doctor.examine([], 1 << 24, None); write(found, 'text', sys.stdout); print(found.exit_code)"
    )
    drawn = with_only((), code)
    assert drawn.splitlines()[0].startswith("tcpwatch cannot work here: CAP_BPF, CAP_PERFMON missing")
    assert drawn.splitlines()[-1] == "3"


def test_a_machine_without_btf() -> None:
    """Looked for where it is not."""
    found = machine.look(btf="/nowhere", lockdown="/nowhere")
    assert found.btf_bytes is None
    assert found.lockdown is None
    assert found.release == os.uname().release
