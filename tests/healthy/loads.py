"""Which clients put the servers to work? The tools that come with the servers, curl, and visitor.py, each over every
wire it is fit for; knows nothing of who watches.

All of them end their connections in good order, but for `abrupt`. So redis-benchmark has only one connection where it
does not keep it: of several it hangs up on some that still ring."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace

from .daemons import postgres_tool

POOL = 23
_VISITOR = Path(__file__).with_name("visitor.py")


def veth(room: Namespace, address: str) -> None:
    """Most of the connections."""
    _ab(room, f"http://{address}/page", "-n", "4000", "-c", "8")
    _ab(room, f"http://{address}/page", "-n", "5000", "-c", "8", "-k")
    _redis(room, address, "-n", "1000", "-c", "1", "-k", "0")
    _redis(room, address, "-n", "20000", "-c", "20", "-P", "16")
    _pgbench(room, address, "-C", "-t", "150", "-c", "4")
    _pgbench(room, address, "-T", "1", "-c", "8")
    _curl(room, f"http://{address}/page?[1-200]", "-Z", "--parallel-max", "6")
    _curl(room, f"http://{address}/page?[1-200]", "-H", "Connection: close")
    _visit(room, "abandon", address, POOL)
    _visit(room, "pipeline", address, 100)
    _visit(room, "encrypt", address, 100)


def loopback(room: Namespace) -> None:
    """Both ends in one namespace; also the transfers that would overrun a veth pair, which drops what its receiver has
    no time for."""
    _ab(room, "http://127.0.0.1/page", "-n", "2000", "-c", "4")
    _ab(room, "http://[::1]/page", "-n", "1000", "-c", "4")
    _ab(room, "http://127.0.0.1/large", "-n", "10", "-c", "2")
    _redis(room, "127.0.0.1", "-n", "1000", "-c", "1", "-k", "0")
    _pgbench(room, "127.0.0.1", "-C", "-t", "100", "-c", "2")
    _visit(room, "encrypt", "127.0.0.1", 50)


def cable(room: Namespace, address: str) -> None:
    """Every packet takes its time."""
    _ab(room, f"http://{address}/page", "-n", "300", "-c", "8")
    _redis(room, address, "-n", "1000", "-c", "10", "-d", "20000")
    _pgbench(room, address, "-C", "-t", "10", "-c", "4")
    _curl(room, f"http://{address}/large")
    _visit(room, "abandon", address, POOL)
    _visit(room, "pipeline", address, 23)
    _visit(room, "encrypt", address, 23)


@contextmanager
def held(room: Namespace, deed: str, address: str) -> Iterator[None]:
    """A pool of POOL connections, idle meanwhile; for `outlive` of as many to each server, and it is the servers that
    end those."""
    process = subprocess.Popen(
        room.inside(sys.executable, "-IS", str(_VISITOR), deed, address, str(POOL)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        assert process.stdout.readline() == "held\n", deed
        yield
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, deed
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def abrupt(room: Namespace, address: str) -> None:
    """TLS as most speak it: whoever is done closes at once, and the other's goodbye is answered with a reset."""
    _ab(room, f"https://{address}/page", "-n", "100", "-c", "4")
    _curl(room, f"https://{address}/page?[1-50]", "-k", "-H", "Connection: close")
    _curl(room, f"https://{address}/page?[1-50]", "-k")


def _ab(room: Namespace, url: str, *options: str) -> None:
    room.run("ab", "-q", "-d", "-S", *options, url)


def _redis(room: Namespace, address: str, *options: str) -> None:
    room.run("redis-benchmark", "-q", "-h", address, "-t", "set,get", *options)


def _pgbench(room: Namespace, address: str, *options: str) -> None:
    words: Sequence[str] = ("-S", "-n", "-j", "2", "-h", address, "-U", "postgres", *options, "postgres")
    room.run(postgres_tool("pgbench"), *words)


def _curl(room: Namespace, url: str, *options: str) -> None:
    room.run("curl", "-s", "-S", "-o", "/dev/null", *options, url)


def _visit(room: Namespace, deed: str, address: str, count: int) -> None:
    room.run(sys.executable, "-IS", str(_VISITOR), deed, address, str(count))
