"""What does a machine under test start with? An initial file system of busybox, an init and the modules it takes to
reach this machine's own files, which become the guest's root: read by it, never written."""

import lzma
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.kernels.archive import Kernel
from tests.kernels.children import Trouble

BUSYBOX = "/bin/busybox"
# What must be there before modprobe and its files are: the bus, the file system and the layer above it
_FIRST = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_TOOLS = ("sh", "mount", "mkdir", "insmod", "switch_root", "poweroff", "cp")

# The console is the first serial line, the report goes to the second
_INIT = """#!/bin/sh
mkdir -p /proc /sys /dev /lower /layer /new
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do insmod $module || echo "insmod $module failed"; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /lower || poweroff -f
mount -t tmpfs -o size=1g layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root /new || poweroff -f
mkdir -p /new/usr/lib/modules
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 modules /new/usr/lib/modules
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t devtmpfs dev /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs tmpfs /new/dev/shm
mount -t tmpfs tmpfs /new/run
mount -t cgroup2 cgroup /new/sys/fs/cgroup
mount -t bpf bpf /new/sys/fs/bpf
mount -t tracefs tracefs /new/sys/kernel/tracing
cp /begin /new/run/begin
exec switch_root /new /bin/sh /run/begin
"""
_HEADERS = "mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 headers /usr/src"
_BEGIN = """{mount}
cd {tree}
{command}
echo o >/proc/sysrq-trigger
sleep 60
"""


def build(kernel: Kernel, tree: Path, command: str, into: Path) -> Path:
    """The initial file system of a guest that runs the command, a shell's, in the tree and then switches itself off."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _put_tools(root)
        _put_modules(kernel, root / "modules")
        init = root / "init"
        init.write_text(_INIT)
        init.chmod(0o755)
        mount = "" if kernel.headers is None else f"mkdir -p /usr/src\n{_HEADERS}"
        (root / "begin").write_text(_BEGIN.format(mount=mount, tree=shlex.quote(str(tree)), command=command))
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        packed = subprocess.run(
            [BUSYBOX, "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), capture_output=True, check=True
        )
        into.write_bytes(packed.stdout)
    return into


def _put_tools(root: Path) -> None:
    if not Path(BUSYBOX).exists():
        raise Trouble(f"{BUSYBOX} is not here (setup/packages python3 kernels)")
    (root / "bin").mkdir()
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    for name in _TOOLS:
        (root / "bin" / name).symlink_to("busybox")


def _put_modules(kernel: Kernel, into: Path) -> None:
    """In the order in which they must be inserted; what is built in is left out."""
    into.mkdir()
    command = ["modprobe", "--dirname", str(kernel.modules), "--set-version", kernel.release, "--show-depends"]
    order: dict[str, None] = {}
    for name in _FIRST:
        # not found: built in, which newer packages don't list
        said = subprocess.run([*command, name], capture_output=True, text=True).stdout
        order.update(dict.fromkeys(re.findall(r"^insmod (\S+)", said, re.MULTILINE)))
    for place, path in enumerate(order):
        name = Path(path).name
        data = Path(path).read_bytes()
        if name.endswith(".xz"):
            data = lzma.decompress(data)
        (into / f"{place:02}-{name.removesuffix('.xz')}").write_bytes(data)
