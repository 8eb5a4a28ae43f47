"""What the kernel can decide before a record is made: a box of family, ports and namespace around a filter. The box
may hold rows which the filter refuses, never the other way round."""

from dataclasses import dataclass

ANY = 0
PORT_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class KernelFilter:
    """A necessary condition. family: 0 any, 2 or 10, as in the socket; netns: inode number, 0 any. Port bounds are
    inclusive; a minimum above its maximum lets nothing through."""

    family: int = ANY
    lport_min: int = 0
    lport_max: int = PORT_MAX
    rport_min: int = 0
    rport_max: int = PORT_MAX
    netns: int = ANY


EVERYTHING = KernelFilter()
NOTHING = KernelFilter(lport_min=PORT_MAX, lport_max=0, rport_min=PORT_MAX, rport_max=0)


def overlap(one: KernelFilter, other: KernelFilter) -> KernelFilter:
    """What satisfies both."""
    if _conflict(one.family, other.family) or _conflict(one.netns, other.netns):
        return NOTHING
    box = KernelFilter(
        one.family or other.family,
        max(one.lport_min, other.lport_min),
        min(one.lport_max, other.lport_max),
        max(one.rport_min, other.rport_min),
        min(one.rport_max, other.rport_max),
        one.netns or other.netns,
    )
    return NOTHING if _empty(box) else box


def around(one: KernelFilter, other: KernelFilter) -> KernelFilter:
    """The smallest box that holds both."""
    if _empty(one):
        return other
    if _empty(other):
        return one
    return KernelFilter(
        one.family if one.family == other.family else ANY,
        min(one.lport_min, other.lport_min),
        max(one.lport_max, other.lport_max),
        min(one.rport_min, other.rport_min),
        max(one.rport_max, other.rport_max),
        one.netns if one.netns == other.netns else ANY,
    )


def ports(column: str, lowest: int, highest: int) -> KernelFilter:
    """column: `lport` or `rport`; bounds inclusive."""
    if lowest > highest:
        return NOTHING
    if column == "lport":
        return KernelFilter(lport_min=lowest, lport_max=highest)
    return KernelFilter(rport_min=lowest, rport_max=highest)


def _conflict(one: int, other: int) -> bool:
    return bool(one and other and one != other)


def _empty(box: KernelFilter) -> bool:
    return box.lport_min > box.lport_max or box.rport_min > box.rport_max
