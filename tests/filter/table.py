"""Rows and filters by chance, and a second opinion on which rows a filter accepts: one at a time, in plain Python."""

import fnmatch
import ipaddress
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tcpwatch.filter import Names
from tcpwatch.rows import CONNECTION

Row = dict[str, Any]
Truth = bool | None
Judge = Callable[[Row], Truth]

NAMES = Names(
    {11: "/system.slice/nginx.service", 12: "/", 13: "/user.slice"}, {4026531840: "blue", 4026532000: "green"}
)

ADDRESSES = ("10.0.0.7", "10.200.0.1", "127.0.0.1", "0.0.0.0", "::", "::1", "2001:db8::7", "2001:db8:1::", "fe80::1")
PORTS = (0, 22, 80, 443, 444, 8080, 65535)
COMMS = (b"", b"nginx", b"nginx: worker", b"ng", b"curl", b"a\x1bb", b"\xff", b"fifteen-letters")
MEASURES = {"rtt": "rtt_us", "cwnd": "cwnd", "bytes_sent": "bytes_sent", "age": "age_ms", "state_age": "state_ms"}
VALUES = (0.0, 1.0, 10.0, 1500.0, 50_000.0, 65536.0, math.nan)
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("=", "==", "eq", "EQ"), operator.eq),
    **dict.fromkeys(("!=", "ne", "neq"), operator.ne),
    **dict.fromkeys(("<", "lt"), operator.lt),
    **dict.fromkeys(("<=", "le", "leq"), operator.le),
    **dict.fromkeys((">", "gt"), operator.gt),
    **dict.fromkeys((">=", "ge", "geq"), operator.ge),
}


def packed(address: str) -> bytes:
    """16 bytes, IPv4 as mapped."""
    one = ipaddress.ip_address(address)
    return one.packed if one.version == 6 else b"\0" * 10 + b"\xff\xff" + one.packed


@st.composite
def _row(draw: st.DrawFn) -> Row:
    row: Row = {"laddr": draw(st.sampled_from(ADDRESSES)), "raddr": draw(st.sampled_from(ADDRESSES))}
    row |= {"lport": draw(st.sampled_from(PORTS)), "rport": draw(st.sampled_from(PORTS))}
    row |= {"family": draw(st.sampled_from((0, 2, 10))), "state": draw(st.integers(0, 12))}
    row |= {"comm": draw(st.sampled_from(COMMS)), "pid": draw(st.sampled_from((0, 1, 812)))}
    row |= {"cgroup": draw(st.sampled_from((0, 11, 12, 13, 99))), "role": draw(st.integers(0, 2))}
    row |= {"netns": draw(st.sampled_from((0, 4026531840, 4026532000, 4026532111)))}
    return row | {column: draw(st.sampled_from(VALUES)) for column in MEASURES.values()}


ROWS = st.lists(_row(), min_size=1, max_size=8)


def array(rows: list[Row]) -> np.ndarray:
    """(rows,) of CONNECTION; columns a row does not name are 0."""
    result = np.zeros(len(rows), CONNECTION)
    for number, row in enumerate(rows):
        for column, value in row.items():
            if column in ("laddr", "raddr"):
                value = np.frombuffer(packed(value), np.uint8)
            result[column][number] = value
    return result


@dataclass(frozen=True)
class Wanted:
    """text: a filter; judge: what it says of one row, None for cannot tell."""

    text: str
    judge: Judge


