"""Is a web configuration file that changes obeyed without a restart? With real files, real handshakes and passwords."""

import os
import ssl
from pathlib import Path

import bcrypt
import pytest

from tcpwatch import flags
from tcpwatch.errors import UsageError
from tcpwatch.serve.exporter import Exporter
from tcpwatch.serve.orders import orders

from .authority import Authority, Signed
from .stand import HOST, Stand
from .test_tls import spoken, trusting
from .test_users import basic


def put(path: Path, content: bytes) -> None:
    """As everybody should who renews a file: never half of it."""
    aside = path.with_suffix(".new")
    aside.write_bytes(content)
    os.replace(aside, path)


def name_of(stand: Stand, authority: Authority) -> str:
    """Of the certificate that the server shows now."""
    with stand.connect() as sock, trusting(authority).wrap_socket(sock, server_hostname=HOST) as secured:
        certificate = secured.getpeercert()
    assert certificate
    return str(certificate["subject"][0][0][1])


def test_a_renewed_certificate(authority: Authority, tmp_path: Path, config: Path) -> None:
    """The next handshake shows it. Between the two files nothing breaks, and it is said once."""
    one, other = authority.sign("one"), authority.sign("other")
    certificate, key = tmp_path / "current.pem", tmp_path / "current.key"
    put(certificate, one.certificate.read_bytes())
    put(key, one.key.read_bytes())
    config.write_text(spoken(Signed(certificate, key)))
    with Stand("--web.config.file", str(config)) as stand:
        assert name_of(stand, authority) == "one"
        put(certificate, other.certificate.read_bytes())
        assert [name_of(stand, authority) for _ in range(3)] == ["one"] * 3
        put(key, other.key.read_bytes())
        assert [name_of(stand, authority) for _ in range(3)] == ["other"] * 3
        mismatch, again = stand.said
    assert "key values mismatch; what was read before holds on" in mismatch
    assert again.endswith("was read again")


def test_users(config: Path, hashed: str) -> None:
    """Who is gone is out with the next request, also on a connection that is kept."""
    config.write_text(f"basic_auth_users: {{alice: {hashed}}}")
    alice, bob = basic("alice", "open sesame"), basic("bob", "shut")
    with Stand("--web.config.file", str(config)) as stand:
        assert stand.get(Authorization=alice).status == 200
        other = bcrypt.hashpw(b"shut", bcrypt.gensalt(4)).decode()
        put(config, f"basic_auth_users: {{bob: {other}}}".encode())
        assert stand.get(Authorization=alice).status == 401
        assert stand.get(Authorization=bob).status == 200
        put(config, f"basic_auth_users: {{bob: {hashed}}}".encode())
        assert stand.get(Authorization=bob).status == 401


@pytest.mark.parametrize("broken", [b"basic_auth_users: {alice: open}", b"nonsense", b"\xff\xfe", b"", None])
def test_a_broken_file_changes_nothing(config: Path, hashed: str, broken: bytes | None) -> None:
    """What was read before holds on, and that is said once; what is repaired counts again."""
    good = f"basic_auth_users: {{alice: {hashed}}}".encode()
    config.write_bytes(good)
    alice = basic("alice", "open sesame")
    with Stand("--web.config.file", str(config)) as stand:
        if broken is None:
            config.unlink()
        else:
            put(config, broken)
        for _ in range(5):
            assert stand.get(Authorization=alice).status == 200
            assert stand.get().status == 401
        assert len(stand.said) == 1
        assert str(config) in stand.said[0]
        assert "what was read before holds on" in stand.said[0]
        put(config, good + b" ")
        assert stand.get(Authorization=alice).status == 200
        assert stand.said[1:] == [f"{config} was read again"]


def test_a_file_that_another_one_names(authority: Authority, server: Signed, tmp_path: Path, config: Path) -> None:
    """It is looked at as soon as it is named, also where it was broken at first."""
    config.write_text(spoken(server))
    later = authority.sign("later")
    certificate = tmp_path / "later.pem"
    with Stand("--web.config.file", str(config)) as stand:
        put(config, spoken(Signed(certificate, later.key)).encode())
        assert name_of(stand, authority) == "server"
        put(certificate, later.certificate.read_bytes())
        assert name_of(stand, authority) == "later"
    assert [line.rpartition(" ")[2] for line in stand.said] == ["on", "again"]


def test_tls_is_not_switched(server: Signed, authority: Authority, hashed: str, config: Path) -> None:
    """Neither off nor on: clients know one URL."""
    config.write_text(spoken(server))
    with Stand("--web.config.file", str(config)) as stand:
        put(config, f"basic_auth_users: {{alice: {hashed}}}".encode())
        assert stand.get(tls=trusting(authority)).status == 200
        assert "cannot be switched on or off" in stand.said[0]
    with Stand("--web.config.file", str(config)) as stand:
        put(config, spoken(server).encode())
        assert stand.get(Authorization=basic("alice", "open sesame")).status == 200
        with pytest.raises(ssl.SSLError):
            stand.get(tls=trusting(authority))


def test_an_open_door(config: Path, hashed: str) -> None:
    """Addresses that others reach are protected, or said to be open; and a new file cannot open them either."""

    def opened(*arguments: str) -> Exporter:
        options = flags.parse(["serve", "--web.listen-address", "0.0.0.0:0", *arguments])
        return Exporter(orders(options), tuple, print)

    with pytest.raises(UsageError, match=r"0\.0\.0\.0:0 everybody") as raised:
        opened()
    assert "--web.config.file" in raised.value.cure
    assert "--web.allow-insecure" in raised.value.cure
    config.write_text("")
    with pytest.raises(UsageError):
        opened("--web.config.file", str(config))
    opened("--web.allow-insecure").stop()
    config.write_text(f"basic_auth_users: {{alice: {hashed}}}")
    opened("--web.config.file", str(config)).stop()
    with Stand("--web.config.file", str(config), "--web.listen-address", "0.0.0.0:0") as stand:
        assert len(stand.exporter.urls) == 2
        put(config, b"")
        assert stand.get().status == 401
        assert "cannot be switched off" in stand.said[0]
