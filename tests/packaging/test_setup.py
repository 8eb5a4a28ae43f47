"""setup/packages on machines that lack something. The machine is a directory of commands, the only ones on PATH."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASICS = ("bash", "cat", "chmod", "env", "mktemp", "rm", "sh")
# What the tests' group asks for as a command, but for redis-server
TESTED = (
    "ip",
    "nft",
    "sysctl",
    "bpftool",
    "tcpdump",
    "nginx",
    "redis-benchmark",
    "ab",
    "curl",
    "openssl",
    "prometheus",
    "systemd-analyze",
)
# Notes how it was called; "install" brings the compiler
APT = """#!/bin/bash
echo "$*" >> {calls}
[[ "$*" != *install* ]] || {{ printf '#!/bin/bash\\n' > {here}/clang; chmod +x {here}/clang; }}
"""
# Asks, as a package does that brings a server, whether it may start it
APT_BRINGS_REDIS = """#!/bin/bash
[[ "$*" == *install* ]] || exit 0
printf '#!/bin/bash\\n' > {here}/redis-server; chmod +x {here}/redis-server
{policy} redis-server start
echo "may it start? $?" >> {calls}
"""


class Machine:
    """A root's PATH with python3, the tools that are named, and nothing else."""

    def __init__(self, here: Path, script: Path, tools: tuple[str, ...]) -> None:
        self.here, self.script, self.calls = here, script, here / "calls"
        for name in BASICS:
            (here / name).symlink_to(shutil.which(name) or "")
        for name in ("id", *tools):
            self.put(name, "#!/bin/bash\necho 0\n")
        self.put("python3", f'#!/bin/bash\nexec {sys.executable} "$@"\n')

    def put(self, name: str, text: str) -> None:
        (self.here / name).write_text(text)
        (self.here / name).chmod(0o755)

    def put_apt(self, text: str = APT) -> None:
        self.put("apt-get", text.format(calls=self.calls, here=self.here))

    def setup(self, *extra: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.here / "bash"), str(self.script), "python3", *extra]
        surroundings = os.environ | {"PATH": str(self.here)} | environment
        return subprocess.run(command, env=surroundings, capture_output=True, text=True)

    def asked(self) -> list[str]:
        """What apt-get was asked for, call by call."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def whole(tmp_path: Path, root: Path) -> Machine:
    return Machine(tmp_path, root / "setup" / "packages", ("clang", "llvm-strip"))


@pytest.fixture
def without_clang(tmp_path: Path, root: Path) -> Machine:
    return Machine(tmp_path, root / "setup" / "packages", ("llvm-strip",))


def test_nothing_missing_is_silent(whole: Machine) -> None:
    """No word, and apt-get is not touched."""
    whole.put_apt()
    done = whole.setup("live")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not whole.asked()


def test_what_is_missing_is_said_and_installed(without_clang: Machine) -> None:
    """Only that, after the package lists are fresh: a bare machine has none."""
    without_clang.put_apt()
    done = without_clang.setup("live")
    assert (done.returncode, done.stderr) == (0, "")
    assert "installing clang " in done.stdout
    update, install = without_clang.asked()
    assert update.endswith(" update")
    assert install.endswith(" install --no-install-recommends clang")


def test_recordings_need_no_compiler(without_clang: Machine) -> None:
    """`make demo` on a laptop: nothing is asked for that only the kernel needs."""
    done = without_clang.setup()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_apt_it_names_the_packages(without_clang: Machine) -> None:
    """Other distributions have them under similar names."""
    done = without_clang.setup("live")
    assert done.returncode == 1
    assert "missing: clang" in done.stderr
    assert "no apt-get" in done.stderr


def test_without_root_and_sudo_it_says_what_to_run_as_root(without_clang: Machine) -> None:
    """Nothing is tried that cannot work."""
    without_clang.put_apt()
    without_clang.put("id", "#!/bin/bash\necho 1000\n")
    done = without_clang.setup("live")
    assert done.returncode == 1
    assert "As root: apt-get install clang" in done.stderr
    assert not without_clang.asked()


def test_without_root_it_goes_through_sudo(without_clang: Machine) -> None:
    """And says so before sudo asks for a password."""
    without_clang.put_apt()
    without_clang.put("id", "#!/bin/bash\necho 1000\n")
    without_clang.put("sudo", f'#!/bin/bash\necho sudo >> {without_clang.calls}\nexec "$@"\n')
    done = without_clang.setup("live")
    assert done.returncode == 0
    assert "through sudo" in done.stdout
    assert without_clang.asked()[::2] == ["sudo", "sudo"]


def test_a_failing_apt_is_quoted(without_clang: Machine) -> None:
    """Its own words and ours: no network is the usual reason."""
    without_clang.put_apt("#!/bin/bash\necho E: Temporary failure resolving\nexit 100\n")
    done = without_clang.setup("live")
    assert done.returncode == 1
    assert "E: Temporary failure resolving" in done.stderr
    assert "apt-get could not install: clang" in done.stderr
    assert "network" in done.stderr


def test_a_package_that_does_not_help_is_not_asked_for_twice(without_clang: Machine) -> None:
    """apt-get is content and clang is still not there: say so instead of failing later."""
    without_clang.put_apt('#!/bin/bash\necho "$*" >> {calls}\n')
    done = without_clang.setup("live")
    assert done.returncode == 1
    assert "still it cannot be used from here: clang" in done.stderr
    assert len(without_clang.asked()) == 2


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("#!/bin/bash\n[ $1 = -V ] && echo Python 3.9.2 && exit\nexit 1\n", "Python 3.9.2; tcpwatch needs Python 3.11"),
        (None, "there is no python3 here"),
    ],
    ids=["old", "none"],
)
def test_an_unfit_python_is_named_first(whole: Machine, python: str | None, said: str) -> None:
    """Before anything is installed."""
    whole.put_apt()
    (whole.here / "python3").unlink()
    if python:
        whole.put("python3", python)
    done = whole.setup("live")
    assert done.returncode == 1
    assert said in done.stderr
    assert not whole.asked()


def test_a_server_is_not_started_by_being_installed(tmp_path: Path, root: Path) -> None:
    """While apt-get runs a policy forbids it, afterwards that is gone, and boots do not start it either."""
    machine = Machine(tmp_path, root / "setup" / "packages", ("clang", "llvm-strip", *TESTED))
    machine.put("update-rc.d", f'#!/bin/bash\necho "update-rc.d $*" >> {machine.calls}\n')
    policy = tmp_path / "usr" / "sbin" / "policy-rc.d"
    policy.parent.mkdir(parents=True)
    machine.put_apt(APT_BRINGS_REDIS.replace("{policy}", str(policy)))
    machine.setup("tests", DPKG_ROOT=str(tmp_path))
    assert machine.asked()[:2] == ["may it start? 101", "update-rc.d redis-server disable"]
    assert not policy.exists()
