"""Which kernels are tried, and where do they come from? Fetches them, and their headers, from the package archive that
this machine's apt uses, and keeps them outside of the tree."""

import fcntl
import hashlib
import lzma
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kernels.apt import Archive, Suite, drafted, run
from tests.kernels.children import Trouble, pause

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcpwatch" / "kernels"
PAUSES_S = (10.0, 30.0, 60.0)  # before the archive is asked again
GIVE_UP_S = 400.0
_ROOM_BYTES = 1e9  # a kernel with its headers, as it is unpacked
_INSTALLED = re.compile(r"linux-(image|modules|binary)-\d\S*")
_COMMON = re.compile(r"linux-headers-\d\S*-common")
FLAVOURS = ("amd64", "cloud-amd64")


@dataclass(frozen=True, slots=True)
class Source:
    """A kernel of the archive. package: the one that always depends on the newest of its suite."""

    name: str
    suite: str
    package: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel at hand. release: as `uname -r` says it. modules: the directory that holds lib/modules. headers: what
    belongs into /usr/src; options: those it was built with, of each of FLAVOURS, as Debian's text; both None where
    nobody asked for them."""

    name: str
    release: str
    image: Path
    modules: Path
    headers: Path | None = None
    options: tuple[str, ...] | None = None


# The ordinary flavour: the one for clouds (flavours.py) has fewer drivers, and no 9p to reach our files by
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


@dataclass(frozen=True, slots=True)
class Fetch:
    """What is fetched beside the kernel, and how. say: takes a line for people. archive: None for this machine's."""

    say: Callable[[str], None] = print
    with_headers: bool = False
    with_options: bool = False
    cache: Path = CACHE
    archive: Archive | None = None
    pauses_s: Sequence[float] = PAUSES_S


def fetch(source: Source, how: Fetch) -> Kernel:
    """The newest kernel of that kind, from the cache where it is there already. An archive that does not give it is
    asked again after each of the pauses; then a kernel that the cache has from before will do. Raises Trouble."""
    until = time.monotonic() + GIVE_UP_S
    suite = Suite(source.suite, how.cache / "lists" / source.suite, until, how.archive)
    for seconds in (*how.pauses_s, None):
        try:
            with _alone(how.cache / "lists" / f"{source.suite}.lock", until, how.say):
                kernel = _fetched(source, suite, how, until)
            break
        except (Trouble, OSError) as error:
            why = f"{error}{_if_full(how.cache)}"
            if seconds is None:
                raise Trouble(f"it could not be fetched, in {len(how.pauses_s) + 1} attempts: {why}") from error
            how.say(f"{why}; trying again in {seconds:.0f} s")
            suite.distrust()
            pause(seconds)
    if suite.outdated:
        how.say(f"the archive does not answer; {kernel.release} is here from before and will do. {suite.outdated}")
    return kernel


def _if_full(cache: Path) -> str:
    """What may have to do with it, and not every program says."""
    place = next(path for path in (cache, *cache.parents) if path.exists())
    free = shutil.disk_usage(place).free
    return f" (and no more than {free / 1e6:.0f} MB are free in {place})" if free < _ROOM_BYTES else ""


def _fetched(source: Source, suite: Suite, how: Fetch, until: float) -> Kernel:
    suite.update()
    packages = list(_needed(suite, source.package))

    def finish(place: Path) -> None:
        _leave_out_drivers(place)
        _index_modules(place, until)

    place = _unpacked(suite, packages, how, finish)
    release, image = _found(place)
    headers = _headers(suite, release, place, how) if how.with_headers else None
    options = _options(suite, release, how) if how.with_options else None
    return Kernel(source.name, release, image, place, headers, options)


def _needed(suite: Suite, package: str) -> Iterator[str]:
    """The packages that hold the kernel itself, the image first."""
    waiting, seen = [package], set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if _INSTALLED.fullmatch(name):
            yield name
        waiting += filter(_INSTALLED.fullmatch, suite.depends(name))


def _headers(suite: Suite, release: str, modules: Path, how: Fetch) -> Path:
    """That very kernel's: its own, and what it has in common with the other flavours; where its modules are they are
    linked to, as installing would have done."""
    own = f"linux-headers-{release}"
    common = next((name for name in suite.depends(own) if _COMMON.fullmatch(name)), None)
    if common is None:
        raise Trouble(f"{own} does not say what it has in common with others")
    place = _unpacked(suite, (own, common), how)
    for name, package in (("build", own), ("source", common)):
        link = modules / "lib" / "modules" / release / name
        if not link.is_symlink():
            link.symlink_to(f"/usr/src/{package}")
    return place / "usr" / "src"


def _options(suite: Suite, release: str, how: Fetch) -> tuple[str, ...]:
    version = ".".join(release.split(".")[:2])
    place = _unpacked(suite, (f"linux-config-{version}",), how) / "usr" / "src" / f"linux-config-{version}"
    return tuple(
        lzma.decompress((place / f"config.amd64_none_{flavour}.xz").read_bytes()).decode() for flavour in FLAVOURS
    )


def _unpacked(
    suite: Suite, packages: Sequence[str], how: Fetch, finish: Callable[[Path], None] = lambda place: None
) -> Path:
    """The directory that holds these, named like the first. What is there from before has to be what was unpacked."""
    place = how.cache / "unpacked" / packages[0]
    total = place.with_name(f"{place.name}.sum")
    if place.exists() and total.exists() and total.read_text() == _sum(place):
        return place
    if place.exists():
        how.say(f"{place} is not what was unpacked there; it is fetched again")
    with drafted(place) as draft:
        for package in packages:
            suite.unpack(package, draft)
        finish(draft)
        total.write_text(_sum(draft))
    return place


def _sum(place: Path) -> str:
    """Of the files' names and contents. Links may be added later."""
    total = hashlib.blake2b(digest_size=20)
    for path in sorted(place.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "blake2b").digest()
            total.update(str(path.relative_to(place)).encode() + b"\0" + content)
    return total.hexdigest()


@contextmanager
def _alone(lock: Path, until: float, say: Callable[[str], None]) -> Iterator[None]:
    """While no other run fetches from that suite; the lock falls with whoever holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    waiting = False
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Trouble("another run has been fetching it all the time") from None
                if not waiting:
                    say("another run is fetching it; waiting for that")
                waiting = True
                pause(0.2)
        yield


def _leave_out_drivers(place: Path) -> None:
    """For hardware that a guest never has: nine tenths of the package."""
    for directory in place.glob("**/kernel/drivers/*"):
        if directory.name not in ("net", "virtio"):
            shutil.rmtree(directory, ignore_errors=True)
    for directory in (*place.glob("**/kernel/drivers/net/*/"), *place.glob("**/kernel/sound")):
        shutil.rmtree(directory)


def _index_modules(place: Path, until: float) -> None:
    """modules.dep, which installing would have made; and /lib where newer packages have /usr/lib."""
    if not (place / "lib").exists():
        (place / "lib").symlink_to("usr/lib")
    run("depmod", "--basedir", str(place), _found(place)[0], until=until)


def _found(place: Path) -> tuple[str, Path]:
    """(release, the kernel's image), which newer packages keep beside the modules."""
    image = next(iter((*place.glob("boot/vmlinuz-*"), *place.glob("usr/lib/modules/*/vmlinuz"))), None)
    if image is None:
        raise Trouble(f"no kernel's image in {place}")
    return image.parent.name if image.name == "vmlinuz" else image.name.removeprefix("vmlinuz-"), image
