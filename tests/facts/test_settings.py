import pytest

from tcpwatch.kernel import sysctls
from tcpwatch.kernel.settings import Settings


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the sysctls are now."""
    present = {"net.core.somaxconn": "4096"}
    monkeypatch.setattr(sysctls, "read", lambda: dict(present))
    return present


def test_only_news_is_told(values: dict[str, str]) -> None:
    """Each namespace once, and again when something was set; never more often than every 10 s."""
    settings = Settings()
    settings.look(7, 100.0)
    assert settings.take() == ((7, (("net.core.somaxconn", "4096"),)),)
    settings.look(7, 111.0)
    assert settings.take() == ()
    values["net.core.somaxconn"] = "128"
    settings.look(7, 112.0)
    assert settings.take() == ()
    settings.look(7, 122.0)
    assert settings.take() == ((7, (("net.core.somaxconn", "128"),)),)


def test_a_number_that_comes_back_is_another_namespace(values: dict[str, str]) -> None:
    settings = Settings()
    settings.look(7, 100.0)
    settings.take()
    settings.forget_all_but({8})
    settings.look(7, 101.0)
    assert [netns for netns, _ in settings.take()] == [7]
