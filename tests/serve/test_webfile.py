"""Is the format of exporter-toolkit understood, and does what is wrong with a file say so? The words are those of
Prometheus' own manual."""

import subprocess
from pathlib import Path

import pytest

from tcpwatch.errors import UsageError
from tcpwatch.serve import tls
from tcpwatch.serve.webfile import Pem, WebFile, read

from .authority import Authority, Signed

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
WHOLE = f"""
# As in the manual, with everything in it
tls_server_config:
  cert_file: server.crt
  key_file: /etc/keys/server.key
  client_auth_type: "RequireAndVerifyClientCert"
  client_ca_file: "ca.crt"
  client_allowed_sans:
    - prometheus.example
    - 192.0.2.1
  min_version: "TLS12"
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    - TLS_AES_128_GCM_SHA256
    - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
  prefer_server_cipher_suites: false
  curve_preferences: [X25519]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: deny
    Content-Security-Policy: ""
basic_auth_users:
  alice: {HASH}
  no: "{HASH}"
  123: '{HASH}'
"""


def test_everything(config: Path, tmp_path: Path) -> None:
    """Relative names are in the directory of the file; what is empty says nothing."""
    config.write_text(WHOLE)
    said = read(config)
    assert said.headers == (("Strict-Transport-Security", "max-age=31536000"), ("X-Frame-Options", "deny"))
    assert said.users == dict.fromkeys(("alice", "no", "123"), HASH.encode())
    assert said.tls is not None
    assert said.tls.certificate == Pem(tmp_path / "server.crt")
    assert said.tls.key == Pem(Path("/etc/keys/server.key"))
    assert said.tls.client_ca == Pem(tmp_path / "ca.crt")
    assert said.tls.allowed_names == frozenset(("prometheus.example", "192.0.2.1"))
    assert said.tls.ciphers == ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")
    assert (said.tls.lowest, said.tls.highest, said.tls.curve, said.tls.prefers_own) == (
        *("TLS12", "TLS13"),
        *("X25519", False),
    )
    assert HASH not in repr(said)


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "{}", "tls_server_config:\nbasic_auth_users:\n"])
def test_nothing(config: Path, text: str) -> None:
    """Plain HTTP for everybody, as without a file."""
    config.write_text(text)
    assert read(config) == WebFile()


