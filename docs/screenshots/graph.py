"""Takes the one screenshot that shows no terminal: what a real Prometheus has of a live `tcpwatch serve` while there is
trouble, in Prometheus' own graph page, drawn by a real browser. Needs Debian's prometheus and chromium."""

import os
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.show import Company, choose
from tests.dashboards.daemons import Exporter, Prometheus
from tests.dashboards.trouble import lasting_trouble

NAME = "prometheus"
SIZE = (1280, 1700)
_SHOWN = ("accept_queue_full", "refused", "reset_by_us_linger", "lossy_path", "receiver_limited", "clean")
_ROUNDS = 6
_ROUND_S = 15
_QUERIES = (
    'sum by (state) (tcpwatch_connections{netns=~"OURS"})',
    'sum by (cause) (rate(tcpwatch_retransmits_total{netns=~"OURS"}[15s]))',
)


def take(target: Path) -> None:
    with tempfile.TemporaryDirectory() as directory, Namespace() as room:
        place = Path(directory)
        exporter = Exporter(place, "exporter", "--max-series", "5000")
        prometheus = Prometheus(place, {"web1": exporter.address})
        with exporter, prometheus, lasting_trouble(room):
            for _ in range(_ROUNDS):
                company = Company(choose(_SHOWN), look_s=_ROUND_S / len(_SHOWN))
                company.begin(lambda text: None)
                time.sleep(_ROUND_S)
                company.end()
            _photograph(_page(prometheus.url, _ROUNDS * _ROUND_S), target, place)


def _page(url: str, span_s: int) -> str:
    parameters: dict[str, object] = {}
    for number, query in enumerate(_QUERIES):
        expr = query.replace("OURS", f"tw-{os.getpid()}-.+")  # as namespaces of this process are called
        one = {"expr": expr, "tab": 0, "stacked": 1, "range_input": f"{span_s}s", "step_input": 1}
        parameters |= {f"g{number}.{key}": value for key, value in one.items()}
    return f"{url}/graph?{urllib.parse.urlencode(parameters)}"


def _photograph(page: str, target: Path, directory: Path) -> None:
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-proxy-server"]
    wait = ["--virtual-time-budget=15000", f"--user-data-dir={directory}/browser"]
    shot = [f"--screenshot={target}", f"--window-size={SIZE[0]},{SIZE[1]}"]
    subprocess.run([*browser, *quiet, *wait, *shot, page], check=True, capture_output=True, timeout=120)
