"""Who gets in where TLS is spoken, and does anybody hold up the others by speaking it badly? Real handshakes."""

import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tcpwatch.serve.limits import Limits

from .authority import Authority, Signed
from .stand import DEADLINE_S, HOST, Stand, rest, until

HELLO = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def trusting(authority: Authority, client: Signed | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if client:
        context.load_cert_chain(client.certificate, client.key)
    return context


def spoken(server: Signed, *lines: str) -> str:
    more = "".join(f"  {line}\n" for line in lines)
    return f"tls_server_config:\n  cert_file: {server.certificate}\n  key_file: {server.key}\n{more}"


def test_tls(authority: Authority, server: Signed, config: Path) -> None:
    """The certificate is what the file says, and the URL begins with https."""
    config.write_text(spoken(server))
    with Stand("--web.config.file", str(config)) as stand:
        assert stand.exporter.urls == [f"https://{HOST}:{stand.port}/metrics"]
        for _ in range(3):
            assert stand.get(tls=trusting(authority)).status == 200
        assert stand.said == []


def test_files_beside_the_file_and_in_it(authority: Authority, server: Signed, tmp_path: Path, config: Path) -> None:
    """A relative name is one in the directory of the configuration; what is inline needs no file."""
    (tmp_path / "c.pem").write_bytes(server.certificate.read_bytes())
    (tmp_path / "k.pem").write_bytes(server.key.read_bytes())
    inline = "".join(
        f"  {word}: |\n" + "".join(f"    {line}\n" for line in path.read_text().splitlines())
        for word, path in (("cert", server.certificate), ("key", server.key), ("client_ca", authority.certificate))
    )
    for said in (
        "tls_server_config:\n  cert_file: c.pem\n  key_file: k.pem\n",
        f"tls_server_config:\n{inline}  client_auth_type: VerifyClientCertIfGiven\n",
    ):
        config.write_text(said)
        with Stand("--web.config.file", str(config)) as stand:
            assert stand.get(tls=trusting(authority)).status == 200


def test_plain_http_where_tls_is_spoken(server: Signed, config: Path) -> None:
    """Is told so, in words that the client understands."""
    config.write_text(spoken(server))
    with Stand("--web.config.file", str(config)) as stand:
        assert stand.raw(HELLO).endswith(b"this server speaks HTTPS\n")


def test_client_certificates(
    authority: Authority, server: Signed, client: Signed, config: Path, tmp_path: Path
) -> None:
    """Only with one that the authority signed; and why not is said, once."""
    stranger = Authority(tmp_path, "stranger").sign("client")
    auth = ("client_auth_type: RequireAndVerifyClientCert", f"client_ca_file: {authority.certificate}")
    config.write_text(spoken(server, *auth))
    with Stand("--web.config.file", str(config)) as stand:
        for _ in range(2):
            assert stand.get(tls=trusting(authority, client)).status == 200
            for other in (None, stranger):
                with pytest.raises(OSError):  # noqa: PT011 - reset or an alert, as the network has it
                    stand.get(tls=trusting(authority, other))
        until(lambda: len(stand.said) == 2)
    assert any("peer did not return a certificate" in line for line in stand.said)
    assert any("certificate verify failed" in line for line in stand.said)


@pytest.mark.parametrize(
    ("allowed", "status"), [("prometheus.example", 200), ("spiffe://example/prometheus", 200), ("example", None)]
)
def test_names_of_clients(
    authority: Authority, server: Signed, client: Signed, config: Path, allowed: str, status: int | None
) -> None:
    """client_allowed_sans: one of them, exactly."""
    config.write_text(
        spoken(
            server,
            "client_auth_type: RequireAndVerifyClientCert",
            f"client_ca_file: {authority.certificate}",
            f"client_allowed_sans: [other.example, '{allowed}']",
        )
    )
    with Stand("--web.config.file", str(config)) as stand:
        if status:
            assert stand.get(tls=trusting(authority, client)).status == status
        else:
            with pytest.raises(OSError):  # noqa: PT011
                stand.get(tls=trusting(authority, client))
            until(lambda: any("client_allowed_sans" in line for line in stand.said))


def test_versions_and_ciphers(authority: Authority, server: Signed, config: Path) -> None:
    """What is not allowed is not spoken."""
    config.write_text(spoken(server, "min_version: TLS13"))
    old = trusting(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with Stand("--web.config.file", str(config)) as stand:
        assert stand.get(tls=trusting(authority)).status == 200
        with pytest.raises(ssl.SSLError):
            stand.get(tls=old)
    cipher = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    config.write_text(
        spoken(server, "max_version: TLS12", f"cipher_suites: [{cipher}]", "curve_preferences: [CurveP384]")
    )
    with (
        Stand("--web.config.file", str(config)) as stand,
        stand.connect() as sock,
        trusting(authority).wrap_socket(sock, server_hostname=HOST) as secured,
    ):
        assert secured.cipher() == ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256)


@pytest.mark.usefixtures("undisturbed")
def test_a_handshake_that_stalls(authority: Authority, server: Signed, config: Path) -> None:
    """Nobody else waits for it, and it ends."""
    config.write_text(spoken(server))
    with Stand("--web.config.file", str(config), limits=Limits(request_s=3)) as stand:
        silent, half = stand.connect(), stand.connect()
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        until(lambda: stand.clients == 2)
        for _ in range(5):
            assert stand.get(tls=trusting(authority)).status == 200
        assert silent.recv(1) == half.recv(1) == b""
        until(lambda: stand.clients == 0)
        silent.close()
        half.close()
        assert stand.said == []


def test_stalled_handshakes_make_room(authority: Authority, server: Signed, config: Path) -> None:
    """However many there are."""
    config.write_text(spoken(server))
    with Stand("--web.config.file", str(config), limits=Limits(connections=23)) as stand:
        stalled = [stand.connect() for _ in range(60)]
        for one in stalled[::2]:
            with suppress(OSError):  # it was sent away already
                one.sendall(b"\x16\x03\x01\x02\x00\x01")
        until(lambda: stand.clients == 23)  # who was sent away is gone
        for _ in range(5):
            assert stand.get(tls=trusting(authority)).status == 200
        for one in stalled:
            one.close()


def test_it_says_goodbye(authority: Authority, server: Signed, config: Path) -> None:
    """A client that reads to the end can tell it from one that was cut off."""
    config.write_text(spoken(server))
    with (
        Stand("--web.config.file", str(config)) as stand,
        stand.connect() as sock,
        trusting(authority).wrap_socket(sock, server_hostname=HOST, suppress_ragged_eofs=False) as secured,
    ):
        secured.sendall(HELLO)
        assert rest(secured).endswith(b"healthy\n")


def test_it_ends_while_handshakes_are_under_way(server: Signed, config: Path) -> None:
    """At once."""
    config.write_text(spoken(server))
    stand = Stand("--web.config.file", str(config))
    with stand:
        stalled = [stand.connect() for _ in range(3)]
        stalled[0].sendall(b"\x16\x03\x01\x02\x00\x01")
        until(lambda: stand.clients == 3)
        begin = time.monotonic()
    assert time.monotonic() - begin < DEADLINE_S / 2
    until(lambda: stand.clients == 0)
    for one in stalled:
        one.close()
