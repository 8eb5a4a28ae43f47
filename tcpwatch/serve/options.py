"""Which options are the exporter's alone? Those that begin with `--web.` are named, and mean, what they do in
Prometheus' own exporters. Imports nothing: whoever asks for help should not wait."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

TAKING = (
    *("--web.listen-address", "--web.telemetry-path", "--web.config.file", "--web.max-requests"),
    *("--group", "--labels", "--max-series", "--otlp", "--otlp-interval"),
)
"""Those that take a value."""
_MOST = 1_000_000


def add(option: Callable[..., Any]) -> None:
    """option: a parser's add_argument."""
    option(
        "--web.listen-address",
        dest="listen",
        action="append",
        metavar="ADDRESS",
        help="where to answer: 127.0.0.1:9465 (the default), [::1]:9465, or :9465 for every address; repeatable",
    )
    option("--web.telemetry-path", dest="path", default="/metrics", metavar="PATH", help="default /metrics")
    option(
        "--web.config.file",
        dest="web_config",
        default="",
        metavar="FILE",
        help="TLS, client certificates and passwords, as all exporters of Prometheus have them; see docs/serve.md",
    )
    option(
        "--web.max-requests",
        dest="max_requests",
        type=_number,
        default=40,
        metavar="N",
        help="scrapes answered at once (default 40; 0: no limit)",
    )
    option(
        "--web.allow-insecure",
        dest="insecure",
        action="store_true",
        help="answer everybody who reaches the address, without TLS and without a password",
    )
    option(
        "--group",
        dest="groups",
        action="append",
        default=[],
        metavar="CIDR=NAME",
        help="what the label network says of remote addresses there: 10.0.0.0/8=internal; repeatable",
    )
    option("--labels", metavar="A,B", help="only these labels of a connection; numbers are added up over the others")
    option(
        "--max-series",
        type=_number,
        default=1000,
        metavar="N",
        help="of each metric; what exceeds them is counted in one series named other (default 1000)",
    )
    option("--otlp", default="", metavar="URL", help="push to an OpenTelemetry collector, too: http://127.0.0.1:4318")
    option(
        "--otlp-interval",
        type=_seconds,
        default=15.0,
        metavar="S",
        help="how often to push (default 15 s)",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400:
        raise ArgumentTypeError(f"{text!r} is not between 1 and 86400 seconds")
    return seconds


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST:
        raise ArgumentTypeError(f"{text!r} is not between 0 and {_MOST}")
    return int(text)
