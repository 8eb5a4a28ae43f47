"""Which condition does each comparison mean? A tree of words in, conditions over columns out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

from tcpwatch.filter import conditions, fields, syntax, values
from tcpwatch.filter.conditions import Condition, Join, Number
from tcpwatch.filter.fields import Field
from tcpwatch.filter.syntax import Bare, Comparison, Node, Not, Word
from tcpwatch.verdicts import CODES

# wire's addresses and ports by end
_SIDES = {
    "dst": (("raddr", "rport"),),
    "src": (("laddr", "lport"),),
    "addr": (("laddr", "lport"), ("raddr", "rport")),
    "dport": (("raddr", "rport"),),
    "sport": (("laddr", "lport"),),
}
_SIDES |= {"host": _SIDES["addr"], "port": _SIDES["addr"]}


@dataclass(frozen=True, slots=True)
class _States:
    """State words that stand side by side."""

    comparisons: tuple[Comparison, ...]


_Unit = Node | _States


class Compiler:
    """Reads one expression. notes: what its reader should know of how it was understood."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def chain(self, chain: syntax.Chain) -> Condition:
        """State words at the head, with nothing between them and the rest, hold for all the rest, as in ss."""
        parts = _runs_of_states(chain)
        (_, first), *rest = parts
        if isinstance(first, _States) and rest and not rest[0][0]:
            self._note_order([join for join, _ in rest[1:]])
            rest = [("", rest[0][1]), *rest[1:]]
            return conditions.every((self.unit(first), self._joined(rest)))
        self._note_order([join for join, _ in rest])
        return self._joined(parts)

    def _joined(self, parts: list[tuple[str, _Unit]]) -> Condition:
        first, *rest = [(_join(join), self.unit(unit)) for join, unit in parts]
        return conditions.Chain(first[1], tuple(rest)) if rest else first[1]

    def _note_order(self, joins: list[str]) -> None:
        if "or" in joins and any(join != "or" for join in joins[joins.index("or") :]):
            self.notes.append("`and` and `or` are read from left to right, as ss reads them; parentheses make it plain")

    def unit(self, unit: _Unit) -> Condition:
        match unit:
            case _States(comparisons):
                return _accumulated(comparisons)
            case Not(part):
                return self.unit(part).opposite()
            case syntax.Chain():
                return self.chain(unit)
            case Bare(word):
                return _bare(word)
            case Comparison():
                return self.comparison(unit)

    def comparison(self, comparison: Comparison) -> Condition:
        field = syntax.field_of(comparison.field)
        sign = _checked_sign(field, comparison)
        value = comparison.value
        match field.kind:
            case fields.STATE | fields.EXCLUDE:
                return _accumulated((comparison,)) if sign == "=" else _accumulated((comparison,)).opposite()
            case fields.ENDPOINT | fields.PORT:
                return self._ends(field, sign, value)
            case kind if kind.measure:
                return Number(field.columns[0], sign, values.measure(field, value))
        return _BUILD[field.kind](field, sign, value)

    def _ends(self, field: Field, sign: str, word: Word) -> Condition:
        """One end or either; `!=` says that none of them is it."""
        read = values.endpoint if field.kind is fields.ENDPOINT else values.port
        wanted = read(field, word)
        if wanted.note:
            self.notes.append(wanted.note)
        if wanted.port is None and sign not in ("=", "!="):
            raise values.misfit(field, word)
        asked = "=" if sign == "!=" else sign
        ends = [_end(wanted, asked, address, port) for address, port in _SIDES[field.name]]
        either = conditions.Chain(ends[0], tuple(("or", end) for end in ends[1:]))
        return either.opposite() if sign == "!=" else either


def _end(wanted: values.Endpoint, sign: str, address: str, port: str) -> Condition:
    parts: list[Condition] = []
    if wanted.family:
        parts.append(_family_is(wanted.family, "="))
    if wanted.address is not None:
        parts.append(conditions.Network(address, wanted.address, wanted.bits))
    if wanted.port is not None:
        # a connect() without its local port yet is no match for any
        parts.append(Number(port, sign, wanted.port, zero_unknown=port == "lport"))
    return conditions.every(parts)


def _runs_of_states(chain: syntax.Chain) -> list[tuple[str, _Unit]]:
    parts: list[tuple[str, _Unit]] = []
    for join, node in chain.parts:
        if not _is_state_word(node):
            parts.append((join, node))
        elif parts and not join and isinstance(run := parts[-1][1], _States):
            parts[-1] = (parts[-1][0], _States((*run.comparisons, node)))
        else:
            parts.append((join, _States((node,))))
    return parts


def _is_state_word(node: Node) -> TypeGuard[Comparison]:
    return isinstance(node, Comparison) and node.field.text.lower() in ("state", "exclude") and node.sign in ("", "=")


def _accumulated(comparisons: tuple[Comparison, ...]) -> Condition:
    """`state` adds, `exclude` takes away; an `exclude` that comes first takes from all, as in ss."""
    total: frozenset[int] = frozenset()
    for number, comparison in enumerate(comparisons):
        field = syntax.field_of(comparison.field)
        found = values.states(field, comparison.value)
        if field.name == "state":
            total |= found
        else:
            total = (total if number else conditions.STATES) - found
    return conditions.states(total)


def _join(join: str) -> Join:
    return "or" if join == "or" else "and"


def _bare(word: Word) -> Condition:
    family = values.FAMILIES.get(word.text.lower())
    if family is None:
        syntax.field_of(word)
        raise word.fault(f"{word.shown} is no condition", "compare it with a value")
    return _family_is(family, "=")


def _checked_sign(field: Field, comparison: Comparison) -> str:
    if comparison.sign_word is None:
        if field.kind.measure:
            example = f"write {syntax.shown(f'{field.name} > {comparison.value.text}')}"
            raise comparison.value.fault(f"between `{field.name}` and its value stands a sign such as `>`", example)
        return "="
    if comparison.sign not in field.kind.signs:
        cure = "for ports write dport, sport or port" if field.kind is fields.ENDPOINT else ""
        known = " ".join(field.kind.signs)
        what = f"`{field.name}` is compared with {known} alone, not with {comparison.sign_word.shown}"
        raise comparison.sign_word.fault(what, cure)
    return {"~": "=", "!~": "!="}.get(comparison.sign, comparison.sign)


def _family_is(number: int, sign: str) -> Condition:
    return Number("family", sign, number, zero_unknown=True)


def _family(field: Field, sign: str, word: Word) -> Condition:
    return _family_is(values.family(field, word), sign)


def _role(field: Field, sign: str, word: Word) -> Condition:
    return Number("role", sign, values.role(field, word), zero_unknown=True)


def _pid(field: Field, sign: str, word: Word) -> Condition:
    return Number("pid", sign, values.integer(field, word, 0xFFFFFFFF), zero_unknown=True)


def _name(field: Field, sign: str, word: Word) -> Condition:
    text = values.comm(field, word) if field.name == "comm" else values.name(field, word)
    return conditions.Text(field.columns[0], text, sign == "=")


def _verdict(field: Field, sign: str, word: Word) -> Condition:
    among = frozenset(range(1, len(CODES)))
    numbers = values.verdicts(field, word)
    return conditions.OneOf("verdict", numbers if sign == "=" else among - numbers, among)


def _cgroup(field: Field, sign: str, word: Word) -> Condition:
    return conditions.Cgroup("cgroup", values.cgroup(field, word), sign == "=")


def _netns(field: Field, sign: str, word: Word) -> Condition:
    wanted = values.netns(field, word)
    if isinstance(wanted, int):
        return Number("netns", sign, wanted, zero_unknown=True)
    return conditions.Namespace("netns", wanted, sign == "=")


_BUILD: dict[fields.Kind, Callable[[Field, str, Word], Condition]] = {
    fields.FAMILY: _family,
    fields.ROLE: _role,
    fields.PID: _pid,
    fields.NAME: _name,
    fields.VERDICT: _verdict,
    fields.CGROUP: _cgroup,
    fields.NETNS: _netns,
}
