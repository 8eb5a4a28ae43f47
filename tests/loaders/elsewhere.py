"""How does a test run tcpwatch on a machine that lacks something? In mounts of its own, where it is hidden or changed;
and what headers has a kernel without BTF? Those that the running one would have."""

import os
import shutil
import subprocess
from pathlib import Path

from tcpwatch.kernel.btf import VMLINUX, Btf
from tcpwatch.kernel.loaders import declarations, structs
from tcpwatch.kernel.loaders.bcc import sources
from tcpwatch.kernel.loaders.compiler import INTERPRETER
from tcpwatch.kernel.programs import HOOKS

HIDE_BTF = f"mount -t tmpfs none {Path(VMLINUX).parent}"
_INCLUDED = (
    "linux/errqueue.h",
    "linux/netdevice.h",
    "linux/sched.h",
    "linux/skbuff.h",
    "linux/tcp.h",
    "net/ip6_fib.h",
    "net/net_namespace.h",
    "net/route.h",
    "net/sock_reuseport.h",
    "net/tcp.h",
)


# Of whichever CPU: those that this kernel has
_REGISTERS = ("di", "si", "dx", "cx", "r8", "ax", "sp", "regs[31]", "gprs[16]")


def in_private_mounts(script: str, **variables: str) -> tuple[str, ...]:
    """A prefix that runs a command after `script` has changed the file system, for itself alone."""
    settings = [f"{name}={value}" for name, value in variables.items()]
    return ("unshare", "--mount", "sh", "-ec", f'{script}; cd {Path.cwd()}; exec env "$@"', "sh", *settings)


def layered(place: Path, scratch: Path) -> str:
    """A script after which changes in `place` stay in `scratch`."""
    layers = f"lowerdir={place},upperdir={scratch}/upper,workdir={scratch}/work"
    return (
        f"mount -t tmpfs none {scratch}; mkdir {scratch}/upper {scratch}/work; "
        f"mount -t overlay -o {layers} none {place}"
    )


def bcc_module() -> Path:
    """The distribution's, of the interpreter that the loader asks."""
    where = [INTERPRETER, "-I", "-c", "import bcc; print(bcc.__file__)"]
    return Path(subprocess.check_output(where, text=True).strip()).parent


def plant_headers(tree: Path, release: str = "", lacking: str = "") -> Path:
    """A kernel's headers, as far as the programs include them. release: of another kernel; lacking: a member that they
    do not have."""
    include = tree / "include"
    shutil.copytree(sources() / "bcc" / "include", include)
    for name in ("generated", "trace/events", "net"):
        (include / name).mkdir(parents=True)
    for name in _INCLUDED:
        (include / name).touch()
    (include / "generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{release or os.uname().release}"\n')
    kernel = Btf.of_kernel()
    (include / "linux/ptrace.h").write_text(f"#pragma once\n{_registers(kernel)}")
    text = structs.generate(declarations.read((sources() / "kernel_types.h").read_text()), kernel, ())
    (include / "net/sock.h").write_text(
        f"#pragma once\n#define IS_ENABLED(x) 1\n{text}".replace(f" {lacking};", " x_;")
    )
    (include / "trace/events/tcp.h").write_text("".join(_event(kernel, hook.target) for hook in HOOKS))
    reasons = "".join(f"\t/** @{name}: why */\n\t{name},\n" for name in kernel.enum("sk_rst_reason"))
    (include / "net/rstreason.h").write_text(f"enum sk_rst_reason {{\n{reasons}}};\n")
    kernel.close()
    return tree


def without_btf(tree: Path) -> tuple[str, ...]:
    """A prefix for a kernel that does not describe its types, but has headers."""
    return in_private_mounts(HIDE_BTF, BCC_KERNEL_SOURCE=str(tree))


def _registers(kernel: Btf) -> str:
    parts = [name.partition("[") for name in _REGISTERS]
    members = [declarations.Member(name, "unsigned long", bracket + rest, 0) for name, bracket, rest in parts]
    return structs.generate([declarations.Struct("struct pt_regs", tuple(members))], kernel, ())


def _event(kernel: Btf, name: str) -> str:
    count = kernel.tracepoint_arguments(name)
    if not count:
        return ""
    prototype = ", ".join(f"const struct s{at} *a{at}" for at in range(count))
    return f"TRACE_EVENT({name},\n\n\tTP_PROTO({prototype}),\n\n\tTP_ARGS(a0)\n);\n"
