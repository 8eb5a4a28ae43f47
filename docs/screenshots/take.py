"""Takes the screenshots of this directory: the real TUI on the real kernel, over real servers and clients in two
network namespaces 20 ms apart with 1 % loss, and over scenarios of `tcpwatch demo`. Run as root:
.venv/bin/python -m docs.screenshots.take [NAME ...]
Needs Debian's nginx-light, redis-server, apache2-utils, iperf3, curl, nftables, prometheus and chromium."""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.screenshots import graph
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.replay.player import open_player
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.cable import Cable
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.show import Company, choose
from tcpwatch.tape import Tape
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tui.app import TcpwatchApp

HERE = Path(__file__).resolve().parent
NGINX = """
daemon off; pid {directory}/nginx.pid; error_log stderr; worker_processes 2; events {{ }}
http {{ access_log off; keepalive_timeout 300; server {{ listen 10.23.1.2:443; root {directory}; }} }}
"""


@dataclass(frozen=True)
class Shot:
    """keys: pressed one after the other before it is taken. settle_s: how long to wait before that."""

    name: str
    size: tuple[int, int]
    settle_s: float
    keys: str = ""
    expression: str = ""


TRAFFIC = (
    Shot("connections", (120, 30), 14, "2"),
    Shot("small", (80, 24), 2, "2"),
    Shot("detail", (120, 44), 2, "2 enter", "comm = iperf3 and bytes_sent > 100k"),
    Shot("events", (120, 30), 2, "6"),
)
POOL = (Shot("idle", (120, 24), 32, "5"),)
TROUBLE = (
    Shot("health", (120, 30), 16, "1 j"),
    Shot("verdict", (120, 40), 1, "2 t enter", "verdict = accept_queue_full"),
    Shot("listeners", (120, 24), 1, "3"),
    Shot("listener", (120, 40), 1, "3 enter"),
    Shot("ports", (120, 30), 1, "4"),
)
REPLAY = Shot("replay", (120, 30), 30, "less_than_sign n n n 1")  # of what TROUBLE showed
_SHOWN = (
    *("refused", "out_of_ports_time_wait", "no_answer", "accept_queue_full", "half_closed_lingering"),
    *("reset_by_us_unread_data", "lossy_path", "clean_flood"),
)


