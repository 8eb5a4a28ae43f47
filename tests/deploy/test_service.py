"""The systemd unit: is it what systemd understands, is it as closed as it says, and can tcpwatch work in it?"""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tcpwatch import flags
from tcpwatch.kernel import privileges

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT, DROP_IN, DEFAULTS = DEPLOY / "tcpwatch.service", DEPLOY / "containers.conf", DEPLOY / "tcpwatch.default"
TARGETS = ("sysinit", "basic", "shutdown", "network", "multi-user")


def values(file: Path, key: str) -> list[str]:
    """What the file assigns to a key, in order."""
    return re.findall(rf"^{key}=(.*)$", file.read_text(), re.MULTILINE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's files with the unit installed as docs/deploy.md says, and nothing else."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs the command systemd-analyze")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(UNIT, units)
    for name in TARGETS:
        (units / f"{name}.target").write_text("[Unit]\nDescription=x\n")
    (command,) = values(UNIT, "ExecStart")
    program = tmp_path / command.split()[0].lstrip("/")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def analyze(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", f"--root={root}", "--no-pager", *arguments, "tcpwatch.service"]
    return subprocess.run(command, capture_output=True, text=True)


def exposure(root: Path) -> float:
    done = analyze(root, "security", "--offline=true")
    (figure,) = re.findall(r"Overall exposure level for tcpwatch.service: ([0-9.]+)", done.stdout)
    return float(figure)


def test_systemd_understands_every_line(root: Path) -> None:
    """No unknown key, no value it passes over, a program that is there; with the drop-in and without."""
    drop_ins = root / "etc/systemd/system/tcpwatch.service.d"
    for _ in range(2):
        done = analyze(root, "verify")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        drop_ins.mkdir(exist_ok=True)
        shutil.copy(DROP_IN, drop_ins)


def test_how_exposed_it_is(root: Path) -> None:
    """Of 10: 1.8 by systemd 252, and 2.6 with what entering containers takes. What is left is what it is for."""
    assert exposure(root) <= 2.2
    (root / "etc/systemd/system/tcpwatch.service.d").mkdir()
    shutil.copy(DROP_IN, root / "etc/systemd/system/tcpwatch.service.d")
    assert exposure(root) <= 3.0


def test_flags_are_flags() -> None:
    """The unit's command and the example in its file of flags are understood by tcpwatch."""
    (command,) = values(UNIT, "ExecStart")
    assert command.split()[1:] == ["serve", "$TCPWATCH_FLAGS"]
    assert values(UNIT, "EnvironmentFile") == ["-/etc/default/tcpwatch"]
    assert flags.parse(["serve"]).command == "serve"
    examples = re.findall(r'TCPWATCH_FLAGS="(.*)"', DEFAULTS.read_text())
    assert len(examples) == 2
    for example in examples:
        assert flags.parse(["serve", *shlex.split(example)]).command == "serve"


@pytest.mark.parametrize("file", [UNIT, DROP_IN], ids=lambda file: file.name)
def test_each_capability_has_a_use(file: Path) -> None:
    """What it gets is what it may keep, and each is one that `doctor` explains."""
    ambient, bounding = values(file, "AmbientCapabilities"), values(file, "CapabilityBoundingSet")
    assert ambient == bounding
    assert set(ambient[0].split()) <= privileges.GAINS.keys()
    if file is UNIT:
        assert set(privileges.NEEDED) <= set(ambient[0].split())


def test_no_restart_where_it_would_not_help() -> None:
    """Wrong flags, missing privileges and an unfit kernel stay as they are; anything else may pass."""
    assert values(UNIT, "Restart") == ["on-failure"]
    assert values(UNIT, "RestartPreventExitStatus") == ["2 3 4"]
