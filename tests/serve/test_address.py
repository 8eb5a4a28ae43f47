"""Which addresses are understood, and what is said of those that cannot be listened on? Real sockets."""

import socket

import pytest

from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.serve.address import listen, resolve, url
from tests.dashboards.daemons import free_port

SIX = socket.has_dualstack_ipv6()


@pytest.mark.parametrize(
    ("text", "host", "port", "exposed"),
    [
        ("127.0.0.1:9465", "127.0.0.1", 9465, False),
        ("127.8.9.1:0", "127.8.9.1", 0, False),
        ("localhost:9465", "127.0.0.1", 9465, False),
        ("[::1]:9465", "::1", 9465, False),
        ("[::ffff:127.0.0.1]:9465", "::ffff:127.0.0.1", 9465, False),
        ("0.0.0.0:9465", "0.0.0.0", 9465, True),
        ("192.0.2.1:65535", "192.0.2.1", 65535, True),
        ("[2001:db8::1]:1", "2001:db8::1", 1, True),
        ("[::]:9465", "::" if SIX else "0.0.0.0", 9465, True),
        (":9465", "::" if SIX else "0.0.0.0", 9465, True),
    ],
)
def test_addresses(text: str, host: str, port: int, exposed: bool) -> None:
    """And whether others reach them."""
    address = resolve(text)
    assert (address.place[:2], address.exposed) == ((host, port), exposed)


@pytest.mark.parametrize(
    "text",
    ["", "9465", "127.0.0.1", "::1", "::1:9465", "[::1]", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "a b:1",
     "127.0.0.1:9465/", "[::1]:9465 ", "http://127.0.0.1:9465", f"{64 * 'x'}:1", "[nonsense]:1", "\0:1"],
)  # fmt: skip
def test_no_addresses(text: str) -> None:
    """Refused, and repeated."""
    with pytest.raises(UsageError) as raised:
        resolve(text)
    assert repr(text) in raised.value.what
    assert raised.value.cure


def test_a_port_in_use() -> None:
    """Names it and a cure; and what was opened before it is closed."""
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TcpwatchError, match=f"127.0.0.1:{port}: port {port} is in use") as raised:
            listen([resolve(f"127.0.0.1:{free}"), resolve(f"127.0.0.1:{port}")])
        assert raised.value.exit_code == 1
        assert f"sport = :{port}" in raised.value.cure
    for one in listen([resolve(f"127.0.0.1:{free}")]):
        one.close()


def test_an_address_of_another_machine() -> None:
    """192.0.2.0/24 is nobody's."""
    with pytest.raises(UsageError, match="this machine has no such address"):
        listen([resolve("192.0.2.1:9465")])


def test_urls() -> None:
    """Such that a browser understands them."""
    addresses = ["127.0.0.1:0", *(["[::1]:0"] if SIX else [])]
    listening = listen(list(map(resolve, addresses)))
    for one, host in zip(listening, ("127.0.0.1", "[::1]")):
        assert url(one, "https", "/metrics") == f"https://{host}:{one.getsockname()[1]}/metrics"
        one.close()


def test_every_address() -> None:
    """Of both families, on one socket."""
    (one,) = listen([resolve(":0")])
    port = one.getsockname()[1]
    for host in ("127.0.0.1", *(["::1"] if SIX else [])):
        socket.create_connection((host, port), timeout=60).close()
    one.close()
