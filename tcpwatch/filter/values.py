"""What stands behind a field, as a number, an address or a state. Raises FilterError at the word that does not fit,
and says what would."""

import ipaddress
import re
from dataclasses import dataclass

from tcpwatch import wire
from tcpwatch.errors import FilterError
from tcpwatch.filter import fields, machine
from tcpwatch.filter.conditions import pattern
from tcpwatch.filter.fields import Field
from tcpwatch.filter.syntax import Word, shown
from tcpwatch.verdicts import CODES

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(.*)", re.DOTALL)
_INTEGER = re.compile(r"0x[0-9a-f]+|0|[1-9][0-9]*", re.IGNORECASE)
_FAMILY = re.compile(r"(inet6?|unix|link|netlink|vsock|packet|tipc|xdp):", re.IGNORECASE)
_ANY = frozenset(("", "*", "any", "all", "default"))
_MAPPED = b"\0" * 10 + b"\xff\xff"
FAMILIES = {"inet": wire.INET, "inet6": wire.INET6}
_FAMILY_NAMES = FAMILIES | {"ipv4": wire.INET, "ipv6": wire.INET6, "4": wire.INET, "6": wire.INET6}


def misfit(field: Field, word: Word, cure: str = "") -> FilterError:
    return word.fault(f"`{field.name}` needs {field.kind.needs}, not {word.shown}", cure)


def measure(field: Field, word: Word) -> float:
    """In the column's own unit."""
    match = _NUMBER.fullmatch(word.text)
    if match is None:
        raise misfit(field, word)
    number, unit = match.groups()
    units = dict(field.kind.units)
    if unit.lower() not in units:
        known = [name for name in units if name.isascii() and name]
        what = f"`{field.name}` has no unit {shown(unit)}"
        raise word.fault(what, f"its units are {', '.join(known)}" if known else f"write {shown(number)}")
    return round(float(number) * units[unit.lower()], 6)  # 0.07ms is 70 us, not 70.00000000000001


def integer(field: Field, word: Word, highest: int) -> int:
    if not _INTEGER.fullmatch(word.text):
        raise misfit(field, word)
    number = int(word.text, 0)
    if number > highest:
        raise word.fault(f"{word.shown} is too large", f"`{field.name}` goes up to {highest}")
    return number


