"""Does a kernel's flavour for clouds differ in what concerns tcpwatch? By the options that both were built with."""

import re
from typing import Any

# TCP and what it lies in, BPF and what its programs are attached to, the kernel's description of its types
_MATTER = re.compile(
    r"(INET|IPV6|TCP_|DEFAULT_TCP|SYN_COOKIES|NET|NET_NS|SOCK|MPTCP|TLS|CGROUPS|CGROUP_BPF|NAMESPACES|UNIX|"
    r".*BPF|BPF_.*|.*_BPF_.*|.*BTF.*|TRACE|TRACING|TRACEPOINTS|.*TRACER|.*FTRACE.*|FPROBE|.*KPROBE.*|PERF_EVENTS|"
    r"EVENT_TRACING|KALLSYMS.*|DEBUG_INFO.*|SECURITY_LOCKDOWN.*|LSM|MODULE_SIG.*|RANDSTRUCT.*|GCC_PLUGIN.*|"
    r"INET_.*DIAG.*|INET_TCP.*|TCP_CONG.*|PROC_FS|SYSFS|HZ.*|PREEMPT.*)"
)


def compared(texts: tuple[str, ...]) -> dict[str, Any]:
    """options: how many of those that matter either has; differing: those that are not the same, with what each has,
    as Debian's texts have it, "n" for what a text does not name."""
    first, second = map(_read, texts)
    names = sorted(name for name in first.keys() | second.keys() if _MATTER.fullmatch(name))
    pairs = {name: [first.get(name, "n"), second.get(name, "n")] for name in names}
    return {"options": len(pairs), "differing": {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}}


def _read(text: str) -> dict[str, str]:
    return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.MULTILINE))
