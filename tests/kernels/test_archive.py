"""Is a kernel fetched whole, or not at all and with the reason? From an archive that real apt asks over loopback."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernels import apt
from tests.kernels.apt import Archive
from tests.kernels.archive import Fetch, Kernel, fetch
from tests.kernels.children import Trouble
from tests.kernels.shelf import IMAGE, RELEASE, SOURCE, SUITE, Shelf, opened

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="fetching takes apt")

DEB = f"{IMAGE}_1_amd64.deb"
NOBODY = Archive("http://127.0.0.1:1", "trusted=yes")  # refuses every connection
CONTENT = b"23" * 50_000
# Run in mounts of its own: a cache on a file system that is too small
FULL = """
import sys
from pathlib import Path
from tests.kernels.apt import Archive
from tests.kernels.archive import Fetch, fetch
from tests.kernels.shelf import SOURCE
fetch(SOURCE, Fetch(cache=Path(sys.argv[1]), archive=Archive(sys.argv[2], "trusted=yes"), pauses_s=(0,)))
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Shelf, Fetch, list[str]]]:
    """(the archive, how to fetch from it, what is said)"""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")  # depmod; not on everybody's in Debian
    said: list[str] = []
    with opened(tmp_path / "shelf") as (shelf, archive):
        yield shelf, Fetch(said.append, cache=tmp_path / "cache", archive=archive, pauses_s=(0, 0)), said


def whole(kernel: Kernel) -> bool:
    return kernel.release == RELEASE and kernel.image.read_bytes() == CONTENT


def old_lists(how: Fetch) -> None:
    """They are to be fetched anew, as after a day."""
    os.utime(how.cache / "lists" / SUITE / "updated", (0, 0))


def leftovers(how: Fetch) -> list[Path]:
    return [*how.cache.rglob("*.part"), *how.cache.rglob("*.deb")]


