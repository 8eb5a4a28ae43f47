"""Can tcpwatch work here, and what would make it work better? `report` turns facts into findings and is pure;
`examine` collects the facts from the kernel room. How findings are drawn is text/doctor.py's business."""

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tcpwatch.errors import KernelLacks, NotPermitted, TcpwatchError
from tcpwatch.findings import Finding, Report, Status
from tcpwatch.frame import FUNCTIONS, Probe
from tcpwatch.kernel import machine, namespaces, privileges, sysctls
from tcpwatch.kernel.machine import Machine
from tcpwatch.kernel.namespaces import Place
from tcpwatch.probe import tell_of_cookies

_BTF_CURE = "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's, Ubuntu's and Fedora's are)"
_OPTIONAL = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYS_NICE")


@dataclass(frozen=True, slots=True)
class Facts:
    probes: tuple[Probe, ...]
    ring_bytes: int
    error: TcpwatchError | None  # why nothing could be attached at all
    held: frozenset[str]  # effective capabilities
    root: bool  # the user, whatever it may do
    machine: Machine
    sysctls: Mapping[str, str]
    places: Mapping[int, Place]
    own_netns: int
    loader: str = ""  # which one it was


def examine(probes: Sequence[Probe], ring_bytes: int, error: TcpwatchError | None, loader: str = "") -> Report:
    """Look at this machine. probes: what became of each hook when it was tried, by which loader; error: why loading
    failed as a whole.

    Works without any privilege, BTF or libbpf: that is when people ask."""
    return report(
        Facts(
            probes=tuple(probes),
            ring_bytes=ring_bytes,
            error=error,
            held=privileges.effective(),
            root=os.geteuid() == 0,
            machine=machine.look(),
            sysctls=sysctls.read(),
            places=namespaces.discover(),
            own_netns=namespaces.own_netns(),
            loader=loader,
        )
    )


def report(facts: Facts) -> Report:
    """The findings, verdict first."""
    failure = _failure(facts)
    findings = (
        _verdict(facts, failure),
        *map(_probe, facts.probes),
        *_cookies(facts.probes),
        *_privileges(facts),
        *_machine(facts.machine, any(probe.attached for probe in facts.probes)),
        *_loaders(facts),
        Finding("machine", "ring", "info", f"{facts.ring_bytes / 2**20:g} MiB", "for events not read yet (--ring-mb)"),
        *_sysctls(facts.sysctls),
        *_namespaces(facts),
    )
    return Report(findings, failure.exit_code if failure else 0)


def _failure(facts: Facts) -> TcpwatchError | None:
    """Why tcpwatch cannot work here; None where it can. A real attempt beats any reasoning."""
    if facts.error is not None:
        return facts.error
    if any(probe.attached for probe in facts.probes):
        return None
    lacking = privileges.missing(held=facts.held)
    if lacking:
        return NotPermitted(f"{', '.join(lacking)} missing", privileges.cure(lacking, facts.root))
    reasons = sorted({probe.reason for probe in facts.probes if probe.reason})
    return KernelLacks(f"nothing could be attached: {'; '.join(reasons) or 'nothing was tried'}")


def _verdict(facts: Facts, failure: TcpwatchError | None) -> Finding:
    if failure is not None:
        status: Status = "refused" if isinstance(failure, NotPermitted) else "missing"
        return Finding("verdict", "tcpwatch", status, "tcpwatch cannot work here", failure.what, failure.cure)
    without = [probe.purpose for probe in facts.probes if not probe.attached]
    if without:
        return Finding(
            "verdict", "tcpwatch", "ok", "tcpwatch works here, but not all of it", f"no {', no '.join(without)}"
        )
    return Finding("verdict", "tcpwatch", "ok", "tcpwatch works here")


def _probe(probe: Probe) -> Finding:
    status: Status = "ok" if probe.attached else "refused" if probe.refused else "missing"
    reason = ": ".join(filter(None, (probe.reason, probe.without)))
    cure = privileges.cure(privileges.NEEDED) if probe.refused else ""
    if probe.refused and probe.kind in FUNCTIONS:
        if probe.kind in ("fentry", "fexit"):
            # whoever may load the others and not these has, as a rule, a kernel that allows it to nobody
            reason = f"{probe.reason}: this kernel likely lets nobody hook its functions"
            cure = f"a kernel that does (fentry, fexit); until then {probe.without}"
        elif any(os.strerror(number) in probe.reason for number in (errno.EACCES, errno.EPERM)):
            reason = f"{probe.reason}: perf events, which hold probes at functions, may take more than CAP_PERFMON"
            cure = f"CAP_SYS_ADMIN, or kernel.perf_event_paranoid at 2; until then {probe.without}"
        else:  # it is this function that takes no probe
            cure = ""
    return Finding("probe", f"{probe.kind}/{probe.name}", status, probe.purpose, reason, cure)


def _cookies(probes: Sequence[Probe]) -> Iterable[Finding]:
    """Where the numbers of SYN cookies come from."""
    snapshots = any(probe.attached and (probe.kind, probe.name) == ("iter", "tcp") for probe in probes)
    if snapshots and not tell_of_cookies(probes):
        source = "counted per namespace, and attributed to the listener in overflow"
        reason = "no hook on functions serves here, so the peer of each is not known"
        yield Finding("probe", "SYN cookies", "info", source, reason)


