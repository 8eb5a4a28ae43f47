"""Is docs/health.md what the rules say?"""

from pathlib import Path

from tcpwatch.health import guide


def test_the_page_is_up_to_date() -> None:
    """`python -m tcpwatch.health > docs/health.md` writes it."""
    page = Path(__file__).parents[2] / "docs" / "health.md"
    assert page.read_text() == guide.text()