def test_it_comes_once_and_then_from_the_cache(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    shelf, how, said = shop
    assert whole(fetch(SOURCE, how))
    shelf.asked.clear()
    assert whole(fetch(SOURCE, how))
    assert (shelf.asked, said, leftovers(how)) == ({}, [], [])


def test_an_archive_that_does_not_answer_is_asked_again_and_named(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """As often as there are pauses, and then the reason is given."""
    _, how, said = shop
    with pytest.raises(Trouble, match=r"could not be fetched, in 3 attempts: .*127\.0\.0\.1"):
        fetch(SOURCE, replace(how, archive=NOBODY))
    assert len([line for line in said if "trying again in 0 s" in line]) == 2


def test_what_the_cache_has_will_do_where_the_archive_does_not_answer(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """And that is said."""
    _, how, said = shop
    fetch(SOURCE, how)
    old_lists(how)
    assert whole(fetch(SOURCE, replace(how, archive=NOBODY)))
    assert f"{RELEASE} is here from before and will do" in said[-1]


def test_a_cache_that_lacks_it_is_no_way_out(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """The archive's silence is the reason, not the cache's."""
    _, how, _ = shop
    shutil.rmtree(fetch(SOURCE, how).modules)
    old_lists(how)
    with pytest.raises(Trouble, match=r"3 attempts: .*127\.0\.0\.1"):
        fetch(SOURCE, replace(how, archive=NOBODY))


@pytest.mark.parametrize(
    ("name", "fault"),
    [(name, fault) for name in (DEB, "Packages") for fault in ("gone", "breaks off", "lies")]
    + [("Release", "breaks off"), ("Release", "lies")],
)
def test_it_comes_whole_in_spite_of(shop: tuple[Shelf, Fetch, list[str]], name: str, fault: str) -> None:
    """What is wrong with the archive at first, and no longer when it is asked again."""
    shelf, how, _ = shop
    shelf.faults[name] = [fault] * 2
    assert whole(fetch(SOURCE, how))
    assert shelf.asked[name] > 1
    assert not leftovers(how)


def test_a_package_that_is_not_what_the_lists_say_is_not_taken(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """However often it comes."""
    shelf, how, _ = shop
    shelf.faults[DEB] = ["lies"] * 99
    with pytest.raises(Trouble, match="Hash Sum mismatch"):
        fetch(SOURCE, how)
    assert not (how.cache / "unpacked" / IMAGE).exists()
    assert not leftovers(how)


def test_an_archive_that_nobody_signs_for_is_not_taken(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """As this machine's is fetched from: with Debian's keys, or those of apt."""
    _, how, _ = shop
    assert how.archive
    with pytest.raises(Trouble, match="is not signed"):
        fetch(SOURCE, replace(how, archive=Archive(how.archive.address, apt.trust())))


def test_what_went_bad_in_the_cache_is_fetched_again(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """Cut short, as by a machine that lost its power."""
    _, how, said = shop
    os.truncate(fetch(SOURCE, how).image, 23)
    assert whole(fetch(SOURCE, how))
    assert "not what was unpacked" in said[-1]


def test_lists_that_went_bad_in_the_cache_are_fetched_again(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    _, how, _ = shop
    shutil.rmtree(fetch(SOURCE, how).modules)
    for path in (how.cache / "lists" / SUITE).rglob("*Packages*"):
        os.truncate(path, 23)
    for path in (how.cache / "lists" / SUITE / "cache").glob("*.bin"):
        path.unlink()
    assert whole(fetch(SOURCE, how))


def test_an_archive_that_falls_silent_is_given_up(
    shop: tuple[Shelf, Fetch, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts the connection and then says nothing."""
    shelf, how, _ = shop
    shelf.faults["InRelease"] = ["silent"] * 99
    monkeypatch.setattr(apt, "PATIENCE_S", 1.0)
    with pytest.raises(Trouble, match=r"apt-get -q update .*: not done in 1 s"):
        fetch(SOURCE, replace(how, pauses_s=()))
    assert not leftovers(how)


def test_two_runs_share_a_cache(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """One waits for the other, and finds what that fetched."""
    shelf, how, said = shop
    with ThreadPoolExecutor(5) as pool:
        assert all(map(whole, pool.map(lambda _: fetch(SOURCE, how), range(5))))
    assert shelf.asked[DEB] == 1
    assert "another run is fetching it; waiting for that" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk_is_named(shop: tuple[Shelf, Fetch, list[str]], tmp_path: Path) -> None:
    """And what did not fit is taken away again."""
    _, how, _ = shop
    assert how.archive
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=64k none {small} && "$@"; code=$?; echo; ls -R {small}; exit $code'
    command = ["unshare", "--mount", "sh", "-c", script, "sh"]
    command += [sys.executable, "-c", FULL, str(small / "cache"), how.archive.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Trouble: it could not be fetched, in 2 attempts" in done.stderr
    assert "0 MB are free in" in done.stderr
    left = done.stdout.rpartition(f"{small}:")[2]
    assert "updated" in left
    assert ".part" not in left


def test_a_run_that_was_killed_leaves_nothing_that_counts(shop: tuple[Shelf, Fetch, list[str]]) -> None:
    """Half of a package's files, and the lock, which falls with it."""
    _, how, _ = shop
    draft = how.cache / "unpacked" / f"{IMAGE}.part" / "boot"
    draft.mkdir(parents=True)
    (draft / f"vmlinuz-{RELEASE}").write_bytes(CONTENT[:23])
    assert whole(fetch(SOURCE, how))
    assert not leftovers(how)


def test_a_lock_that_is_never_given_back_is_named(
    shop: tuple[Shelf, Fetch, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, how, _ = shop
    fetch(SOURCE, how)
    old_lists(how)
    shelf.faults["InRelease"] = ["silent"] * 99
    slow = threading.Thread(target=lambda: fetch(SOURCE, how))
    monkeypatch.setattr(apt, "PATIENCE_S", 20.0)
    shelf.asked.clear()
    slow.start()
    while not shelf.asked["InRelease"]:
        assert slow.is_alive()
        time.sleep(0.01)
    monkeypatch.setattr("tests.kernels.archive.GIVE_UP_S", 0.5)
    with pytest.raises(Trouble, match="another run has been fetching"):
        fetch(SOURCE, replace(how, pauses_s=()))
    slow.join()
