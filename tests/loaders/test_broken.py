"""Where a loader cannot work, bcc's above all, does it say why and what to do, with the exit code that scripts count
on, and does it leave nothing behind?"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tcpwatch.errors import KernelLacks, NotPermitted
from tcpwatch.kernel.loaders import bcc, compiler, core
from tcpwatch.kernel.loaders.compiler import INTERPRETER
from tcpwatch.kernel.programs import Knobs, Programs
from tcpwatch.scenarios.namespace import DEADLINE_S, run
from tests.kernel.conftest import machine
from tests.kernel.test_refusals import LIBRARY, NOBODY, refused, without
from tests.kernel.test_residue import KINDS, held_by, loaded
from tests.kernel.watch import COMMAND, tcpwatch

from .elsewhere import HIDE_BTF, bcc_module, in_private_mounts, layered, plant_headers, without_btf

__all__ = ["machine"]

HERE = os.uname().release
LATTICE = "class Lattice: pass"  # as in the package that has the name elsewhere
BYTE_ORDER = "el" if sys.byteorder == "little" else "eb"
OBJECTS = Path(core.__file__).parents[1] / "objects"
BCC = ("events", "--loader", "bcc", "--duration", "0.1")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Of this process nor of what it started: no object in the kernel is new, when all is over."""
    before = loaded()
    yield
    give_up = time.monotonic() + DEADLINE_S
    while any(ours := {kind: held_by(os.getpid())[kind] & loaded()[kind] - before[kind] for kind in KINDS}.values()):
        assert time.monotonic() < give_up, ours


def brief(done: "subprocess.CompletedProcess[str]") -> None:
    """No flood of a compiler's words: what happened, and what to do."""
    assert len(done.stderr.splitlines()) <= 2, done.stderr


def test_no_bcc(tmp_path: Path) -> None:
    """The package's name, which is not what one would guess."""
    module = bcc_module()
    prefix = in_private_mounts(f"{layered(module.parent, tmp_path)}; rm -r {module}")
    done = tcpwatch(*BCC, prefix=prefix)
    refused(done, 4, f"{INTERPRETER} has no bcc", "apt-get install python3-bpfcc")
    brief(done)


def test_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution without Python where it is usually: what would be missing is bcc, and so that is named."""
    monkeypatch.setattr(compiler, "INTERPRETER", "/nowhere/python3")
    with pytest.raises(KernelLacks, match="bcc cannot be used: /nowhere/python3: No such file") as raised:
        Programs(1 << 20, Knobs(), "bcc")
    assert "python3-bpfcc" in raised.value.cure


def test_only_another_package_of_that_name(tmp_path: Path) -> None:
    """PyPI's bcc is about lattices."""
    module = bcc_module()
    swap = f"rm -r {module}; mkdir {module}; echo '{LATTICE}' > {module}/__init__.py"
    done = tcpwatch(*BCC, prefix=in_private_mounts(f"{layered(module.parent, tmp_path)}; {swap}"))
    refused(done, 4, f"{module} is another package of that name", "python3-bpfcc")
    brief(done)


def test_another_package_before_the_right_one(tmp_path: Path) -> None:
    """As after a pip install by root; it is passed over."""
    asked = [INTERPRETER, "-I", "-c", "import sys; print(*sys.path, sep='\\n')"]
    first = next(Path(place) for place in subprocess.check_output(asked, text=True).split() if Path(place).is_dir())
    assert first != bcc_module().parent
    plant = f"mkdir {first}/bcc; echo '{LATTICE}' > {first}/bcc/__init__.py"
    done = tcpwatch(*BCC, prefix=in_private_mounts(f"{layered(first, tmp_path)}; {plant}"))
    assert done.returncode == 0, done.stderr
    assert "compiled by bcc" in done.stderr


def test_no_library_behind_the_module(tmp_path: Path) -> None:
    """Named, as the dynamic loader names it."""
    (found,) = {Path(line.split()[-1]) for line in run("ldconfig", "-p").splitlines() if "libbcc.so.0" in line}
    prefix = in_private_mounts(f"{layered(found.parent, tmp_path)}; rm {found}")
    done = tcpwatch(*BCC, prefix=prefix)
    refused(done, 4, "libbcc.so.0", "python3-bpfcc")
    brief(done)


