"""The same C, the other compiler: what dialect.h promises the bcc loader."""

import re
import subprocess
from pathlib import Path

BPF = Path(__file__).resolve().parents[2] / "bpf"
TYPES = """
#pragma once
typedef signed char __s8; typedef short __s16; typedef int __s32; typedef long long __s64;
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
typedef __s8 s8; typedef __s16 s16; typedef __s32 s32; typedef __s64 s64;
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef u8 uint8_t; typedef u16 uint16_t; typedef u32 uint32_t; typedef u64 uint64_t;
typedef s8 int8_t; typedef s16 int16_t; typedef s32 int32_t; typedef s64 int64_t;
typedef __u16 __be16; typedef __u16 __sum16; typedef __u32 __be32; typedef __u32 __wsum; typedef __u64 __be64;
typedef __u64 __aligned_u64; typedef unsigned long size_t; typedef long ssize_t; typedef unsigned long uintptr_t;
typedef _Bool bool; typedef int pid_t; typedef unsigned int uid_t; typedef unsigned int gid_t;
enum { false, true };
#define NULL ((void *)0)
"""


def headers(directory: Path) -> None:
    """What bcc includes of its own accord, and the kernel's structs. Offsets do not matter where nothing runs."""
    for name in ("linux/bpf_common.h", "linux/log2.h", "uapi/linux/if_packet.h", "uapi/linux/bpf.h"):
        (directory / "include" / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / "include" / name).write_text("#pragma once\n")
    (directory / "include/linux/types.h").write_text(TYPES)
    (directory / "include/linux/version.h").write_text(
        "#define LINUX_VERSION_CODE 0x60000\n#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))\n"
    )
    (directory / "include/linux/kconfig.h").write_text("#define CONFIG_BPF_SYSCALL 1\n")
    (directory / "include/asm").mkdir()
    (directory / "include/asm/page.h").write_text("#define PAGE_SIZE 4096ul\n")
    structs = (BPF / "kernel_types.h").read_text()
    structs = re.sub(r"^typedef (unsigned|signed|short|int|long|_Bool|__u\d+) .*\n", "", structs, flags=re.MULTILINE)
    structs = re.sub(r"^(enum \{ BPF_|#pragma clang attribute).*\n", "", structs, flags=re.MULTILINE)
    (directory / "kernel_structs.h").write_text(structs + accessors())


def accessors() -> str:
    """Stand-ins for the bit field accessors that the loader generates from the kernel's BTF."""
    source = "".join((BPF / name).read_text() for name in ("event.h", "socket.h", "tcpwatch.bpf.c"))
    names = {f"{part}_{member}" for part, member in re.findall(r"READ_BITS_IN\(\w+, (\w+), (\w+)\)", source)}
    names |= set(re.findall(r"READ_BITS\(\w+, (\w+)\)", source))
    return "\n".join(f"#define BITS_{name}(pointer) ((u8)0)" for name in sorted(names)) + "\n"


def test_bcc_compiles_every_hook_and_the_verifier_takes_it(tmp_path: Path) -> None:
    """There is one set of programs: bcc turns the very same C into programs that the kernel accepts."""
    headers(tmp_path)
    source = (BPF / "tcpwatch.bpf.c").read_text()
    hooks = [f"raw_tracepoint__{name}" for name in re.findall(r"^TRACEPOINT\((\w+)\)", source, flags=re.MULTILINE)]
    hooks += [f"bpf_iter__{name}" for name in re.findall(r"^ITERATOR\((\w+)\)", source, flags=re.MULTILINE)]
    ran = subprocess.run(
        ["/usr/bin/python3", str(Path(__file__).with_name("compile_with_bcc.py")), str(BPF), str(tmp_path)],
        input="\n".join(hooks),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(hooks) >= 8
    assert ran.stdout.split() == [word for hook in hooks for word in (hook, "True")]
