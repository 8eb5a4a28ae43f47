"""Which connections are behind a number? From the labels of a series to the filter that shows them, and a page of the
services that there are now. Shows no connection itself: who may read numbers need not see addresses."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tcpwatch import words
from tcpwatch.metrics.metric import OTHER, SERVICE, UNKNOWN
from tcpwatch.metrics.networks import Network
from tcpwatch.metrics.picture import Picture
from tcpwatch.serve import landing
from tcpwatch.serve.landing import safe

Labels = Mapping[str, str]

_SAID = (*SERVICE, "state", "verdict")  # labels that filters have words for
_MOST_ROWS, _MOST_NETWORKS = 1000, 32
_PORT = {"client": "dport", "server": "sport"}
_FAMILY = {"ipv4": "dst = 0.0.0.0/0", "ipv6": "dst != 0.0.0.0/0"}  # a mapped address is IPv4 to both
_CONTAINER = re.compile("[0-9a-f]{12}")


def expression(labels: Labels, networks: Sequence[Network]) -> str:
    """Passes every connection of a series whose process is known, and few others: what a label leaves open, such as
    which port the kernel chose, is not asked for. "": all. networks: as `--group` has them."""
    return " and ".join(_conditions(labels, networks))


def _conditions(labels: Labels, networks: Sequence[Network]) -> Iterator[str]:
    known = {name: value for name, value in labels.items() if value not in ("", OTHER, UNKNOWN)}
    for name in ("netns", "comm"):
        if name in known:
            yield f"{name} = {_quoted(known[name])}"
    if known.get("port", "").isdecimal():
        yield f"{_PORT.get(known.get('role', ''), 'port')} = {known['port']}"
    if known.get("role") in _PORT:
        yield f"role = {known['role']}"
    if known.get("family") in _FAMILY:
        yield _FAMILY[known["family"]]
    if known.get("cgroup", "/") != "/":
        is_container = _CONTAINER.fullmatch(known["cgroup"])
        yield f"cgroup = {_quoted('*' + known['cgroup'] + '*' if is_container else '*/' + known['cgroup'])}"
    prefixes = [str(one.prefix) for one in networks if one.name == labels.get("network")]
    if 0 < len(prefixes) <= _MOST_NETWORKS:
        yield f"( {' or '.join(f'dst = {prefix}' for prefix in prefixes)} )"
    for name in ("state", "verdict"):
        if name in known:
            yield f"{name} = {_quoted(known[name])}"


def _quoted(value: str) -> str:
    """A label is cleaned of what the name may have had: `*` stands for whatever it was."""
    return '"' + re.sub('["?]', "*", words.clean(value)) + '"'


def page(picture: Picture | None, asked: Labels, networks: Sequence[Network]) -> str:
    """HTML. asked: labels of any series; what they say of others than connections is left out."""
    wanted = {name: asked[name] for name in _SAID if asked.get(name)}
    rows = "".join(
        f"<tr><td>{count:.0f}</td><td>{safe(_text(labels))}</td><td><code>{safe(_command('', labels, networks))}"
        "</code></td></tr>"
        for labels, count in (_services(picture, wanted) if picture else ())
    )
    return landing.page(
        f"<h2>Connections: {safe(_text(wanted)) or 'all'}</h2>"
        f"<p>Those that are there, on this machine:</p><pre>{safe(_command('', wanted, networks))}</pre>"
        f"<p>Each one as it ends; with --from FILE, those of a recording:</p>"
        f"<pre>{safe(_command('life ', wanted, networks))}</pre>"
        f"<table><tr><th>now</th><th>labels</th><th>to see them</th></tr>{rows}</table>"
    )


def _text(labels: Labels) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items() if value)


def _command(verb: str, labels: Labels, networks: Sequence[Network]) -> str:
    filter_ = expression(labels, networks)
    return f"sudo tcpwatch {verb}{shlex.quote(filter_) if filter_ else ''}".rstrip()


def _services(picture: Picture, wanted: Labels) -> Iterator[tuple[Labels, float]]:
    """Those with the most connections first."""
    family = picture.family("connections")
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for values, number in zip(family.values, family.numbers.tolist()):
        labels = dict(zip(family.labels, values))
        if number > 0 and all(labels.get(name, value) == value for name, value in wanted.items()):
            if "state" not in wanted:
                del labels["state"]
            counts[tuple(labels.items())] += int(number)
    return ((dict(labels), count) for labels, count in counts.most_common(_MOST_ROWS))
