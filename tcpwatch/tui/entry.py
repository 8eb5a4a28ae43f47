"""A line to type into, whatever is pasted there: it shows what it holds as `words.clean` has it. Knows nothing of what
is typed."""

from textual.widgets import Input

from tcpwatch import words


class Entry(Input):
    def validate_value(self, value: str) -> str:
        """Textual would hand characters that turn the line around to the terminal, and count no cell for them."""
        return words.clean(value)