def test_no_libbpf(tmp_path: Path) -> None:
    """It is needed whichever loader is chosen."""
    (place,) = {Path(line.split()[-1]).parent for line in run("ldconfig", "-p").splitlines() if LIBRARY in line.split()}
    prefix = in_private_mounts(f"{layered(place, tmp_path)}; rm {place}/{LIBRARY}*")
    refused(tcpwatch(*BCC, prefix=prefix), 4, LIBRARY, "libbpf1")


def test_no_privileges() -> None:
    """Told before anything is compiled."""
    refused(tcpwatch(*BCC, prefix=NOBODY), 3, "CAP_BPF", "CAP_PERFMON")
    refused(tcpwatch(*BCC, prefix=without("perfmon", "sys_admin")), 3, "CAP_PERFMON")


def test_no_finished_object() -> None:
    """Nobody has compiled any: bcc does, without being asked for; core, when asked for, says what it lacks."""
    prefix = in_private_mounts(f"mount -t tmpfs none {OBJECTS}")
    done = tcpwatch("events", "--duration", "0.1", prefix=prefix)
    assert done.returncode == 0, done.stderr
    assert "compiled by bcc" in done.stderr
    refused(tcpwatch("events", "--loader", "core", prefix=prefix), 4, "object", "not installed")


def test_neither_btf_nor_headers() -> None:
    """Both are said, and the one that can be had."""
    done = tcpwatch("events", prefix=in_private_mounts(HIDE_BTF))
    refused(done, 4, "BTF", "headers", f"linux-headers-{HERE}")
    brief(done)


def test_headers_of_another_kernel(tmp_path: Path) -> None:
    """They would compile, and every number would be wrong."""
    tree = plant_headers(tmp_path / "tree", release="6.1.0-18-amd64")
    done = tcpwatch("events", prefix=without_btf(tree))
    refused(done, 4, "6.1.0-18-amd64", HERE, f"linux-headers-{HERE}")
    brief(done)


def test_a_member_that_the_kernel_lacks(tmp_path: Path) -> None:
    """The compiler's words come back in the message, the first of them, and nowhere else."""
    tree = plant_headers(tmp_path / "tree", lacking="sk_err_soft")
    done = tcpwatch("events", prefix=without_btf(tree))
    refused(done, 4, "bcc does not compile the programs", "no member named 'sk_err_soft'")
    brief(done)


def test_headers_that_are_too_new_for_bcc(tmp_path: Path) -> None:
    """bcc brings a header of BPF's own, without what was added since; who meets that needs another bcc."""
    tree = plant_headers(tmp_path / "tree")
    with (tree / "include/net/sock.h").open("a") as header:
        header.write("enum { added_since = sizeof(struct bpf_no_such) };\n")
    done = tcpwatch("events", prefix=without_btf(tree))
    refused(done, 4, "include/net/sock.h", "struct bpf_no_such", "too old for this kernel: install a newer one")
    brief(done)


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The main source, in a copy that the loader will take."""
    copy = shutil.copytree(bcc.sources(), tmp_path / "bpf")
    monkeypatch.setattr(bcc, "sources", lambda: copy)
    return copy / "tcpwatch.bpf.c"


def test_an_error_in_the_source(changed: Path) -> None:
    """With the place where it is."""
    text = changed.read_text()
    line = text[: text.index("ITERATOR(tcp)")].count("\n") + 1
    changed.write_text(text.replace("ITERATOR(tcp)", "ITERATOR(tcp) oops", 1))
    with pytest.raises(KernelLacks, match=rf"tcpwatch\.bpf\.c:{line}:.* error: "):
        Programs(1 << 20, Knobs(), "bcc")


def spoiled(changed: Path, hook: str) -> None:
    """Reads from nowhere, which the verifier does not let pass."""
    text = changed.read_text()
    head = f"TRACEPOINT({hook})\n{{\n"
    assert head in text
    changed.write_text(text.replace(head, f"{head}\tif (*(volatile u64 *)(u64)bpf_ktime_get_ns()) return 0;\n"))


def rebuilt(changed: Path) -> bytes:
    """The object that core's loader would take, of the source as it is now."""
    run(sys.executable, str(changed.with_name("build.py")))
    return (changed.parents[1] / "tcpwatch/kernel/objects" / f"tcpwatch.bpf{BYTE_ORDER}.o").read_bytes()


