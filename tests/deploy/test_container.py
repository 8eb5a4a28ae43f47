"""The container file: does everything that it names exist, and does its order make sense? It is not built here, which
would take the network."""

import json
import re
import shlex
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tcpwatch import flags

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "Containerfile"
DEFAULT_PORT = "9465"
Step = tuple[str, str]


def steps() -> list[Step]:
    """(instruction, arguments), comments gone and lines joined."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line]


def of(instruction: str) -> list[str]:
    return [arguments for name, arguments in steps() if name == instruction]


def copied() -> list[str]:
    """Sources of COPY from the tree."""
    lines = [shlex.split(arguments) for arguments in of("COPY") if "--from" not in arguments]
    return [source for words in lines for source in words[:-1]]


def test_it_has_instructions_of_known_names() -> None:
    """Two stages, and nothing but what both Docker and Podman know."""
    known = {"FROM", "RUN", "WORKDIR", "COPY", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps()} == known
    bases = of("FROM")
    assert [base.split()[0] for base in bases] == ["debian:trixie-slim"] * 2
    assert bases[0].endswith(" AS build")
    assert "COPY --from=build /opt/tcpwatch /opt/tcpwatch" in [f"COPY {arguments}" for arguments in of("COPY")]


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_exists(source: str) -> None:
    """In the tree, and not left out of what the builder is sent."""
    assert (ROOT / source).exists()
    ignored = FILE.with_name("Containerfile.dockerignore").read_text().splitlines()
    assert f"!{source}" in ignored
    assert not any(
        fnmatch(source, pattern) for pattern in ignored if not pattern.startswith(("#", "!")) and pattern != "*"
    )


def test_a_wheel_can_be_built_from_what_is_copied() -> None:
    """All that pyproject.toml's build takes: the same list as that of the wheel's own test."""
    text = (ROOT / "tests" / "packaging" / "conftest.py").read_text()
    (sources,) = re.findall(r"^SOURCES = \((.*)\)$", text, re.MULTILINE)
    assert sorted(copied()) == sorted(re.findall(r'"([^"]+)"', sources))


def test_packages_are_those_of_the_setup() -> None:
    """What compiles the programs where it is built, what loads them where it runs."""
    building, _, running = of("RUN")
    script = (ROOT / "setup" / "packages").read_text()
    for package in ("clang", "llvm", "libbpf-dev", "python3-venv"):
        assert re.search(rf"\b{package}\b", script)
        assert re.search(rf"\b{package}\b", building)
    for package in ("libbpf1", "python3", "netbase"):
        assert re.search(rf"\b{package}\b", running)
    assert not re.search(r"clang|llvm|-dev", running)


@pytest.mark.parametrize("script", of("RUN"))
def test_commands_are_shell(script: str) -> None:
    """Each part of them has to succeed for the next one to be tried."""
    assert subprocess.run(["sh", "-n", "-c", script], capture_output=True).returncode == 0
    assert not re.search(r";|\|\|", script)


def test_what_it_runs() -> None:
    """The program that was installed, with a command and flags it knows, on the port that is exposed."""
    (program,) = json.loads(of("ENTRYPOINT")[0])
    (made,) = re.findall(r"python3 -m venv (\S+)", of("RUN")[1])
    assert program == f"{made}/bin/tcpwatch"
    assert flags.parse(json.loads(of("CMD")[0])).command == "serve"
    assert of("EXPOSE") == [DEFAULT_PORT]
