"""What holds for all tests of the screen."""

import pytest

from tcpwatch.tui.status import Status


@pytest.fixture(autouse=True)
def messages_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until there is another one. After six seconds they would go, and a busy machine may take longer to look."""
    monkeypatch.setattr(Status, "_hush", lambda status, said: None)
