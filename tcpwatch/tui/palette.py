"""Which colours mean what: the themes, and the style of each role under the theme that is on. Knows nothing of what is
drawn with them."""

from collections.abc import Mapping
from functools import cache

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from tcpwatch.tui.columns import Role

DARK = Theme(
    name="tcpwatch-dark",
    primary="#6cb6ff",
    secondary="#8b9bb0",
    success="#86c79a",
    warning="#e3b341",
    error="#ff7b72",
    accent="#6cb6ff",
    foreground="#e8eef5",
    background="#0e131a",
    surface="#151c26",
    panel="#1c2633",
    dark=True,
)
LIGHT = Theme(
    name="tcpwatch-light",
    primary="#0a5fb4",
    secondary="#5a6877",
    success="#1a7444",
    warning="#8a5a00",
    error="#bf2633",
    accent="#0a5fb4",
    foreground="#10161d",
    background="#fbfcfd",
    surface="#f0f3f6",
    panel="#e2e8ee",
    dark=False,
)
SIXTEEN_DARK, SIXTEEN_LIGHT = "ansi-dark", "ansi-light"

_SOURCE: dict[Role, str] = {"good": "success", "warn": "warning", "bad": "error", "info": "primary"}
_SHADES: dict[Role, float] = {"dim": 0.55, "title": 0.7, "plain": 0.82}  # of the way to the foreground


class Palette:
    """Styles by role for one theme. variables: the theme's, by name. ansi: the terminal's own 16 colours, where shades
    are left to its bold and faint. colour: False where the user wants none; then only attributes carry a difference."""

    def __init__(self, variables: Mapping[str, str], ansi: bool, colour: bool) -> None:
        self._variables = variables
        self._ansi = ansi
        self._colour = colour
        self.style = cache(self._style)

    def _style(self, role: Role, cursor: bool = False) -> Style:
        style = self._role(role)
        if not cursor:
            return style
        if self._ansi or not self._colour:
            return Style(bold=True, reverse=True)
        return style + Style(bgcolor=self._mixed("background", "primary", 0.22))

    def _role(self, role: Role) -> Style:
        if role == "dim" and self._ansi:
            return Style(dim=True)
        bold = role in ("bright", "bad") or (self._ansi and role == "fresh")
        if not self._colour:
            return Style(bold=bold)
        if role in _SHADES and not self._ansi:
            return Style(color=self._mixed("background", "foreground", _SHADES[role]))
        return Style(color=self._colour_of(_SOURCE.get(role, "foreground")).rich_color, bold=bold)

    def _colour_of(self, name: str) -> Color:
        return Color.parse(self._variables[name])

    def _mixed(self, under: str, over: str, share: float) -> str:
        return self._colour_of(under).blend(self._colour_of(over), share).hex6


def default_theme(color_system: str | None, colour: bool) -> str:
    """color_system: as rich detects it; 16 colours are the terminal's own, its user chose them."""
    few = color_system in (None, "standard", "windows")
    return SIXTEEN_DARK if few or not colour else DARK.name
