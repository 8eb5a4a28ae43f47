"""Does a number lead to its connections? Filters made of labels, tried on what they were counted from."""

import html
import re
import shlex
from urllib.parse import urlencode

import numpy as np
import pytest

from tcpwatch import filter as filters
from tcpwatch import wire
from tcpwatch.metrics import Meters, Picture, parse
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.source import RecordedSource
from tcpwatch.rows import CLOSED
from tcpwatch.serve.finding import expression, page
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import View

from .stand import Stand
from .test_command import DEMO

NETWORKS = [parse("10.0.0.0/8=inside"), parse("10.1.0.0/16=near"), parse("2001:db8::/32=near")]
_ROW = re.compile("<tr><td>([0-9]+)</td><td>(.*?)</td><td><code>(.*?)</code></td></tr>")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, ""),
        ({"port": "443", "role": "client"}, "dport = 443 and role = client"),
        ({"port": "443", "role": "server"}, "sport = 443 and role = server"),
        ({"port": "443"}, "port = 443"),
        ({"port": "ephemeral", "role": "server", "comm": ""}, "role = server"),
        ({"netns": "4026531840", "comm": "a b"}, 'netns = "4026531840" and comm = "a b"'),
        ({"comm": "it's \"x?"}, 'comm = "it\'s *x*"'),
        ({"family": "ipv4"}, "dst = 0.0.0.0/0"),
        ({"family": "ipv6"}, "dst != 0.0.0.0/0"),
        ({"cgroup": "nginx.service"}, 'cgroup = "*/nginx.service"'),
        ({"cgroup": "3f4e1c2ab90d"}, 'cgroup = "*3f4e1c2ab90d*"'),
        ({"cgroup": "/"}, ""),
        ({"network": "near"}, "( dst = 10.1.0.0/16 or dst = 2001:db8::/32 )"),
        ({"network": "loopback"}, ""),
        ({"state": "TIME_WAIT", "verdict": "refused"}, 'state = "TIME_WAIT" and verdict = "refused"'),
        ({"verdict": "unknown", "reason": "tcp_state", "le": "0.1", "instance": "a:1"}, ""),
        (dict.fromkeys(("netns", "port", "role", "family", "comm", "cgroup", "network"), "other"), ""),
    ],
)
def test_the_filter_of_labels(labels: dict[str, str], expected: str) -> None:
    """In the filter's own words; what a label leaves open is not asked for."""
    found = expression(labels, NETWORKS)
    assert found == expected
    assert filters.parse(found).notes == ()


@pytest.fixture(scope="module")
def drawn() -> tuple[View, Picture]:
    """Of a recording of real trouble, in the middle."""
    source = RecordedSource(Recording(str(DEMO)))
    tracker, meters = Tracker(history_bytes=1), Meters(networks=NETWORKS)
    busiest: tuple[View, Picture] | None = None
    for frame in source.frames():
        meters.fold(tracker.fold(frame))
        if frame.snapshot is not None:
            view = tracker.view()
            if busiest is None or len(view.connections) > len(busiest[0].connections):
                busiest = view, meters.picture(view)
    source.close()
    assert busiest is not None
    return busiest


def test_it_leads_to_what_was_counted(drawn: tuple[View, Picture]) -> None:
    """Each line's filter finds as many connections as the line says, where all of its labels are known."""
    view, picture = drawn
    rows = view.connections
    counted = (rows["flags"] & CLOSED == 0) | np.isin(rows["state"], (wire.TIME_WAIT, wire.FIN_WAIT2))
    counted &= ~np.isin(rows["state"], (wire.LISTEN, wire.CLOSE))
    lines = _ROW.findall(page(picture, {}, NETWORKS))
    assert sum(int(count) for count, _, _ in lines) == np.count_nonzero(counted) > 23
    exact = 0
    for count, said, command in lines:
        *_, wanted = shlex.split(html.unescape(command))
        mask = filters.parse(wanted).mask(rows, filters.Names(view.cgroups, view.namespaces))
        found = np.count_nonzero(mask & counted)
        if "comm=" in said and "port=ephemeral" not in said:
            assert found == int(count), (said, wanted)
            exact += 1
    assert exact >= 3


def test_what_is_asked_for_is_what_is_shown(drawn: tuple[View, Picture]) -> None:
    """Lines of other services are left out; a state in the question is told apart."""
    _, picture = drawn
    for _, said, _ in _ROW.findall(page(picture, {"role": "client", "state": "ESTABLISHED"}, [])):
        assert "role=client" in said
        assert "state=ESTABLISHED" in said
    assert _ROW.findall(page(picture, {"port": "1"}, [])) == []
    assert _ROW.findall(page(None, {}, [])) == []


def test_a_series_as_a_link() -> None:
    """Labels of any series may be in the address; they come back as commands, whatever they hold."""
    hostile = "$(reboot)'\"\x1b<script>"
    with Stand() as stand:
        got = stand.get("/connections?" + urlencode({"port": "443", "role": "client", "le": "0.1", "comm": hostile}))
        assert stand.get("/connections?" + "&".join(["a=b"] * 65)).status == 400
        assert b'<a href="/connections">' in stand.get("/").body
    assert got.status == 200
    text = got.body.decode()
    assert "<script>" not in text
    assert "\x1b" not in text
    (live, life) = (html.unescape(found) for found in re.findall("<pre>(.*?)</pre>", text))
    wanted = 'comm = "$(reboot)\'**<script>" and dport = 443 and role = client'
    assert shlex.split(live) == ["sudo", "tcpwatch", wanted]
    assert shlex.split(life) == ["sudo", "tcpwatch", "life", wanted]
    filters.parse(wanted)
