"""What does a suite of Debian's archive hold, and how does a package get here? apt checks every signature and sum;
it has lists of its own here, so that neither the machine's packages nor its lists change. Knows nothing of kernels."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.kernels.children import Trouble, started

_DAY_S = 86_400
PATIENCE_S = 400.0  # for one command: 100 MB from the archive
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_STATE = ("state/lists/partial", "cache/archives/partial")


@dataclass(frozen=True, slots=True)
class Archive:
    """address and options: as sources.list has them."""

    address: str
    options: str


class Suite:
    """outdated: why its lists could not be fetched anew, "" where they are; then nothing more comes from there. until:
    when to give up, by time.monotonic()."""

    def __init__(self, name: str, place: Path, until: float, archive: Archive | None = None) -> None:
        self.outdated = ""
        self._name, self._place, self._until, self._archive = name, place, until, archive

    def update(self) -> None:
        """Its lists, as they are there, at most once a day. They change as a whole or not at all. Raises Trouble where
        there were none before either."""
        self.outdated = ""
        if _is_fresh(self._place / "updated"):
            return
        try:
            self._fetch_lists()
        except (Trouble, OSError) as error:
            if not (self._place / "state").exists():
                raise
            self.outdated = str(error)

    def distrust(self) -> None:
        """They are to be fetched anew next time: something did not go well with them."""
        (self._place / "updated").unlink(missing_ok=True)

    def depends(self, package: str) -> list[str]:
        """The packages it needs."""
        said = self._run(
            self._place, "apt-cache", "depends", "--no-recommends", "--no-suggests", "--important", package
        )
        return re.findall(r"^ +\|?(?:Pre)?Depends: (\S+)$", said, re.MULTILINE)

    def unpack(self, package: str, into: Path) -> None:
        if self.outdated:
            raise Trouble(self.outdated)
        with tempfile.TemporaryDirectory(dir=self._place) as scratch:
            # not beside what an earlier run left: apt takes a file of the right length for the right one
            archives = Path(scratch)
            (archives / "partial").mkdir()
            self._run(self._place, "apt-get", "download", package, archives=archives)
            (path,) = archives.glob("*.deb")
            run("dpkg-deb", "--extract", str(path), str(into), until=self._until)

    def _fetch_lists(self) -> None:
        archive = self._archive or _debians(self._until)
        options = " ".join(filter(None, ("arch=amd64", archive.options)))
        with drafted(self._place) as draft:
            for name in _STATE:
                (draft / name).mkdir(parents=True)
            (draft / "sources.list").write_text(f"deb [{options}] {archive.address} {self._name} main\n")
            self._run(draft, "apt-get", "update", "--error-on=any")
            (draft / "updated").touch()

    def _run(self, place: Path, *command: str, archives: Path | None = None) -> str:
        options = {
            "Dir::State": place / "state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": place / "cache",
            "Dir::Cache::Archives": archives or place / "cache/archives",
            "Dir::Etc::SourceList": place / "sources.list",
            "Dir::Etc::SourceParts": "-",
            "Dir::Etc::Preferences": "-",
            "Dir::Etc::PreferencesParts": "-",
            "APT::Architecture": "amd64",
            "APT::Architectures::": "amd64",
            "APT::Sandbox::User": "",  # its own user may not write here
            "Acquire::Languages": "none",
            "Acquire::Retries": "1",
            "Acquire::http::Timeout": "30",
            "Acquire::https::Timeout": "30",
            "Acquire::http::Proxy::127.0.0.1": "DIRECT",  # a proxy of the machine's means another 127.0.0.1
        }
        settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return run(command[0], "-q", *command[1:], options=settings, until=self._until, cwd=archives)


def run(*command: str, until: float, options: list[str] | None = None, cwd: Path | None = None) -> str:
    """What it says. options: go after its name, and are of no interest where it fails. Raises Trouble."""
    name = " ".join(command)
    patience_s = min(PATIENCE_S, until - time.monotonic())
    if patience_s <= 0:
        raise Trouble(f"no time is left for {name}")
    with tempfile.TemporaryFile() as output:
        with started([command[0], *(options or ()), *command[1:]], output, cwd) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
            ended = process.returncode is not None
        output.seek(0)
        said = output.read().decode(errors="replace")
    if not ended:
        raise Trouble(f"{name}: not done in {patience_s:.0f} s")
    if process.returncode:
        raise Trouble(f"{name}: exit {process.returncode}: {_reason(said)}")
    return said


@contextmanager
def drafted(place: Path) -> Iterator[Path]:
    """A directory that becomes `place`, instead of the one there, when it is whole; nothing is left of it if not."""
    draft = place.with_name(f"{place.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
    draft.mkdir(parents=True)
    try:
        yield draft
        shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def trust() -> str:
    """Whose signature is taken, as sources.list has it: newer releases of Debian trust no key for every archive."""
    return f"signed-by={_KEYS}" if _KEYS.exists() else ""


def _reason(said: str) -> str:
    """apt says the reason in lines that begin so."""
    lines = said.strip().splitlines()
    return "; ".join([line for line in lines if line.startswith(("E: ", "Err:"))] or lines)[-2000:]


def _debians(until: float) -> Archive:
    """The archive that apt installs Debian's own packages from here."""
    form = ("indextargets", "--format", "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)", "Created-By: Packages")
    said = run("apt-get", *form, until=until)
    if not said.strip():  # images of containers come without lists
        with tempfile.TemporaryDirectory() as lists:
            for name in _STATE:
                (Path(lists) / name).mkdir(parents=True)
            options = ["-o", f"Dir::State={lists}/state", "-o", f"Dir::Cache={lists}/cache"]
            options += ["-o", "APT::Sandbox::User="]
            run("apt-get", "-q", "update", options=options, until=until)
            said = run("apt-get", *form, options=options, until=until)
    for origin, label, address in (line.split("\t") for line in said.splitlines() if line.count("\t") == 2):
        if (origin, label) == ("Debian", "Debian"):
            return Archive(address, trust())
    raise Trouble("apt knows no archive of Debian's here (apt-get update)")


def _is_fresh(stamp: Path) -> bool:
    return stamp.exists() and time.time() - stamp.stat().st_mtime < _DAY_S
