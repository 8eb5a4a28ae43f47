"""Which servers answer? A real nginx, redis and postgres as Debian ships them, each in the given namespace with its
configuration and data in a directory of its own, ready when entered and stopped in good order. All of them probe idle
connections every second; they know nothing of clients."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, run
from tests.kernel.witness import ss_until

HTTP, HTTPS, REDIS, POSTGRES = 80, 443, 6379, 5432
KEEPALIVE_S = 1  # how long nginx waits for another request on the same connection
PAGE_BYTES = 4096
LARGE_BYTES = 32 << 20

_NGINX = """
daemon off;
user root;
worker_processes 2;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    keepalive_timeout {keepalive};
    keepalive_requests 5;
    server {{
        listen 80 so_keepalive=1:1:9;
        listen [::1]:80;
        listen 443 ssl;
        ssl_certificate {home}/certificate;
        ssl_certificate_key {home}/key;
        location / {{ root {home}/www; }}
        location /pool/ {{ alias {home}/www/; keepalive_timeout 300; keepalive_requests 1000; }}
    }}
}}
"""


@contextmanager
def home() -> Iterator[Path]:
    """A directory for one server; others may pass through it, as postgres gives up root's rights."""
    with tempfile.TemporaryDirectory(prefix="tcpwatch-healthy-") as name:
        os.chmod(name, 0o711)
        yield Path(name)


@contextmanager
def _serving(room: Namespace, port: int, *command: str, log: Path, end: signal.Signals) -> Iterator[None]:
    """The command inside the namespace, from when it listens until `end` has ended it in good order."""
    with log.open("ab") as words:
        process = subprocess.Popen(room.inside(*command), stdin=subprocess.DEVNULL, stdout=words, stderr=words)
    try:
        ss_until(
            room,
            lambda seen: (
                process.poll() is not None
                or any(line.state == "LISTEN" and line.local[1] == port for line in seen.values())
            ),
        )
        assert process.poll() is None, log.read_text()
        yield
        process.send_signal(end)
        assert process.wait(DEADLINE_S) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.send_signal(end)  # killed, postgres would leave its shared memory behind
            with suppress(subprocess.TimeoutExpired):
                process.wait(DEADLINE_S)
            process.kill()
            process.wait()


@contextmanager
def nginx(room: Namespace) -> Iterator[None]:
    """HTTP and HTTPS on all addresses: /page, /large, and the same under /pool/, where connections are kept."""
    with home() as here:
        (here / "www").mkdir()
        (here / "www" / "page").write_bytes(b"p" * PAGE_BYTES)
        (here / "www" / "large").write_bytes(bytes(LARGE_BYTES))
        (here / "nginx.conf").write_text(_NGINX.format(home=here, keepalive=KEEPALIVE_S))
        subject = ("-subj", "/CN=tcpwatch-healthy", "-days", "2")
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject),
            *("-keyout", f"{here}/key", "-out", f"{here}/certificate"),
        )
        command = ("nginx", "-e", f"{here}/error.log", "-p", str(here), "-c", f"{here}/nginx.conf")
        with _serving(room, HTTPS, *command, log=here / "log", end=signal.SIGQUIT):
            yield


@contextmanager
def redis(room: Namespace) -> Iterator[None]:
    """In memory only, on all addresses."""
    with home() as here:
        options = (
            "--bind",
            "0.0.0.0",
            "--protected-mode",
            "no",
            "--save",
            "",
            "--tcp-keepalive",
            "1",
            "--dir",
            str(here),
        )
        with _serving(room, REDIS, "redis-server", *options, log=here / "log", end=signal.SIGTERM):
            yield


def postgres_tool(name: str) -> str:
    """The newest version's; Debian keeps most of them off PATH. Empty where there is none."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(versions[-1]) if versions else shutil.which(name) or ""


@contextmanager
def postgres(room: Namespace) -> Iterator[None]:
    """Trusts everybody, on all addresses; database and user `postgres`, with pgbench's tables. Refuses to be root."""
    with home() as here:
        data = here / "data"
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
        as_its_user = (
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "env",
            "-C",
            "/",
            "LC_ALL=C",
        )
        run(*as_its_user, postgres_tool("initdb"), "--no-sync", "--auth=trust", "-E", "UTF8", "-D", str(data))
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.23.0.0/16 trust\n")
        settings = {
            "listen_addresses": "*",
            "unix_socket_directories": str(data),
            "dynamic_shared_memory_type": "mmap",
            "shared_buffers": "32MB",
            "fsync": "off",
            "tcp_keepalives_idle": "1",
            "tcp_keepalives_interval": "1",
        }
        options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        command = (*as_its_user, postgres_tool("postgres"), "-D", str(data), *options)
        with _serving(room, POSTGRES, *command, log=here / "log", end=signal.SIGINT):
            ready = f"until {postgres_tool('pg_isready')} -q -h {data}; do sleep 0.05; done"  # it listens before it is
            room.run("sh", "-c", ready)
            room.run(
                postgres_tool("pgbench"), "-i", "-q", "-n", "-s", "1", "-h", str(data), "-U", "postgres", "postgres"
            )
            yield
