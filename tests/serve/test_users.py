"""Who gets in with which password, and what does guessing cost? Over real HTTP, with hashes of htpasswd and bcrypt."""

import base64
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest

from tcpwatch.serve.users import Users, Verdict

from .stand import DEADLINE_S, Stand


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_passwords(config: Path, hashed: str) -> None:
    """Everything is behind them, and it does not matter what of the two was wrong."""
    config.write_text(f"basic_auth_users:\n  prometheus: {hashed}\n  no: {hashed}\n")
    with Stand("--web.config.file", str(config)) as stand:
        for name in ("prometheus", "no"):
            for path in ("/metrics", "/", "/-/healthy"):
                assert stand.get(path, Authorization=basic(name, "open sesame")).status == 200
        for wrong in (
            *(basic("prometheus", "open"), basic("prometheus", ""), basic("nobody", "open sesame")),
            *(basic("", ""), basic("prometheus", "open sesame\0"), basic("prometheus", "x" * 10_000)),
            *(
                "Basic",
                "Basic !!",
                "Basic cHJvbWV0aGV1cw==",
                "Bearer x",
                "Basic " + base64.b64encode(b"\xff:").decode(),
            ),
        ):
            got = stand.get(Authorization=wrong)
            assert (got.status, got.body) == (401, b"Unauthorized\n")
            assert got.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert stand.get("/nothing").status == 401
        assert stand.said == []


def test_hashes_of_htpasswd(config: Path) -> None:
    """As exporter-toolkit's manual has people make them; of a long password the first 72 bytes count, as everywhere."""
    made = subprocess.run(
        ["htpasswd", "-nbBC", "4", "prometheus", "p" * 72], capture_output=True, text=True, check=True, timeout=60
    )
    name, _, hashed = made.stdout.strip().partition(":")
    assert hashed.startswith("$2y$04$")
    config.write_text(f"basic_auth_users: {{{name}: {hashed}}}\n")
    with Stand("--web.config.file", str(config)) as stand:
        assert stand.get(Authorization=basic("prometheus", "p" * 72)).status == 200
        assert stand.get(Authorization=basic("prometheus", "p" * 100)).status == 200
        assert stand.get(Authorization=basic("prometheus", "p" * 71)).status == 401


def test_headers(config: Path) -> None:
    """Those of the file are on every answer."""
    config.write_text(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n"
    )
    with Stand("--web.config.file", str(config)) as stand:
        for path in ("/metrics", "/", "/nothing"):
            got = stand.get(path)
            assert (got.headers["X-Frame-Options"], got.headers["X-Content-Type-Options"]) == ("deny", "nosniff")
        assert b"\r\nx-frame-options: deny\r\n" in stand.raw(b"nonsense\r\n\r\n").lower()


@pytest.fixture
def costly() -> bytes:
    """A hash that takes some tenths of a second to check."""
    return bcrypt.hashpw(b"open sesame", bcrypt.gensalt(11))


@pytest.mark.usefixtures("undisturbed")
def test_the_same_password_is_checked_once(costly: bytes) -> None:
    """Even if all ask at the same moment, and then it is known."""
    users, gate = Users(), threading.Barrier(100)

    def judge(_: int) -> Verdict:
        gate.wait(DEADLINE_S)
        return users.judge(basic("prometheus", "open sesame"), {"prometheus": costly})

    begin = time.process_time()
    bcrypt.checkpw(b"open sesame", costly)
    once = time.process_time() - begin
    begin = time.process_time()
    with ThreadPoolExecutor(100) as pool:
        assert set(pool.map(judge, range(100))) == {Verdict.ADMITTED}
    assert users.judge(basic("prometheus", "open sesame"), {"prometheus": costly}) is Verdict.ADMITTED
    assert time.process_time() - begin < 20 * once


def test_guessing(costly: bytes) -> None:
    """It keeps one core busy at most, the others are turned away; who is known gets in meanwhile."""
    users, hashes = Users(), {"prometheus": costly}
    assert users.judge(basic("prometheus", "open sesame"), hashes) is Verdict.ADMITTED
    verdicts: list[Verdict] = []
    guesses = [
        threading.Thread(target=lambda n=n: verdicts.append(users.judge(basic("prometheus", f"guess {n}"), hashes)))
        for n in range(30)
    ]
    for guess in guesses:
        guess.start()
    for _ in range(23):
        assert users.judge(basic("prometheus", "open sesame"), hashes) is Verdict.ADMITTED
    for guess in guesses:
        guess.join()
    assert set(verdicts) == {Verdict.REFUSED, Verdict.BUSY}
    assert verdicts.count(Verdict.REFUSED) >= 16


def test_another_password_is_another_hash(hashed: str) -> None:
    """What was known of the old one does not count."""
    users = Users()
    assert users.judge(basic("a", "open sesame"), {"a": hashed.encode()}) is Verdict.ADMITTED
    other = bcrypt.hashpw(b"shut", bcrypt.gensalt(4))
    assert users.judge(basic("a", "open sesame"), {"a": other}) is Verdict.REFUSED
    assert users.judge(basic("a", "open sesame"), {}) is Verdict.REFUSED
