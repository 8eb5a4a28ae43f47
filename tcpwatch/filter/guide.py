"""What can a filter say? docs/filters.md, made from the same tables that the compiler reads."""

from collections.abc import Iterable

from tcpwatch.filter import fields
from tcpwatch.filter.fields import Kind

_OPENING = """\
# Filters

A filter picks connections. Every command that tells of them takes one, after `-f` or as its last words, and so does
`/` in the terminal UI. With `record` and `serve` it says what is kept, and may ask for nothing that changes in a
connection's life: for `src`, `dst`, `addr`, `host`, `sport`, `dport`, `port`, `family` and `netns`. The language is
`ss`'s, with more fields:

    tcpwatch snapshot state established '( dport = :https or comm = nginx )' and 'rtt > 50ms'
    tcpwatch events -f 'dst 10.0.0.0/8 and not port = ssh'
    tcpwatch -f 'state time-wait dst [2001:db8::7]:443'

## Conditions and how they join

A condition is a field, a sign and a value: `dport = 443`, `rtt > 50ms`, `comm = ng*`. Signs can be written in more
than one way:

| sign | also | |
|---|---|---|
| `=` | `==` `eq`, or nothing | equal; measures need the sign written |
| `!=` | `ne` `neq` | known, and not equal |
| `<` `<=` `>` `>=` | `lt` `le` `leq` `gt` `ge` `geq` | ports, process ids and measures |
| `~` `!~` | | the same as `=` and `!=`, for names |

Conditions join with `and` (`&` `&&`), `or` (`|` `||`) and `not` (`!`); two conditions side by side mean `and`. `not`
holds for the next condition or parenthesis. `and` and `or` bind equally and are read **from left to right**, as `ss`
reads them, whatever its manual says: `port = 80 or port = 443 and rtt > 50ms` asks both ports for the round trip.
Parentheses make such a filter plain, and tcpwatch says so where it meets one without.

Words of the language may be in upper or lower case. A value that holds spaces, parentheses or signs goes into quotes,
`comm = 'tokio-rt (3)'`, or has a backslash before each such character.

## What is not known

A process may not have been found, a round trip not been measured yet. A condition on what is not known is neither
true nor false, and neither is its `not`: such a connection passes only if the rest of the filter lets it through
whatever the missing value may be. So `rtt < 1ms` and `not rtt < 1ms` need not show every connection between them.

## Fields
"""

_STATES = """
## States

`state X` and `exclude X` side by side accumulate: `state established state syn-sent` is both, `exclude listening
exclude closed` all but the two. At the head of a filter, with nothing between them and the rest, they hold for all of
the rest: `state established dport = 80 or dport = 443` shows established connections only.

"""

_ENDS = """
## Addresses and ports

`dst ADDRESS`, `dst ADDRESS/PREFIX`, `dst ADDRESS:PORT`, `dst :PORT`, and `*` for any address or port. IPv6 addresses
with a port need brackets: `[2001:db8::7]:443`. `inet:` or `inet6:` before an address asks for the socket's family too.
Ports may be services of `/etc/services`. Host names are not looked up: asking a name server would itself make
connections, and a recording would be read differently tomorrow.

`dst != 10.0.0.7:443` means: not that end. `addr != ...` and `port != ...` mean: neither end.

An IPv6 socket that talks IPv4 (`::ffff:10.0.0.7`) is found by its IPv4 address, too.
"""

_CLOSING = """
## Beside ss

Everything that `ss` accepts after its options is accepted, but for `dev`, `fwmark` and `autobound`: tcpwatch does not
record what they ask for, and says so. Other differences: names are not looked up, `cgroup` takes the groups below the
path in, an IPv4 address cut short (`10.1`) needs its prefix, ports above 65535 are refused, no state is left out
unless the filter says so, `inet:` holds for its own address only, and `not src ::/0` is IPv4 where ss shows nothing.

Names (`comm`, `cgroup`, `netns`, `verdict`): `*` stands for any characters. `comm` longer than 15 bytes is compared by
the 15 that the kernel keeps. `netns` by inode number, by name, or by a path such as `/proc/812/ns/net`. Any process,
round trip or other value that is missing is unknown, see above.
"""


def text() -> str:
    """Markdown."""
    rows = [(f"`{field.name}`", _signs(field.kind), field.kind.needs, field.meaning) for field in fields.FIELDS]
    groups = [(f"`{name}`", meaning) for name, (_, meaning) in fields.GROUPS.items()]
    names = ", ".join(f"`{name}`" for name in fields.STATE_NAMES)
    return "".join(
        (
            _OPENING,
            "\n" + _table(("field", "signs", "value", "meaning"), rows),
            "\nUnits, and what a bare number is:\n\n",
            _table(("fields", "bare number", "units"), _units()),
            _STATES,
            f"{names}; also as the kernel writes them (`FIN_WAIT1`).\n\n",
            _table(("group", "states"), groups),
            _ENDS,
            _CLOSING,
        )
    )


def _signs(kind: Kind) -> str:
    return " ".join(f"`{sign}`" for sign in kind.signs)


def _units() -> list[tuple[str, str, str]]:
    described = {
        fields.LATENCY: "`ns` `us` `ms` `s`",
        fields.SPAN: "`ms` `s` `m` `h` `d`",
        fields.SIZE: "`b`; `k` `m` `g` `t` and `kb` … are 1000, `ki` `mi` `gi` `ti` and `kib` … are 1024",
        fields.COUNT: "none",
    }
    rows = []
    for kind, units in described.items():
        members = [field for field in fields.FIELDS if field.kind is kind]
        names = ", ".join(f"`{field.name}`" for field in members)
        rows.append((names, "/".join(dict.fromkeys(field.unit for field in members)), units))
    return rows


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