TLS = "tls_server_config: {cert_file: a, key_file: b, "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls_server_config:\n\tcert_file: a", "line 2"),
        ("tls: {}", "'tls' is no word of the file"),
        ("- a", "the file should hold"),
        ("a: b: c", "line 1"),
        ("tls_server_config: here", "tls_server_config should hold"),
        ("tls_server_config: {cert: a, keyfile: b}", "'keyfile' is no word of tls_server_config"),
        ("tls_server_config: {cert_file: a}", "needs key_file"),
        ("tls_server_config: {key_file: a}", "needs cert_file"),
        ("tls_server_config: {client_auth_type: NoClientCert}", "needs cert_file"),
        (TLS + "cert: c}", "cert and cert_file"),
        (TLS + "cert_file: c}", "'cert_file' is there twice"),
        (TLS + "client_auth_type: RequireAndVerifyClientCert}", "needs client_ca_file"),
        (TLS + "client_ca_file: c}", "needs client_auth_type"),
        (TLS + "client_auth_type: RequireAnyClientCert}", "believes every certificate"),
        (TLS + "client_auth_type: Sometimes}", "'Sometimes' is none of NoClientCert"),
        (TLS + "client_allowed_sans: [x]}", "client_allowed_sans needs"),
        (TLS + "client_allowed_sans: x}", "client_allowed_sans is a list"),
        (TLS + "min_version: TLS14}", "'TLS14' is none of TLS10"),
        (TLS + "min_version: TLS13, max_version: TLS12}", "above max_version"),
        (TLS + "min_version: [TLS13]}", "min_version is one value"),
        (TLS + "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}", "'TLS_RSA_WITH_RC4_128_SHA' is none of"),
        (TLS + "cipher_suites: [TLS_AES_128_GCM_SHA256]}", "names none for TLS 1.2"),
        (TLS + "curve_preferences: [CurveP255]}", "'CurveP255' is none of CurveP256"),
        (TLS + "curve_preferences: [CurveP256, X25519]}", "one can be named here"),
        (TLS + "prefer_server_cipher_suites: maybe}", "true or false"),
        ("http_server_config: {http3: true}", "'http3' is no word"),
        ("http_server_config: {http2: 1}", "true or false"),
        ("http_server_config: {headers: {X-Powered-By: us}}", "'X-Powered-By' is no word of headers"),
        ("http_server_config: {headers: {X-Frame-Options: allow}}", "deny or sameorigin"),
        ('http_server_config: {headers: {X-XSS-Protection: "0\\r\\nX: y"}}', "no header may have"),
        ("basic_auth_users: {alice: secret}", "'alice' is no bcrypt hash"),
        ("basic_auth_users: [alice]", "basic_auth_users should hold"),
        (f"basic_auth_users: {{alice: {HASH}, alice: {HASH}}}", "'alice' is there twice"),
        (f"basic_auth_users: {{'a:b': {HASH}}}", "it has a colon"),
        (f"basic_auth_users: {{alice: {HASH[:-1]}}}", "no bcrypt hash"),
        (f"basic_auth_users: {{[a, b]: {HASH}}}", "is no name"),
        ("rate_limit: {interval: 1s}", "'rate_limit' is no word of the file"),
        ("&a [*a]", "recursive"),
        ("!!python/object/apply:os.system [true]", "the file should hold"),
        ("[" * 600, "nested too deeply"),
        ("\0", "web.yml"),
        ("\xff", "the file should hold"),
        ("x" * 2_000_000, "larger than"),
    ],
)
def test_mistakes(config: Path, text: str, said: str) -> None:
    """Where it is, and what is wrong; exit code 2."""
    config.write_text(text)
    with pytest.raises(UsageError) as raised:
        read(config)
    assert said in raised.value.what
    assert str(config) in raised.value.what


def test_another_encoding(config: Path) -> None:
    """Two bytes of UTF-16 would be an empty file, and that lets everybody in."""
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="byte 0 is no UTF-8"):
        read(config)


def test_files_that_are_not_there(config: Path, tmp_path: Path, server: Signed, authority: Authority) -> None:
    """Or are something else: which of them it is."""
    with pytest.raises(UsageError, match="No such file"):
        read(config)
    with pytest.raises(UsageError, match="Is a directory"):
        read(tmp_path)
    stranger, rubbish, absent = Authority(tmp_path, "stranger"), tmp_path / "rubbish.pem", tmp_path / "absent.pem"
    rubbish.write_text("rubbish")
    for certificate, key, authorities, said in (
        (absent, server.key, authority.certificate, "cert_file .*absent.pem: No such file"),
        (server.certificate, absent, authority.certificate, "key_file .*absent.pem: No such file"),
        (server.certificate, server.key, absent, "client_ca_file .*absent.pem: No such file"),
        (rubbish, server.key, authority.certificate, "rubbish.pem"),
        (server.certificate, rubbish, authority.certificate, "rubbish.pem"),
        (server.certificate, server.key, rubbish, "rubbish.pem"),
        (stranger.certificate, server.key, authority.certificate, "key values mismatch"),
    ):
        config.write_text(
            f"tls_server_config: {{cert_file: {certificate}, key_file: {key}, "
            f"client_ca_file: {authorities}, client_auth_type: RequireAndVerifyClientCert}}"
        )
        found = read(config).tls
        assert found
        with pytest.raises(UsageError, match=said):
            tls.context(found)


def test_a_key_with_a_password(config: Path, server: Signed, tmp_path: Path) -> None:
    """Nobody is there to type it: it is an error, not a question on the terminal."""
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", str(server.key), "-aes256", "-passout", "pass:open sesame", "-out", str(locked)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    config.write_text(f"tls_server_config: {{cert_file: {server.certificate}, key_file: {locked}}}")
    found = read(config).tls
    assert found
    with pytest.raises(UsageError, match=r"locked\.key"):
        tls.context(found)
