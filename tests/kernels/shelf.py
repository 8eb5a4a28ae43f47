"""What is an archive of packages that a test can spoil? A real one, of one kernel, that real apt fetches from over
loopback; and that breaks off, falls silent or lies where it is told to."""

import hashlib
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.kernels.apt import Archive
from tests.kernels.archive import Source

SUITE = "someday"
RELEASE = "9.9.0-23-amd64"
SOURCE = Source("9.9", SUITE, "linux-image-amd64")
IMAGE = f"linux-image-{RELEASE}"
_LISTS = "main/binary-amd64/Packages"


class Shelf:
    """faults: by the end of a path, what becomes of the next requests for it: "gone" (404), "breaks off" in the middle,
    "lies" (something else of that length), "silent" (nothing comes). asked: how often each path was asked for."""

    def __init__(self, place: Path) -> None:
        self.faults: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        self.place = place
        package(place, "linux-image-amd64", f"Depends: {IMAGE}\n", {})
        package(
            place, IMAGE, "", {f"boot/vmlinuz-{RELEASE}": b"23" * 50_000, f"lib/modules/{RELEASE}/modules.order": b""}
        )
        index(place)

    def answer(self, path: str) -> tuple[bytes | None, str]:
        """(the file, what is wrong with it)"""
        name = path.rpartition("/")[2]
        self.asked[name] += 1
        waiting = self.faults.get(name, [])
        file = self.place / path.lstrip("/")
        return (file.read_bytes() if file.is_file() else None), (waiting.pop(0) if waiting else "")


@contextmanager
def opened(place: Path) -> Iterator[tuple[Shelf, Archive]]:
    shelf = Shelf(place)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data, fault = shelf.answer(self.path)
            if fault == "silent":
                over.wait()
                return
            if data is None or fault == "gone":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if fault == "lies":
                data = bytes(len(data))
            self.wfile.write(data[: len(data) // 2] if fault == "breaks off" else data)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Not onto the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        # nobody signs for it; sums are looked at all the same
        yield shelf, Archive(f"http://127.0.0.1:{server.server_port}", "trusted=yes")
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def package(place: Path, name: str, control: str, files: dict[str, bytes]) -> None:
    tree = place / "trees" / name
    for path, content in ({"DEBIAN/control": b""} | files).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <nobody@example.com>\n{control}"
        "Description: of a test\n"
    )
    (place / "pool").mkdir(exist_ok=True)
    build = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(place / "pool" / f"{name}_1_amd64.deb")]
    subprocess.run(build, check=True, capture_output=True)


def index(place: Path) -> None:
    entries = []
    for path in sorted((place / "pool").iterdir()):
        control = subprocess.run(["dpkg-deb", "--field", str(path)], capture_output=True, text=True, check=True).stdout
        content = path.read_bytes()
        entries.append(
            f"{control.strip()}\nFilename: pool/{path.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )
    lists = "\n".join(entries).encode()
    suite = place / "dists" / SUITE
    (suite / _LISTS).parent.mkdir(parents=True, exist_ok=True)
    (suite / _LISTS).write_bytes(lists)
    date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(time.time() - 60))
    (suite / "Release").write_text(
        f"Suite: {SUITE}\nCodename: {SUITE}\nDate: {date}\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {hashlib.sha256(lists).hexdigest()} {len(lists)} {_LISTS}\n"
    )