@contextlib.contextmanager
def traffic() -> Iterator[int]:
    """Servers on the right, clients on the left, whose namespace it gives."""
    with (
        Namespace() as left,
        Namespace() as right,
        Cable(left, right, delay_s=0.02),
        tempfile.TemporaryDirectory() as d,
    ):
        directory = Path(d)
        directory.chmod(0o755)
        (directory / "index.html").write_bytes(b"x" * 60_000)
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory))
        right.nft("input", "tcp dport 5201 numgen random mod 100 < 1 drop")
        background = [
            right.inside("nginx", "-c", str(directory / "nginx.conf"), "-p", d),
            right.inside("redis-server", "--bind", "10.23.1.2", "--protected-mode", "no", "--save", ""),
            right.inside("iperf3", "-s"),
        ]
        running = [start(command) for command in background]
        try:
            wait_until(left, "curl -s -o /dev/null http://10.23.1.2:443/")
            wait_until(left, "redis-cli -h 10.23.1.2 ping")
            clients = [
                left.inside("iperf3", "-c", "10.23.1.2", "-t", "40", "-P", "2", "-b", "3M"),
                left.inside("redis-benchmark", "-h", "10.23.1.2", "-c", "12", "-n", "100000", "-q"),
                left.inside("ab", "-k", "-q", "-c", "9", "-t", "40", "http://10.23.1.2:443/"),
                left.inside("ab", "-q", "-c", "3", "-t", "40", "http://10.23.1.2:443/"),
                left.inside("curl", "-s", "-m", "30", "http://10.23.1.99/"),
                left.inside("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do curl -s http://10.23.1.2:8080/; sleep 2; done"),
            ]
            running += [start(command) for command in clients]
            with Actor(left, b"worker") as worker:
                redis = {"address": "10.23.1.2", "port": 6379}
                worker.do("connect", **redis, count=5)
                worker.do("connect", **redis, count=2, options={"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 60})
                yield left.inode
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()


def start(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def wait_until(inside: Namespace, works: str) -> None:
    inside.run("sh", "-c", f"until {works}; do sleep 0.1; done")


async def take(session: Session, shot: Shot) -> None:
    app = TcpwatchApp(session, shot.expression, loader="core")
    async with app.run_test(size=shot.size) as pilot:
        await asyncio.sleep(shot.settle_s)
        for key in shot.keys.split():
            await pilot.press(key)
            await asyncio.sleep(1.5)
        save(app, shot.name)


def save(app: TcpwatchApp, name: str) -> None:
    """As PNG, by way of the browser: not every viewer of SVG has Textual's fonts."""
    with tempfile.TemporaryDirectory() as directory:
        svg = Path(directory, "shot.svg")
        svg.write_text(app.export_screenshot(title="tcpwatch"))
        width, height = svg.read_text().split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()
        page = Path(directory, "shot.html")
        page.write_text(f'<body style="margin:0"><img src="shot.svg" width="{width}" height="{height}">')
        browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        target = [f"--screenshot={HERE / name}.png", f"--window-size={round(float(width))},{round(float(height))}"]
        quiet = [
            "--disable-background-networking",
            "--disable-component-update",
            f"--user-data-dir={directory}/browser",
        ]
        subprocess.run([*browser, *quiet, *target, page.as_uri()], check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def trouble() -> Iterator[None]:
    """All at the same time, each one's scenes held for as long as the pictures take."""
    companies = [Company(choose([name]), look_s=60.0) for name in _SHOWN]
    for company in companies:
        company.begin(lambda text: None)
    try:
        yield
    finally:
        for company in companies:
            company.end()


async def take_replay(path: Path) -> None:
    player = open_player(str(path))
    player.start()
    app = TcpwatchApp(player, player=player)
    try:
        async with app.run_test(size=REPLAY.size):
            await asyncio.sleep(REPLAY.settle_s)
            for key in REPLAY.keys.split():
                app.simulate_key(key)
                await asyncio.sleep(1.5)
            save(app, REPLAY.name)
    finally:
        player.stop()


@contextlib.contextmanager
def watching(netns: int = 0, tape: Tape | None = None) -> Iterator[Session]:
    tracker = Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000)
    session = Session(KernelSource(32 << 20, Knobs(want_netns=netns), Pace(tick=0.2)), tracker, tape)
    session.start()
    try:
        yield session
    finally:
        session.stop()


async def main(names: list[str]) -> None:
    async def take_all(session: Session, shots: tuple[Shot, ...]) -> None:
        for shot in shots:
            if not names or shot.name in names:
                await take(session, shot)

    def wanted(shots: tuple[Shot, ...]) -> bool:
        return not names or any(shot.name in names for shot in shots)

    if wanted(TRAFFIC + POOL):
        with traffic() as netns:
            with watching() as session:
                await take_all(session, TRAFFIC)
            with watching(netns) as session:  # the clients' side alone, as if the servers were elsewhere
                await take_all(session, POOL)
    if wanted((*TROUBLE, REPLAY)):
        with tempfile.TemporaryDirectory() as directory:
            tape = Tape("shown", directory)
            tape.toggle()
            with watching(tape=tape) as session, trouble():
                await take_all(session, TROUBLE)
                if not names or REPLAY.name in names:
                    await asyncio.sleep(15)  # so that there is something to replay, whatever else was
            if not names or REPLAY.name in names:
                await take_replay(next(Path(directory).iterdir()))

    if not names or graph.NAME in names:
        graph.take(HERE / f"{graph.NAME}.png")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
