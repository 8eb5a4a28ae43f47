"""Does the real Prometheus get in, and what does it think of what it gets? Over TLS, with a client certificate and a
password, as its own manual configures it."""

import html
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tcpwatch.serve.finding import expression
from tests.dashboards.daemons import Daemon, free_port, get

from .authority import Authority, Signed
from .running import Running
from .stand import until
from .test_command import DEMO
from .test_tls import spoken, trusting
from .test_users import basic

AUTH = "client_auth_type: RequireAndVerifyClientCert"


@pytest.fixture(autouse=True)
def programs() -> None:
    for name in ("prometheus", "promtool"):
        if not shutil.which(name):
            pytest.skip(f"{name} is missing: Debian's package prometheus has it")


@contextmanager
def prometheus(directory: Path, scrape: dict[str, Any]) -> Iterator[str]:
    """Its URL. scrape: what its configuration says of tcpwatch."""
    address = f"127.0.0.1:{free_port()}"
    config = directory / "prometheus.yml"
    often = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config.write_text(json.dumps({"global": often, "scrape_configs": [{"job_name": "tcpwatch", **scrape}]}))
    command = [
        *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}"),
        *(f"--web.listen-address={address}", "--log.level=warn"),
    ]
    with Daemon(command, f"http://{address}/-/ready", directory / "prometheus.log"):
        yield f"http://{address}"


def ask(url: str, query: str) -> dict[str, float]:
    """By the target's port."""
    found = json.loads(get(f"{url}/api/v1/query?query={query}"))["data"]["result"]
    return {one["metric"].get("instance", "").rpartition(":")[2]: float(one["value"][1]) for one in found}


def test_prometheus_scrapes_over_tls(
    authority: Authority, server: Signed, client: Signed, tmp_path: Path, config: Path, hashed: str
) -> None:
    """`up` is 1, and its numbers are ours; with a wrong password it is 0."""
    users = f"basic_auth_users: {{prometheus: {hashed}}}\n"
    config.write_text(spoken(server, AUTH, f"client_ca_file: {authority.certificate}") + users)
    with Running("--from", str(DEMO), "--web.config.file", str(config)) as running:
        scrape = {
            "scheme": "https",
            "tls_config": {
                "ca_file": str(authority.certificate),
                "cert_file": str(client.certificate),
                "key_file": str(client.key),
            },
            "basic_auth": {"username": "prometheus", "password": "open sesame"},
            "static_configs": [{"targets": [f"127.0.0.1:{running.port}"]}],
        }
        with prometheus(tmp_path, scrape) as url:
            port = str(running.port)
            until(lambda: ask(url, "up").get(port) == 1)
            until(lambda: ask(url, "sum%20by(instance)(tcpwatch_events_delivered_total)").get(port, 0) > 0)
            until(lambda: ask(url, "process_resident_memory_bytes").get(port, 0) > 1e6)
            until(lambda: ask(url, "scrape_samples_scraped").get(port, 0) > 100)
            config.write_text(config.read_text().replace("prometheus: ", "somebody: "))
            until(lambda: ask(url, "up").get(port) == 0)


def test_a_series_leads_to_its_connections(tmp_path: Path) -> None:
    """Its labels as Prometheus has them, behind /connections, give the command that shows what was counted."""
    with Running("--from", str(DEMO)) as running:
        scrape = {"static_configs": [{"targets": [f"127.0.0.1:{running.port}"]}]}
        with prometheus(tmp_path, scrape) as url:
            query = f"{url}/api/v1/query?{urlencode({'query': 'tcpwatch_connections > 0'})}"
            until(lambda: json.loads(get(query))["data"]["result"])
            for found in json.loads(get(query))["data"]["result"]:
                status, page = running.get(f"/connections?{urlencode(found['metric'])}")
                assert status == 200
                assert f"sudo tcpwatch {shlex.quote(expression(found['metric'], []))}" in html.unescape(page)


def test_promtool_has_nothing_to_say(
    authority: Authority, server: Signed, config: Path, hashed: str, tmp_path: Path
) -> None:
    """`promtool check metrics` on what is served; and it takes our web configuration file for one of its own."""
    config.write_text(spoken(server) + f"basic_auth_users: {{prometheus: {hashed}}}\n")
    done = subprocess.run(["promtool", "check", "web-config", str(config)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with Running("--from", str(DEMO), "--web.config.file", str(config)) as running:
        login = {"Authorization": basic("prometheus", "open sesame")}
        texts = []
        for _ in range(2):  # the second one knows of a scrape
            status, text = running.get(tls=trusting(authority), **login)
            assert status == 200
            texts.append(text)
    for text in texts:
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
