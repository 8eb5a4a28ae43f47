"""Is docs/filters.md what the program itself says?"""

import re
import subprocess
import sys
from pathlib import Path

from tcpwatch.filter import FIELDS, parse

PAGE = Path(__file__).parents[2] / "docs" / "filters.md"


def test_page_is_up_to_date() -> None:
    """The page is what `python -m tcpwatch.filter` prints."""
    done = subprocess.run([sys.executable, "-m", "tcpwatch.filter"], capture_output=True, text=True, check=True)
    assert PAGE.read_text(encoding="utf-8") == done.stdout


def test_examples_work() -> None:
    """Every filter the page shows is one."""
    page = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"`((?:rtt|port|dport|comm|state|not|dst) [^`]*[a-z0-9*)'])`", page)
    shown = [text for text in shown if not re.search(r"\b[A-Z]{2,}\b|X", text)]
    assert len(shown) >= 9
    for text in shown:
        parse(text)


def test_every_field_is_explained() -> None:
    """The table has a line for each field."""
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{field.name}` |" in page for field in FIELDS)
