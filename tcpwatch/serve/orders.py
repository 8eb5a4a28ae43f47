"""What was asked for, in the exporter's terms: addresses, labels, networks. Anything that makes no sense is said here,
before something is attached or opened."""

import re
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from tcpwatch.errors import UsageError
from tcpwatch.metrics import networks
from tcpwatch.metrics.metric import SERVICE
from tcpwatch.metrics.networks import Network
from tcpwatch.serve import address
from tcpwatch.serve.address import Address
from tcpwatch.serve.site import CONNECTIONS, HEALTHY, READY

_PATH = re.compile(r"/[A-Za-z0-9/._~!$&'()*+,;=:@-]*")
_LEAST_SERIES = 50  # a histogram of one label set takes nearly half of it


@dataclass(frozen=True, slots=True)
class Orders:
    """open_to_all: somebody said that it may be. config: None: no file."""

    addresses: tuple[Address, ...]
    path: str
    config: Path | None
    max_requests: int
    open_to_all: bool
    labels: tuple[str, ...]
    networks: tuple[Network, ...]
    max_series: int
    push_to: str  # "": nowhere
    push_interval_s: float


def orders(options: Namespace) -> Orders:
    """options: as serve.options has them. Raises UsageError."""
    if not _PATH.fullmatch(options.path):
        raise UsageError(f"--web.telemetry-path {options.path!r} is no path", "it begins with a /: /metrics")
    if options.path in (HEALTHY, READY, CONNECTIONS):
        raise UsageError(f"--web.telemetry-path {options.path}: something else is there already", "use /metrics")
    if len(options.groups) > networks.MOST:
        raise UsageError(f"more than {networks.MOST} networks are too many for a label")
    if options.max_series < _LEAST_SERIES:
        raise UsageError(f"--max-series {options.max_series} is too few", f"{_LEAST_SERIES} is the least")
    return Orders(
        tuple(map(address.resolve, options.listen or [address.DEFAULT])),
        options.path,
        Path(options.web_config) if options.web_config else None,
        options.max_requests,
        options.insecure,
        _labels(options.labels),
        tuple(map(networks.parse, options.groups)),
        options.max_series,
        options.otlp,
        options.otlp_interval,
    )


def _labels(text: str | None) -> tuple[str, ...]:
    """In the catalogue's order."""
    if text is None:
        return SERVICE
    chosen = [label.strip() for label in text.split(",") if label.strip()]
    for label in chosen:
        if label not in SERVICE:
            raise UsageError(f"--labels: {label!r} is none of {', '.join(SERVICE)}")
    return tuple(label for label in SERVICE if label in chosen)
