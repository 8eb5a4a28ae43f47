"""Certificates that several tests share: making them takes longer than using them."""

from pathlib import Path

import bcrypt
import pytest

from .authority import Authority, Signed


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def server(authority: Authority) -> Signed:
    return authority.sign("server")


@pytest.fixture(scope="session")
def client(authority: Authority) -> Signed:
    return authority.sign("client", "DNS:prometheus.example,URI:spiffe://example/prometheus")


@pytest.fixture(scope="session")
def hashed() -> str:
    """Of the password `open sesame`, cheap to check."""
    return bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where a web configuration file may be written."""
    return tmp_path / "web.yml"
