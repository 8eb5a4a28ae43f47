"""Which kernels are tried, and where do they come from? Fetches them, and their headers, from the package archive that
this machine's apt uses, with lists of its own: neither the machine's packages nor its lists change."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcpwatch" / "kernels"
_DAY_S = 86_400
_PATIENCE_S = 400.0  # for one command: 100 MB from the archive
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INSTALLED = re.compile(r"linux-(image|modules|binary)-\d\S*")
_COMMON = re.compile(r"linux-headers-\d\S*-common")


@dataclass(frozen=True, slots=True)
class Source:
    """A kernel of the archive. package: the one that always depends on the newest of its suite."""

    name: str
    suite: str
    package: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel at hand. release: as `uname -r` says it. modules: the directory that holds lib/modules. headers: what
    belongs into /usr/src, None where nobody asked for them."""

    name: str
    release: str
    image: Path
    modules: Path
    headers: Path | None


# The ordinary flavour: the one for clouds has the same TCP and BPF, fewer drivers, and no 9p to reach our files by
KERNELS = tuple(
    Source(name, suite, "linux-image-amd64")
    for name, suite in (
        ("5.10", "bullseye"),
        ("6.1", "bookworm"),
        ("6.12-backport", "bookworm-backports"),
        ("6.12", "trixie"),
        ("newest", "sid"),
    )
)


class CannotFetch(Exception):
    """The archive did not give what was asked of it; the message says what."""


def fetch(source: Source, with_headers: bool, cache: Path = CACHE) -> Kernel:
    """The newest kernel of that kind, from the cache where it is there already. Raises CannotFetch."""
    apt = _Apt(cache / "lists" / source.suite, source.suite)
    packages = list(apt.needed(source.package))
    place = cache / "unpacked" / packages[0]
    if not place.exists():
        with _drafted(place) as draft:
            for package in packages:
                apt.unpack(package, draft)
            _leave_out_drivers(draft)
            _index_modules(draft)
    release, image = _found(place)
    return Kernel(source.name, release, image, place, _headers(apt, release, place, cache) if with_headers else None)


def _headers(apt: "_Apt", release: str, modules: Path, cache: Path) -> Path:
    """That very kernel's: its own, and what it has in common with the other flavours; where its modules are they are
    linked to, as installing would have done."""
    own = f"linux-headers-{release}"
    common = next((name for name in apt.depends(own) if _COMMON.fullmatch(name)), None)
    if common is None:
        raise CannotFetch(f"{own} does not say what it has in common with others")
    place = cache / "unpacked" / own
    if not place.exists():
        with _drafted(place) as draft:
            for package in (own, common):
                apt.unpack(package, draft)
    for name, package in (("build", own), ("source", common)):
        link = modules / "lib" / "modules" / release / name
        if not link.is_symlink():
            link.symlink_to(f"/usr/src/{package}")
    return place / "usr" / "src"


@contextmanager
def _drafted(place: Path) -> Iterator[Path]:
    """A directory that becomes `place` when it is whole."""
    draft = place.with_name(f"{place.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    yield draft
    draft.rename(place)


class _Apt:
    """The archive's lists for one suite, fetched once a day."""

    def __init__(self, place: Path, suite: str) -> None:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (place / name).mkdir(parents=True, exist_ok=True)
        self._place = place
        sources = place / "sources.list"
        # newer releases of Debian trust no key for every archive
        options = f"arch=amd64 signed-by={_KEYS}" if _KEYS.exists() else "arch=amd64"
        sources.write_text(f"deb [{options}] {_mirror()} {suite} main\n")
        self._options = {
            "Dir::State": place / "state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": place / "cache",
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "-",
            "Dir::Etc::Preferences": "-",
            "Dir::Etc::PreferencesParts": "-",
            "APT::Architecture": "amd64",
            "APT::Architectures::": "amd64",
            "APT::Sandbox::User": "",  # its own user may not write here
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "30",
        }
        if not _is_fresh(place / "updated"):
            self._run("apt-get", "update")
            (place / "updated").touch()

    def needed(self, package: str) -> Iterator[str]:
        """The packages that hold the kernel itself, the image first."""
        waiting, seen = [package], set[str]()
        while waiting:
            name = waiting.pop(0)
            if name in seen:
                continue
            seen.add(name)
            if _INSTALLED.fullmatch(name):
                yield name
            waiting += filter(_INSTALLED.fullmatch, self.depends(name))

    def depends(self, package: str) -> list[str]:
        """The packages it needs."""
        said = self._run("apt-cache", "depends", "--no-recommends", "--no-suggests", "--important", package)
        return re.findall(r"^ +\|?(?:Pre)?Depends: (\S+)$", said, re.MULTILINE)

    def unpack(self, package: str, into: Path) -> None:
        archives = self._place / "cache" / "archives"
        self._run("apt-get", "download", package, cwd=archives)
        for path in archives.glob(f"{package}_*.deb"):
            _run("dpkg-deb", "--extract", str(path), str(into))
            path.unlink()

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        options = [part for name, value in self._options.items() for part in ("-o", f"{name}={value}")]
        return _run(command[0], *options, "-q", *command[1:], cwd=cwd)


def _mirror() -> str:
    """The archive that apt installs Debian's own packages from here."""
    said = _run("apt-get", "indextargets", "--format", "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)", "Created-By: Packages")
    for origin, label, address in (line.split("\t") for line in said.splitlines()):
        if (origin, label) == ("Debian", "Debian"):
            return address
    raise CannotFetch("apt knows no archive of Debian's here (apt-get update)")


def _is_fresh(stamp: Path) -> bool:
    return stamp.exists() and time.time() - stamp.stat().st_mtime < _DAY_S


def _leave_out_drivers(place: Path) -> None:
    """For hardware that a guest never has: nine tenths of the package."""
    for directory in place.glob("**/kernel/drivers/*"):
        if directory.name not in ("net", "virtio"):
            shutil.rmtree(directory, ignore_errors=True)
    for directory in (*place.glob("**/kernel/drivers/net/*/"), *place.glob("**/kernel/sound")):
        shutil.rmtree(directory)


def _index_modules(place: Path) -> None:
    """modules.dep, which installing would have made; and /lib where newer packages have /usr/lib."""
    if not (place / "lib").exists():
        (place / "lib").symlink_to("usr/lib")
    _run("depmod", "--basedir", str(place), _found(place)[0])


def _found(place: Path) -> tuple[str, Path]:
    """(release, the kernel's image), which newer packages keep beside the modules."""
    image = next(iter((*place.glob("boot/vmlinuz-*"), *place.glob("usr/lib/modules/*/vmlinuz"))), None)
    if image is None:
        raise CannotFetch(f"no kernel's image in {place}")
    return image.parent.name if image.name == "vmlinuz" else image.name.removeprefix("vmlinuz-"), image


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE_S
        )
    except FileNotFoundError as error:
        raise CannotFetch(f"{command[0]} is not here (setup/packages python3 kernels)") from error
    except subprocess.TimeoutExpired as error:
        raise CannotFetch(f"{' '.join(command)}: not done in {_PATIENCE_S:.0f} s") from error
    if done.returncode:
        raise CannotFetch(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout
