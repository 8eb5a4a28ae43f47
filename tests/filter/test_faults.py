"""When a filter makes no sense, does the user learn where, why, and what to write instead?"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcpwatch.errors import FilterError
from tcpwatch.filter import FIELDS, Filter, Names, parse
from tcpwatch.filter.syntax import DEPTH_MAX, LENGTH_MAX
from tests.filter.table import array


def _fault(expression: str) -> FilterError:
    with pytest.raises(FilterError) as caught:
        parse(expression)
    return caught.value


def _outcome(expression: str) -> Filter | FilterError:
    try:
        return parse(expression)
    except FilterError as error:
        return error


# The place is marked with ^ beneath; the message and the cure hold these words
MARKED = """
rtt > fast
      ^^^^ `rtt` needs a time such as 50ms, not `fast`
rtt
   ^ `rtt` needs a time such as 50ms, but the filter ends here
rtt >
     ^ needs a time such as 50ms, but the filter ends here
rtt 50ms
    ^^^^ write `rtt > 50ms`
rtt > 50m
      ^^^ its units are ns, us, ms, s
rtt > 5 ms
        ^^ write `5ms`
mss > 4 KiB and dport = 443
        ^^^ write `4KiB`
( rtt gt 1.5 s )
             ^ write `1.5s`
rtt > 5 ms inet
        ^^ write `5ms`
idle > 5 m dport = 443
         ^ write `5m`
rtt > fast ms
           ^^ `ms` is no field
cwnd > 3 k
         ^ `k` is no field
rtt > -5
      ^^ needs a time
mss > 4zb
      ^^^ kib
cwnd > 3k
       ^^ write `3`
rtr > 5
^^^ did you mean `rtt`?
bytes_recieved > 5k
^^^^^^^^^^^^^^ did you mean `bytes_received`?
nginx and dport = 3
^^^^^ the fields are
established
^^^^^^^^^^^ did you mean `state established`?
10.0.0.1:443
^^^^^^^^^^^^ did you mean `dst 10.0.0.1:443`
dport:443
^^^^^^^^^ did you mean `dport :443`?
'rtt' > 5
^^^^^ a filter begins with
dport = 99999
        ^^^^^ ports go from 0 to 65535
dport = no-such-service
        ^^^^^^^^^^^^^^^ no service
dport = 10.0.0.1:80
        ^^^^^^^^^^^ for an address write
dport > *
        ^ needs a port
dport = :
        ^ needs a port
dport = 4_4
        ^^^ no port
dst example.org:443
    ^^^^^^^^^^^^^^^ asks no name server
dst 443
    ^^^ write `dst :443`
dst 10.0.0.0/33
    ^^^^^^^^^^^ prefix too long
dst [::1
    ^^^^ this `[` is never closed
dst [::1]x
    ^^^^^^ cannot stand behind
dst fe80::1%eth0
    ^^^^^^^^^^^^ scopes
dst unix:/run/x
    ^^^^^^^^^^^ has no TCP connections
dst inet:[::1]
    ^^^^^^^^^^ leave `inet:` out
dst < 10.0.0.1
    ^ for ports write dport
dst ''
    ^^ needs an address
comm > nginx
     ^ is compared with = != ~ !~ alone
comm = ""
       ^^ needs a name
comm = and dport = 3
       ^^^ if that is the value, write "and"
comm = a=b
        ^ put quotes around
comm = "nginx
       ^^^^^^ never closed
comm = a\\
        ^ a backslash needs a character after it
pid = nginx
      ^^^^^ needs a process id
pid = 99999999999
      ^^^^^^^^^^^ too large
role = peer
       ^^^^ client or server
family = ipx
         ^^^ inet or inet6
netns = /no/such/file
        ^^^^^^^^^^^^^ no readable file
netns = 0
        ^ needs a name
state estblished
      ^^^^^^^^^^ did you mean `state established`?
state whatever
      ^^^^^^^^ the states are
state
     ^ needs a state
exclude != listening
        ^^ is compared with = alone
dev = eth0
^^^ known to ss alone
fwmark = 0x1/0x3
^^^^^^ known to ss alone
not autobound
    ^^^^^^^^^ known to ss alone
dport = 1 and
             ^ `and` is followed by a condition
dport = 1 or or dport = 2
             ^^ `or` is followed by a condition
and dport = 1
^^^ a filter begins with a condition
= 5
^ a filter begins with a condition
dport == = 3
         ^ needs a port
dport = 3 = 4
          ^ follows a condition that is complete
()
 ^ these parentheses are empty
inet ( or inet6 )
       ^^ is followed by a condition
( dport = 1 or ( inet )
^ never closed
dport = 1 )
          ^ closes nothing
""".strip("\n").split("\n")
CASES = list(zip(MARKED[::2], MARKED[1::2], strict=True))


@pytest.mark.parametrize(("expression", "mark"), CASES, ids=[expression for expression, _ in CASES])
def test_fault_is_pointed_at(expression: str, mark: str) -> None:
    """The error points at the word at fault, or at the end, and says what to write."""
    error = _fault(expression)
    said = mark.lstrip(" ").lstrip("^")
    assert (error.column, error.length) == (mark.index("^"), mark.count("^"))
    assert said.strip() in f"{error.what}; {error.cure}"
    assert error.expression == expression


def test_values_that_are_no_measures_are_refused_everywhere() -> None:
    """Each field refuses what it cannot compare, at that word."""
    for field in FIELDS:
        if field.kind.measure:
            error = _fault(f"inet and {field.name} > many")
            assert (error.column, error.length) == (len(f"inet and {field.name} > "), 4), field.name


def test_nesting_is_bounded() -> None:
    """As many parentheses as are allowed work; the first one too many is pointed at."""
    assert parse("(" * DEPTH_MAX + "inet" + ")" * DEPTH_MAX)
    error = _fault("(" * (DEPTH_MAX + 1) + "inet" + ")" * (DEPTH_MAX + 1))
    assert (error.column, error.length) == (DEPTH_MAX, 1)
    assert _fault("not " * (DEPTH_MAX + 1) + "inet").column == 4 * DEPTH_MAX
    assert _fault("(" * LENGTH_MAX).column == LENGTH_MAX
    assert _fault("(" * 2000 + "inet" + ")" * 2000).column == DEPTH_MAX


def test_length_is_bounded() -> None:
    """The longest filter is read; what goes beyond is at fault."""
    assert parse("inet" + " " * (LENGTH_MAX - 4))
    error = _fault("inet" + " " * LENGTH_MAX)
    assert (error.column, error.length) == (LENGTH_MAX, 4)


def test_messages_carry_no_control_characters() -> None:
    """What a user pasted is shown harmless."""
    error = _fault("rtt > \x1b[2J\u202e")
    assert "\x1b" not in error.what
    assert "\u202e" not in error.what


_WORDS = [
    *(field.name for field in FIELDS),
    *("(", ")", "and", "or", "not", "!", "&", "|", "=", "!=", "<", ">", "~", "eq", "ge", "inet", "inet6", "dev"),
    *("10.0.0.1", "[::1]:443", "::1", ":80", "443", "established", "50ms", "5kib", "'x y'", '"a', "ng*", "/a/b"),
    *("net:[1]", "*", "\\", "\\(", "#", "%", "autobound", "ſtate", "ınet", "\u212a"),
]
_PIECES = st.one_of(st.sampled_from(_WORDS), st.text(max_size=6))


@given(st.one_of(st.text(), st.lists(_PIECES, max_size=12).map(" ".join), st.lists(_PIECES, max_size=8).map("".join)))
@example("comm = \ud800")
@example("dport = \ud800")
@example("dport = a\0b")
@example("netns = /\ud800")
@example("netns = /\0")
@example("pid = ٣")
@example("dst ١.1.1.1")
@example("rtt > " + "9" * 4000 + "s")
@example("dport = " + "9" * 4000)
@example("ınet")
@example("inet and autobound")
def test_anything_is_read_or_refused(expression: str) -> None:
    """Whatever is typed is a filter that works or a FilterError inside the text, and nothing else."""
    read = _outcome(expression)
    if isinstance(read, FilterError):
        assert 0 <= read.column <= len(expression)
        assert read.length >= 1
        assert read.column + read.length <= max(len(expression), read.column + 1)
        assert read.what
    else:
        rows = array([{"laddr": "10.0.0.1", "raddr": "::1"}])
        assert read.mask(rows, Names()).shape == (1,)
        assert read.kernel
