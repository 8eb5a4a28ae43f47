"""What could be done about local ports that run out, in numbers for one destination, and the sysctls that decide. Draws
what it is shown; nothing is changed from here."""

from math import ceil, isnan
from typing import TYPE_CHECKING

import numpy as np
from textual.strip import Strip
from textual.widget import Widget

from tcpwatch import words
from tcpwatch.tracker.exhaustion import TIME_WAIT_S, outlook_s
from tcpwatch.tracker.view import View
from tcpwatch.tui import units
from tcpwatch.tui.lines import Line, strip

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

_SYSCTLS = (
    "ip_local_port_range",
    "ip_local_reserved_ports",
    "tcp_tw_reuse",
    "tcp_timestamps",
    "tcp_max_tw_buckets",
    "tcp_fin_timeout",
)
_WIDEST = (1024, 65535)
_REQUESTS = 10  # that one connection might carry, for an example
_HEAD = 17


class Remedies(Widget):
    DEFAULT_CSS = "Remedies { height: 9; padding: 0 1; background: $surface; }"

    app: "TcpwatchApp"

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def show(self, view: View, line: int | None) -> None:
        """line: of the view's ports; None: there is none."""
        self.lines = [] if line is None else explained(view, line)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        line = self.lines[y] if y < len(self.lines) else ()
        return strip(line, self.size.width, self.app.palette).apply_style(self.rich_style)


def explained(view: View, line: int) -> list[Line]:
    """Nine lines about one of the view's lines of ports, the most important words first."""
    one = view.ports[line]
    values = view.settings.get(int(one["netns"]), {})
    settings = {name: words.clean(values.get(f"net.ipv4.{name}", "")) for name in _SYSCTLS}
    sysctls = [f"{name} {value or units.UNKNOWN}" for name, value in settings.items()]
    rest = [
        ("wider range", _wider(view, line, settings["ip_local_port_range"])),
        ("tcp_tw_reuse=1", _reuse(view, line, settings)),
        ("more addresses", _addresses(view, line)),
        ("reuse them", _pooling(view, line)),
        ("bind() late", _late_bind(view, one)),
        ("no remedy", f"tcp_fastopen: saves time, not ports; tcp_fin_timeout: TIME_WAIT lasts {TIME_WAIT_S} s anyway"),
    ]
    lines: list[Line] = [[(_title(one), "bright")]]
    lines += [[("  ".join(sysctls[at : at + 3]), "dim")] for at in (0, 3)]
    return lines + [[(head.ljust(_HEAD), "info"), (text, "plain")] for head, text in rest]


def _title(one: np.void) -> str:
    to = words.endpoint(one["raddr"].tobytes(), int(one["rport"]))
    said = f"{words.address(one['laddr'].tobytes())} → {to}: {_ports(float(one['used']))} used"
    if one["reusable"]:
        said += f", {one['reusable']:,.0f} of them may be reused"
    return f"{said}; {_ends(float(one['exhausted_s']), float(one['taken']))}"


def _ends(seconds: float, taken: float) -> str:
    """Whether and when none is left, at the present rate."""
    if isnan(seconds):
        return "rate unknown" if isnan(taken) else "never exhausted"
    return "exhausted" if not seconds else f"exhausted in {units.duration(seconds * 1000)}"


def _outlook(view: View, line: int, **change: float) -> str:
    reuse = bool(change.pop("reuse", False))
    return _ends(outlook_s(view, line, reuse=reuse, **change), float(view.ports["taken"][line]))


def _wider(view: View, line: int, present: str) -> str:
    ports = float(view.ports["ports"][line])
    if isnan(ports):
        return units.UNKNOWN
    low, high = (int(word) for word in present.split())
    more = (high - low + 1 != _WIDEST[1] - _WIDEST[0] + 1) * max(0, low - _WIDEST[0] + _WIDEST[1] - high)
    if not more:
        return "it is as wide as it can be"
    times = f"{_times((ports + more) / ports)} as many" if ports else "more than none"
    return f"{_outlook(view, line, more=more)} with {_WIDEST[0]}-{_WIDEST[1]}: {_ports(ports + more)}, {times}"


def _ports(count: float) -> str:
    """`1 port`, `28,232 ports`."""
    return units.whole(count) + (" port" if count == 1 else " ports")


def _times(ratio: float) -> str:
    """`2.3×`, `701×`."""
    return f"{ratio:.1f}×" if ratio < 9.95 else f"{ratio:,.0f}×"


def _reuse(view: View, line: int, settings: dict[str, str]) -> str:
    one = view.ports[line]
    if settings["tcp_tw_reuse"] == "1" or one["reusable"]:
        return "is in effect for this destination"
    if settings["tcp_timestamps"] == "0":
        return "needs tcp_timestamps=1 on both sides"
    return f"{_outlook(view, line, reuse=True)}: {one['time_wait']:,.0f} in TIME_WAIT would serve again after 1 s each"


def _addresses(view: View, line: int) -> str:
    one = view.ports[line]
    if isnan(float(one["ports"])):
        return units.UNKNOWN
    said = f"{_outlook(view, line, more=float(one['ports']))} with one more, of {_ports(float(one['ports']))}"
    lasting = float(one["taken"]) * TIME_WAIT_S
    if lasting > one["ports"] > 0:
        said += f"; the present rate needs {ceil(lasting / float(one['ports']))} in all"
    return said


def _pooling(view: View, line: int) -> str:
    rate = float(view.ports["rate"][line])
    if isnan(rate):
        return "keep-alive or a pool: no new port per request"
    held, fewer = rate * TIME_WAIT_S, rate * TIME_WAIT_S / _REQUESTS
    return (
        f"{_outlook(view, line, rate=1 / _REQUESTS)} with {_REQUESTS} requests per connection: {_ports(round(fewer))} "
        f"held for {TIME_WAIT_S} s, not {held:,.0f}"
    )


def _late_bind(view: View, one: np.void) -> str:
    ports = view.ports
    ours = (ports["netns"] == one["netns"]) & (ports["laddr"] == one["laddr"]).all(1)
    others, total = int(np.count_nonzero(ours)), float(ports["used"][ours].sum())
    if others < 2:
        return "no other destination shares these ports: programs that bind() an address would not change that"
    return (
        f"{total:,.0f} → {one['used']:,.0f} ports count: programs that bind() an address share the range among "
        f"{others:,} destinations, but for IP_BIND_ADDRESS_NO_PORT"
    )