def _privileges(facts: Facts) -> Iterable[Finding]:
    lacking = privileges.missing(held=facts.held)
    for name in privileges.NEEDED:
        gain = privileges.GAINS[name]
        if name in lacking:
            cure = privileges.cure(lacking, facts.root)
            yield Finding("privilege", name, "missing", gain, "nothing can be watched without it", cure)
        else:
            yield Finding("privilege", name, "ok", gain, "" if name in facts.held else "CAP_SYS_ADMIN includes it")
    for name in _OPTIONAL:
        gain = privileges.GAINS[name]
        if name in facts.held:
            yield Finding("privilege", name, "ok", gain)
        else:
            cure = privileges.cure((name,), facts.root)
            yield Finding("privilege", name, "missing", gain, "only this is lost without it", cure)


def _machine(found: Machine, works: bool) -> Iterable[Finding]:
    yield Finding("machine", "kernel", "info", f"{found.release} {found.architecture}")
    yield _btf(found, works)
    yield _libbpf(found, works)
    if found.lockdown == "confidentiality":
        cure = "boot without lockdown=confidentiality, where the machine's owner agrees"
        yield Finding("machine", "lockdown", "refused", found.lockdown, "BPF programs may not read kernel memory", cure)
    elif found.lockdown is not None:
        yield Finding("machine", "lockdown", "ok", found.lockdown)
    if not found.initial_user_namespace:
        reason = "capabilities held in a user namespace do not count for BPF"
        yield Finding("machine", "user namespace", "refused", "not the machine's", reason, "run tcpwatch on the host")
    if not found.initial_pid_namespace:
        reason = "process numbers differ from the kernel's, and processes outside of it have no name"
        cure = "start the container with --pid=host"
        yield Finding("machine", "pid namespace", "refused", "not the machine's", reason, cure)
    if found.cgroup2 is None:
        yield Finding("machine", "cgroup v2", "missing", None, "sockets cannot be told apart by service or container")
    else:
        yield Finding("machine", "cgroup v2", "ok", found.cgroup2)


def _btf(found: Machine, works: bool) -> Finding:
    if found.btf_bytes is not None:
        return Finding("machine", "btf", "ok", f"{found.btf}, {found.btf_bytes / 2**20:.1f} MiB")
    reason = f"this kernel does not describe its types: no {found.btf} (CONFIG_DEBUG_INFO_BTF)"
    return Finding("machine", "btf", "missing", None, reason, "" if works else _BTF_CURE)


def _libbpf(found: Machine, works: bool) -> Finding:
    if found.libbpf is not None:
        return Finding("machine", "libbpf", "ok", found.libbpf)
    failure = found.libbpf_missing
    what, cure = (failure.what, failure.cure) if failure else ("not found", "")
    return Finding("machine", "libbpf", "missing", None, what, "" if works else cure)


def _loaders(facts: Facts) -> Iterable[Finding]:
    """What each would take; one of them is enough."""
    found, works = facts.machine, any(probe.attached for probe in facts.probes)
    lacking: Status = "info" if works else "missing"
    if found.object_missing is not None or found.btf_bytes is None:
        reason = found.object_missing.what if found.object_missing else "it takes the kernel's BTF"
        yield Finding("machine", "loader core", lacking, None, reason)
    else:
        yield Finding("machine", "loader core", "ok", _used(facts, "core"), "programs compiled ahead of time")
    obstacle = found.bcc_missing or (found.headers_missing if found.btf_bytes is None else None)
    if obstacle is not None:
        yield Finding("machine", "loader bcc", lacking, found.bcc, obstacle.what, "" if works else obstacle.cure)
    elif found.bcc is not None:
        reason = f"bcc {found.bcc} compiles the programs at start"
        yield Finding("machine", "loader bcc", "ok", _used(facts, "bcc"), reason)


def _used(facts: Facts, loader: str) -> str:
    if not facts.loader:
        return "ready"
    return "used" if facts.loader == loader else "not needed"


def _sysctls(values: Mapping[str, str]) -> Iterable[Finding]:
    for name in sysctls.NAMES:
        if name in values:
            yield Finding("sysctl", name, "info", values[name], sysctls.meaning(name, values))
        else:
            yield Finding("sysctl", name, "info", None, "this kernel has no such sysctl, or hides it")


def _namespaces(facts: Facts) -> Iterable[Finding]:
    """This one first, then the named ones, then the others."""
    places = sorted(facts.places.values(), key=lambda p: (p.inode != facts.own_netns, not p.name, p.name, p.inode))
    for place in places:
        name = place.name or f"net:[{place.inode}]"
        if place.inode == facts.own_netns:
            yield Finding("namespace", name, "ok", place.inode, "where tcpwatch runs")
        elif "CAP_SYS_ADMIN" in facts.held:
            yield Finding("namespace", name, "ok", place.inode)
        else:
            cure = privileges.cure(("CAP_SYS_ADMIN",), facts.root)
            yield Finding("namespace", name, "refused", place.inode, "no snapshot of it without CAP_SYS_ADMIN", cure)