@pytest.mark.parametrize("loader", ["core", "bcc"])
def test_a_program_that_the_verifier_refuses(changed: Path, monkeypatch: pytest.MonkeyPatch, loader: str) -> None:
    """Costs itself only, and the verifier's reason is told."""
    spoiled(changed, "tcp_retransmit_skb")
    if loader == "core":
        monkeypatch.setattr(core, "image", lambda: rebuilt(changed))
    programs = Programs(1 << 20, Knobs(), loader)
    try:
        probes = {probe.name: probe for probe in programs.probes}
        assert not probes["tcp_retransmit_skb"].attached
        assert probes["tcp_retransmit_skb"].refused
        assert "invalid mem access" in probes["tcp_retransmit_skb"].reason
        assert probes["inet_sock_set_state"].attached
        assert probes["tcp"].attached
    finally:
        programs.close()


@pytest.mark.parametrize("loader", ["core", "bcc"])
def test_the_essential_program_is_refused(changed: Path, monkeypatch: pytest.MonkeyPatch, loader: str) -> None:
    """Without state changes there is nothing to watch."""
    spoiled(changed, "inet_sock_set_state")
    if loader == "core":
        monkeypatch.setattr(core, "image", lambda: rebuilt(changed))
    with pytest.raises(KernelLacks, match=r"state changes: .*invalid mem access"):
        Programs(1 << 20, Knobs(), loader)


def test_the_kernel_permits_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's seccomp profile, say: the capabilities are there, and still it may not."""
    script = (
        "from tcpwatch.kernel import privileges; privileges.require = lambda: None\n"
        "from tcpwatch.kernel.programs import Knobs, Programs\n"
        "from tcpwatch.errors import NotPermitted\n"
        "try: Programs(1 << 20, Knobs(), 'bcc')\n"
        "except NotPermitted as error: print(error.exit_code, error.what)\n"
    )
    done = subprocess.run(
        [*without("bpf", "perfmon", "sys_admin"), COMMAND[0], "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{NotPermitted.exit_code} the kernel does not let us load"), done


def sleeping_bcc(tmp_path: Path) -> tuple[str, ...]:
    """A prefix under which the helper gets as far as bcc, and stays there."""
    module = bcc_module()
    swap = f"rm -r {module}; mkdir {module}; touch {module}/libbcc.py"
    sleep = f"printf 'import time\\ntime.sleep(600)\\n' > {module}/__init__.py"
    return in_private_mounts(f"{layered(module.parent, tmp_path)}; {swap}; {sleep}")


def helper_of(process: "subprocess.Popen[str]") -> int:
    """The number of the process that compiles, once it is there."""
    give_up = time.monotonic() + DEADLINE_S
    while True:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with suppress(OSError):  # one that has ended already: of the script before
                if b"helper.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.01)


@contextmanager
def started(*command: str) -> Iterator["subprocess.Popen[str]"]:
    """Ended with the test, however that ends."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_helper_is_killed(tmp_path: Path) -> None:
    """By whoever had to find memory."""
    with started(*sleeping_bcc(tmp_path), *COMMAND, *BCC) as process:
        os.kill(helper_of(process), signal.SIGKILL)
        out, said = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (1, "")
    assert "bcc's process was killed by SIGKILL" in said
    assert "Traceback" not in said


def test_tcpwatch_is_killed_while_it_waits(tmp_path: Path) -> None:
    """The helper ends with it, though nobody tells it to."""
    with started(*sleeping_bcc(tmp_path), *COMMAND, *BCC) as process:
        helper = helper_of(process)
        process.kill()
    give_up = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{helper}").exists():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_ctrl_c_while_it_compiles(tmp_path: Path) -> None:
    """It waits for what is under way, as anywhere in loading, and is no failure; the compiler does not hear of it."""
    module = bcc_module()
    slowly = f"{layered(module.parent, tmp_path)}; printf 'import time\ntime.sleep(2)\n' >> {module}/__init__.py"
    with started(*in_private_mounts(slowly), *COMMAND, "events", "--loader", "bcc") as process:
        helper = helper_of(process)
        assert os.getpgid(helper) != os.getpgid(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said
    assert "events seen" in said
