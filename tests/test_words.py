"""Is what comes from outside harmless as text, and as wide as it is said to be?"""

import unicodedata

import pytest
from rich.cells import cell_len

from tcpwatch import words


def test_nothing_invisible_and_nothing_that_turns_a_line_around_is_left() -> None:
    """Controls and format characters of all of Unicode, each in place of one; an Arabic number's sign may be seen."""
    seen = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert words.clean("a\u202eb") == "a?b"
    left = [c for c in seen if words.clean(c) != "?"]
    assert {unicodedata.bidirectional(c) for c in left} <= {"AN", "AL", "L"}, [hex(ord(c)) for c in left]


@pytest.mark.parametrize("text", ["plain", "數據庫", "e\u0301", "กี่", "हिन्दी", "a\u20dd", "⚙️"])
def test_as_wide_as_a_terminal_draws_it(text: str) -> None:
    """Marks above and below a letter take no cell of their own, of whatever class they are."""
    assert words.width(text) == sum(map(cell_len, text))