def _both(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _either(one: Truth, other: Truth) -> Truth:
    return _not(_both(_not(one), _not(other)))


def _not(one: Truth) -> Truth:
    return None if one is None else not one


def _port(field: str, sign: str, port: int) -> Wanted:
    compare = SIGNS[sign]

    def judge(row: Row) -> Truth:
        local = compare(row["lport"], port) if row["lport"] else None
        remote = compare(row["rport"], port)
        both = _both(local, remote) if compare is operator.ne else _either(local, remote)
        return {"sport": local, "dport": remote, "port": both}[field]

    return Wanted(f"{field} {sign} :{port}", judge)


def _inside(row: Row, column: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Truth:
    held = ipaddress.IPv6Address(packed(row[column]))
    if network.version == 4:
        return held.ipv4_mapped is not None and held.ipv4_mapped in network
    return _both(row["family"] == 10 if row["family"] else None, held in network)


def _endpoint(field: str, sign: str, network: str, port: int | None) -> Wanted:
    parsed = ipaddress.ip_network(network, strict=False)
    text = f"[{network}]" if parsed.version == 6 else network
    ends = {"dst": "r", "src": "l", "addr": "lr", "host": "lr"}[field]

    def judge(row: Row) -> Truth:
        result: Truth = False
        for end in ends:
            known = port is None or end == "r" or row["lport"]  # a connect() may not have chosen its port yet
            same_port = (port is None or row[f"{end}port"] == port) if known else None
            result = _either(result, _both(_inside(row, f"{end}addr", parsed), same_port))
        return _not(result) if sign == "!=" else result

    return Wanted(f"{field} {sign} {text}" + ("" if port is None else f":{port}"), judge)


def _measure(field: str, sign: str, value: float) -> Wanted:
    column = MEASURES[field]
    unit = {"rtt": "us", "age": "ms", "state_age": "ms", "bytes_sent": "b", "cwnd": ""}[field]

    def judge(row: Row) -> Truth:
        return None if math.isnan(row[column]) else SIGNS[sign](row[column], value)

    return Wanted(f"{field} {sign} {value:.0f}{unit}", judge)


def _number(field: str, sign: str, text: str, value: int) -> Wanted:
    return Wanted(f"{field} {sign} {text}", lambda row: SIGNS[sign](row[field], value) if row[field] else None)


def _states(text: str, numbers: set[int]) -> Wanted:
    return Wanted(text, lambda row: row["state"] in numbers if row["state"] else None)


def _comm(sign: str, glob: str) -> Wanted:
    def judge(row: Row) -> Truth:
        if not row["comm"]:
            return None
        shown = row["comm"].decode(errors="replace").replace("\x1b", "?").replace("\ufffd", "?")
        return fnmatch.fnmatchcase(shown, glob.replace("?", "[?]")) == (sign == "=")

    return Wanted(f'comm {sign} "{glob}"', judge)


def _cgroup(sign: str, path: str) -> Wanted:
    def judge(row: Row) -> Truth:
        held = NAMES.cgroups.get(row["cgroup"])
        if held is None:
            return None
        return (held == path or held.startswith(path.rstrip("/") + "/")) == (sign == "=")

    return Wanted(f"cgroup {sign} {path}", judge)


def _netns(sign: str, name: str) -> Wanted:
    def judge(row: Row) -> Truth:
        return (NAMES.namespaces.get(row["netns"]) == name) == (sign == "=") if row["netns"] else None

    return Wanted(f"netns {sign} {name}", judge)


_EQUAL = st.sampled_from(("=", "!="))
_SIGN = st.sampled_from(sorted(SIGNS))
_NETWORKS = ("10.0.0.7", "10.0.0.0/8", "0.0.0.0/0", "127.0.0.1/31", "::1", "2001:db8::/32", "::/0", "::ffff:0:0/96")

CONDITION = st.one_of(
    st.builds(_port, st.sampled_from(("sport", "dport", "port")), _SIGN, st.sampled_from(PORTS)),
    st.builds(
        _endpoint,
        st.sampled_from(("src", "dst", "addr", "host")),
        _EQUAL,
        st.sampled_from(_NETWORKS),
        st.sampled_from((None, 443, 80)),
    ),
    st.builds(_measure, st.sampled_from(sorted(MEASURES)), _SIGN, st.sampled_from(VALUES[:-1])),
    st.builds(_number, st.just("pid"), _SIGN, st.just("812"), st.just(812)),
    st.builds(_number, st.just("role"), _EQUAL, st.just("server"), st.just(2)),
    st.builds(_number, st.just("family"), _EQUAL, st.just("inet6"), st.just(10)),
    st.builds(_number, st.just("netns"), _EQUAL, st.just("4026532000"), st.just(4026532000)),
    st.sampled_from(
        (
            _states("state established", {1}),
            _states("exclude time-wait", set(range(13)) - {6}),
            _states("state SYN_RECV state closing", {3, 11, 12}),
            _states("state connected exclude established", {2, 3, 4, 5, 6, 8, 9, 11, 12}),
            _states("state != bucket", {1, 2, 4, 5, 7, 8, 9, 10, 11}),
        )
    ),
    st.builds(_comm, _EQUAL, st.sampled_from(("nginx", "ng*", "*", "a?b", "\ufffd", "*work*r", "fifteen-letters"))),
    st.builds(_cgroup, _EQUAL, st.sampled_from(("/", "/system.slice", "/system.slice/nginx.service", "/sys"))),
    st.builds(_netns, _EQUAL, st.sampled_from(("blue", "green", "red"))),
)


def _negated(one: Wanted, word: str) -> Wanted:
    return Wanted(f"{word} ( {one.text} )", lambda row: _not(one.judge(row)))


def _joined(first: Wanted, rest: list[tuple[str, Wanted]]) -> Wanted:
    """In parentheses each, so that words for states do not run together."""
    text = f"( {first.text} )" + "".join(f" {join} ( {part.text} )" for join, part in rest)

    def judge(row: Row) -> Truth:
        result = first.judge(row)
        for join, part in rest:
            result = (_either if join in ("or", "|", "||", "Or") else _both)(result, part.judge(row))
        return result

    return Wanted(text, judge)


_JOIN = st.sampled_from(("and", "&", "&&", "AND", "", "or", "|", "||", "Or"))
FILTERS = st.recursive(
    CONDITION,
    lambda inner: st.one_of(
        st.builds(_negated, inner, st.sampled_from(("not", "!", "NOT"))),
        st.builds(_joined, inner, st.lists(st.tuples(_JOIN, inner), min_size=1, max_size=3)),
    ),
    max_leaves=8,
)
