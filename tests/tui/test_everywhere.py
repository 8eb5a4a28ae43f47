"""Do the keys that belong to no view work on every screen?"""

import pytest

from tcpwatch.tui.app import TcpwatchApp
from tcpwatch.tui.desk import Desk
from tcpwatch.tui.views import VIEWS

from . import picture
from .hand import hand, settled

pytestmark = pytest.mark.asyncio
ROWS = picture.connections(97)


class _Recording(TcpwatchApp):
    """Records nothing, and says that it does."""

    def __init__(
        self, feed: picture.Still, expression: str = "", *, loader: str = "", theme: str | None = None
    ) -> None:
        super().__init__(feed, expression, loader=loader, theme=theme, recorder=self)
        self.on = False

    def toggle(self) -> str:
        self.on = not self.on
        return "recording to x.tcpw" if self.on else "recorded"

    def progress(self) -> tuple[int, int] | None:
        return (23 * 10**9, 2300) if self.on else None

    def fault(self) -> str:
        return ""


@pytest.mark.parametrize("opened", ["enter", "question_mark"])
async def test_r_records_on_every_screen(opened: str) -> None:
    """What is looked at closely is what one wants to keep. The sign is there when the views are back."""
    async with hand(ROWS, app=_Recording) as h:
        await h.press(opened, "r")
        assert "recording to x.tcpw" in h.text()
        await h.press("escape")
        assert "● REC 00:00:23" in h.text()
        await h.press(opened, "r", "escape")
        assert "● REC" not in h.text()
        assert "recorded" in h.text()


@pytest.mark.parametrize(
    ("key", "by"), [("tab", 1), ("shift+tab", -1), *((str(i + 1), None) for i in range(len(VIEWS)))]
)
async def test_the_views_are_one_key_away_from_the_details(key: str, by: int | None) -> None:
    """The connection is not looked at any more then."""
    async with hand(ROWS) as h:
        before = h.app.desk.pulse.current
        await h.press("enter")
        assert h.feed.key is not None
        await h.press(key)
        assert h.feed.key is None
        assert h.app.screen is h.app.desk
        assert h.app.desk.pulse.current == ((before + by) % len(VIEWS) if by else int(key) - 1)
        assert h.app.desk.page.display


async def test_a_key_may_come_before_the_screen_is_there() -> None:
    """Whoever knows what to look for types it while the terminal is being set up."""
    app = TcpwatchApp(picture.Still(ROWS), theme="tcpwatch-dark")
    async with app.run_test() as pilot:
        await settled(pilot)
        app.desk = Desk()
        mounted = app.push_screen(app.desk)
        await app.desk.open_page(2)
        await mounted
        await settled(pilot)
        assert app.desk.pulse.current == 2
        assert app.desk.pages[2].display