def port_number(text: str, word: Word) -> int:
    """A port's number or a service's name."""
    if not _INTEGER.fullmatch(text):
        found = machine.service_port(text)
        if found is None:
            raise word.fault(f"{shown(text)} is no port and no service in /etc/services", "write a number, 0 to 65535")
        return found
    if len(text) > 6 or int(text, 0) > 0xFFFF:
        raise word.fault(f"port {shown(text)} does not exist", "ports go from 0 to 65535")
    return int(text, 0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is None is not asked for. address: 16 bytes as in wire.SOCKET, of which the first `bits` count; family:
    the socket's, 0 = any; note: how an ambiguous text was read, or ""."""

    family: int
    address: bytes | None
    bits: int
    port: int | None
    note: str = ""


def port(field: Field, word: Word) -> Endpoint:
    """`443`, `:443`, `https`, `inet6::443`, `*`."""
    family, text = _family(word)
    text = text.removeprefix(":")
    if not text:
        raise misfit(field, word)
    if ":" in text or "/" in text:
        raise misfit(field, word, f"for an address write {shown('addr = ' + word.text)}, `dst` or `src`")
    return Endpoint(family, None, 0, None if text == "*" else port_number(text, word))


def endpoint(field: Field, word: Word) -> Endpoint:
    """An address, a network, a port or both, as ss writes them."""
    family, text = _family(word)
    if not text and not family:
        raise misfit(field, word)
    address, ending, note = _split(text, word)
    wanted = None if ending in ("", "*") else port_number(ending, word)
    if address.lower() in _ANY:
        return Endpoint(family, None, 0, wanted)
    network = _network(address, field, word)
    if family and family != (wire.INET if network.version == 4 else wire.INET6):
        raise word.fault(
            f"{shown(address)} is an address of the other family",
            f"leave {shown(word.text.partition(':')[0] + ':')} out",
        )
    packed = network.network_address.packed
    if isinstance(network, ipaddress.IPv4Network):
        return Endpoint(family, _MAPPED + packed, 96 + network.prefixlen, wanted, note)
    # An IPv6 socket that talks IPv4 is found by both forms of its address, an IPv4 socket by one: as in the kernel
    return Endpoint(wire.INET6, packed, network.prefixlen, wanted, note)


def _family(word: Word) -> tuple[int, str]:
    """The family a value begins with, 0 if with none, and the rest."""
    match = _FAMILY.match(word.text)
    if match is None:
        return 0, word.text
    family = FAMILIES.get(match.group(1).lower())
    if family is None:
        raise word.fault(f"{shown(match.group())} has no TCP connections", "only inet: and inet6: do")
    return family, word.text[match.end() :]


def _split(text: str, word: Word) -> tuple[str, str, str]:
    """Address with prefix, port, note. Without brackets the last colon begins the port wherever it can, as in ss."""
    if text.startswith("["):
        address, bracket, ending = text[1:].partition("]")
        if not bracket:
            raise word.fault("this `[` is never closed", "write [2001:db8::7]:443")
        prefix, _, port = ending.partition(":")
        if prefix and not prefix.startswith("/"):
            raise word.fault(f"{shown(prefix)} cannot stand behind the `]`", "write [2001:db8::7]:443")
        return address + prefix, port, ""
    slash = text.find("/") + 1
    colon = text.find(":", slash) if slash else text.rfind(":")
    if colon < 0:
        return text, "", ""
    address, port = text[:colon], text[colon + 1 :]
    if slash or ":" not in address:
        return address, port, ""
    if not _is_ipv6(address):
        return text, "", ""
    note = f"{text} is read as address {address}, port {port}, as ss does; [{text}] is the address"
    return address, port, note if _is_ipv6(text) else ""


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _network(text: str, field: Field, word: Word) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    address, slash, prefix = text.partition("/")
    if "%" in text:
        raise word.fault("tcpwatch does not record scopes", f"write {shown(address.partition('%')[0])}")
    if re.fullmatch(r"[0-9]+(\.[0-9]+){0,2}", address):
        if not slash:
            cure = f"for a port write {shown(f'{field.name} :{text}')}; a network needs its prefix, as in 10.0.0.0/8"
            raise word.fault(f"{shown(text)} is no whole address", cure)
        address += ".0" * (3 - address.count("."))  # 193.233.7/24, as in ss's own manual
    try:
        return ipaddress.ip_network(address + slash + prefix, strict=False)
    except ValueError:
        raise _no_network(text, slash, field, word) from None


def _no_network(text: str, slash: str, field: Field, word: Word) -> FilterError:
    if re.search(r"[g-z]", text, re.IGNORECASE) and ":" not in text:
        return word.fault(f"{shown(text)} is a name, and tcpwatch asks no name server", "write the address in numbers")
    return misfit(field, word, "is the prefix too long for the address?" if slash else "")


def states(field: Field, word: Word) -> frozenset[int]:
    numbers = fields.state_numbers(word.text)
    if numbers is None:
        close = fields.nearest(word.text.replace("_", "-"), (*fields.STATE_NAMES, *fields.GROUPS))
        known = ", ".join((*fields.STATE_NAMES, *fields.GROUPS))
        cure = f"did you mean `{field.name} {close}`?" if close else f"the states are {known}"
        raise word.fault(f"{word.shown} is no TCP state", cure)
    return numbers


def family(field: Field, word: Word) -> int:
    return _choice(field, word, _FAMILY_NAMES)


def role(field: Field, word: Word) -> int:
    return _choice(field, word, {"client": 1, "server": 2})


def _choice(field: Field, word: Word, known: dict[str, int]) -> int:
    if word.text.lower() not in known:
        raise misfit(field, word)
    return known[word.text.lower()]


def name(field: Field, word: Word) -> str:
    if not word.text:
        raise misfit(field, word)
    return word.text


def verdicts(field: Field, word: Word) -> frozenset[int]:
    """The numbers of the verdicts that a name, or a pattern, means."""
    text = name(field, word).lower().replace("-", "_")
    known = {number: code for number, code in enumerate(CODES) if code}
    found = frozenset(number for number, code in known.items() if pattern(text).fullmatch(code))
    if not found:
        close = fields.nearest(text, tuple(known.values()))
        cure = f"did you mean `{field.name} = {close}`?" if close else f"the verdicts are {', '.join(known.values())}"
        raise word.fault(f"{word.shown} is no verdict", cure)
    return found


def comm(field: Field, word: Word) -> str:
    """The kernel keeps 15 bytes of a process's name, so no more of it can be compared."""
    text = name(field, word)
    return text if "*" in text else text.encode(errors="replace")[:15].decode(errors="ignore")


def cgroup(field: Field, word: Word) -> str:
    """A path from the root of the hierarchy, however it was written."""
    path = name(field, word)
    if path == "/sys/fs/cgroup" or path.startswith("/sys/fs/cgroup/"):
        path = path.removeprefix("/sys/fs/cgroup")
    return path if path.startswith(("/", "*")) else "/" + path


def netns(field: Field, word: Word) -> int | str:
    """An inode number, or the name to look for."""
    text = name(field, word)
    match = re.fullmatch(r"([0-9]+)|net:\[([0-9]+)\]", text)
    if match is not None:
        number = match[1] or match[2]
        if len(number) > 10 or not 0 < int(number) <= 0xFFFFFFFF:
            raise misfit(field, word)
        return int(number)
    if "/" not in text:
        return text
    found = machine.inode(text)
    if found is None:
        raise word.fault(f"there is no readable file {word.shown}", "write the namespace's name or inode number")
    return found
