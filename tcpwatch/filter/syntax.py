"""Text to a tree of comparisons: which word stands where, and what is wrong where none can stand. What the words mean
is the compiler's business. Imports lark, so it is itself imported only when there is an expression to read."""

import functools
import re
from dataclasses import dataclass

from lark import Lark, Token, Tree, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from tcpwatch import words
from tcpwatch.errors import FilterError
from tcpwatch.filter import fields

LENGTH_MAX = 4096
DEPTH_MAX = 64

_SIGNS = {"==": "=", "eq": "=", "ne": "!=", "neq": "!=", "lt": "<", "gt": ">", "le": "<=", "leq": "<="}
_SIGNS |= {"ge": ">=", "geq": ">="}
_JOINS = {"&": "and", "&&": "and", "|": "or", "||": "or"}
_BARE_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_ESCAPE = re.compile(r"""\\([\s()'"<>=!&|~\\])""")


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of the expression. text: without quotes and escapes; column, length: of what was written."""

    text: str
    expression: str
    column: int
    length: int
    quoted: bool = False

    @property
    def shown(self) -> str:
        """As it was written, fit for a message."""
        return shown(self.expression[self.column : self.column + self.length])

    def fault(self, what: str, cure: str = "") -> FilterError:
        return FilterError(what, self.expression, self.column, self.length, cure)


@dataclass(frozen=True, slots=True)
class Comparison:
    field: Word
    sign: str  # normalised; "" where none was written
    sign_word: Word | None
    value: Word


@dataclass(frozen=True, slots=True)
class Bare:
    word: Word


@dataclass(frozen=True, slots=True)
class Not:
    part: "Node"


@dataclass(frozen=True, slots=True)
class Chain:
    """parts: (join, node); join: "and", "or", or "" where nothing was written (and for the first)."""

    parts: tuple[tuple[str, "Node"], ...]


Node = Comparison | Bare | Not | Chain


def shown(text: str) -> str:
    """A piece of an expression as a message quotes it."""
    text = words.clean(text)
    return f"`{text[:59]}…`" if len(text) > 60 else f"`{text}`"


def read(expression: str) -> Chain:
    """Raises FilterError."""
    if len(expression) > LENGTH_MAX:
        what = f"the filter has {len(expression)} characters, more than the {LENGTH_MAX} that are read"
        raise FilterError(what, expression, LENGTH_MAX, len(expression) - LENGTH_MAX, "shorten it")
    return _chain(_parse(expression).children[0], expression, 0)


@functools.cache
def _lark() -> Lark:
    return Lark.open_from_package(__package__, "grammar.lark", [""], parser="lalr", lexer="contextual")


def _parse(expression: str) -> "Tree[Token]":
    parser = _lark().parse_interactive(expression)
    seen: list[Token] = []
    try:
        seen.extend(parser.iter_parse())
        tree: Tree[Token] = parser.feed_eof()  # type: ignore[no-untyped-call]  # lark left this one untyped
    except UnexpectedInput as error:
        raise _parted(expression, seen) or _fault(expression, seen, error) from None
    if fault := _parted(expression, seen):
        raise fault
    return tree


def _parted(expression: str, seen: list[Token]) -> FilterError | None:
    """A unit that a space parts from its number is read as the next condition's field."""
    for named, sign, number, unit in zip(seen, seen[1:], seen[2:], seen[3:]):
        field = fields.find(named) if sign.type == "SIGN" and _BARE_NUMBER.fullmatch(number) else None
        if field is not None and unit.lower() in dict(field.kind.units):
            word = _word(unit, expression)
            return word.fault(f"{word.shown} stands apart from its number", f"write {shown(number + unit)}")
    return None


def _word(token: Token, expression: str) -> Word:
    column = token.start_pos or 0
    quoted = token.type == "QUOTED"
    text = token[1:-1] if quoted else _ESCAPE.sub(r"\1", token)
    return Word(text, expression, column, len(token), quoted)


def _chain(tree: "Tree[Token] | Token", expression: str, depth: int) -> Chain:
    assert isinstance(tree, Tree)
    parts: list[tuple[str, Node]] = []
    join = ""
    for child in tree.children:
        if isinstance(child, Token):
            join = _JOINS.get(child, child.lower())
        else:
            parts.append((join, _unit(child, expression, depth)))
            join = ""
    return Chain(tuple(parts))


def _unit(tree: "Tree[Token]", expression: str, depth: int) -> Node:
    first, *others = tree.children
    assert isinstance(first, Token)
    word = _word(first, expression)
    if tree.data in ("group", "negation") and depth == DEPTH_MAX:
        raise word.fault(f"more than {DEPTH_MAX} conditions inside one another", "write it with fewer parentheses")
    match tree.data:
        case "group":
            return _chain(others[0], expression, depth + 1)
        case "negation":
            assert isinstance(others[0], Tree)
            return Not(_unit(others[0], expression, depth + 1))
        case "bare":
            return Bare(word)
    sign, value = (_word(other, expression) if isinstance(other, Token) else None for other in ([None, *others])[-2:])
    assert value is not None
    return Comparison(word, _sign(sign), sign, value)


def _sign(word: Word | None) -> str:
    return _SIGNS.get(word.text.lower(), word.text) if word else ""


def field_of(word: Word) -> fields.Field:
    """The field a word names. Raises FilterError with what was probably meant."""
    field = fields.find(word.text)
    if field is not None:
        return field
    if word.text.lower() in fields.REFUSED:
        what = f"{word.shown} is known to ss alone: tcpwatch does not record {fields.REFUSED[word.text.lower()]}"
        raise word.fault(what, "leave this condition out")
    raise word.fault(f"{word.shown} is no field", _meant(word.text))


def _meant(name: str) -> str:
    if fields.state_numbers(name) is not None:
        return f"did you mean `state {name.lower()}`?"
    field, colon, rest = name.partition(":")
    if colon and fields.find(field) is not None:
        return f"did you mean {shown(f'{field} :{rest}')}?"
    if re.match(r"[\[*:0-9]", name):
        return f"did you mean {shown('dst ' + name)} or {shown('dport = ' + name)}?"
    close = fields.nearest(name.replace("-", "_"), (*fields.BY_NAME, "inet", "inet6", "not", "and", "or"))
    return f"did you mean `{close}`?" if close else f"the fields are {', '.join(fields.BY_NAME)}"


def _fault(expression: str, seen: list[Token], error: UnexpectedInput) -> FilterError:
    """Says what was expected, by what was read last."""
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    column = len(expression) if at_end else error.pos_in_stream or 0
    found = "" if at_end else _piece(expression, column, error)
    here = Word(found, expression, column, len(found))
    seen = [token for token in seen if (token.start_pos or 0) < column]
    last = seen[-1] if seen else None
    if not at_end and expression[column] in "\"'" and isinstance(error, UnexpectedCharacters):
        return here.fault("this quote is never closed", f"add a {expression[column]} after the value")
    if not at_end and expression[column] == "\\" and isinstance(error, UnexpectedCharacters):
        return here.fault("a backslash needs a character after it", "write \\\\ for a backslash itself")
    instead = "but the filter ends here" if at_end else f"not {here.shown}"
    if last is None or last.type in ("JOIN", "NOT", "LPAR"):
        return _no_condition(here, last, instead)
    if _expects_value(error):
        named = last if last.type == "WORD" else seen[-2]
        needs = field_of(_word(named, expression)).kind.needs
        cure = f'if that is the value, write "{found}"' if found.lower() in ("and", "or", "not") else ""
        return here.fault(f"{shown(named.lower())} needs {needs}, {instead}", cure)
    return _no_join(here, seen, at_end)


def _expects_value(error: UnexpectedInput) -> bool:
    expected = error.allowed if isinstance(error, UnexpectedCharacters) else getattr(error, "expected", None)
    return "QUOTED" in (expected or ())


def _piece(expression: str, column: int, error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken):
        return str(error.token)
    match = re.compile(r"""[<>=!~&|]+|["'].*|[^\s]""", re.DOTALL).match(expression, column)
    return match.group() if match else ""


def _no_condition(here: Word, last: Token | None, instead: str) -> FilterError:
    example = "a condition such as `dport = 443`"
    if here.text == ")" and last is not None and last.type == "LPAR":
        return here.fault("these parentheses are empty", f"put {example} into them")
    before = f"{shown(last)} is followed by" if last is not None else "a filter begins with"
    return here.fault(f"{before} {example}, {instead}")


def _no_join(here: Word, seen: list[Token], at_end: bool) -> FilterError:
    if at_end:
        opened: list[Token] = []
        for token in seen:
            if token.type == "LPAR":
                opened.append(token)
            elif token.type == "RPAR":
                opened.pop()
        return _word(opened[-1], here.expression).fault("this parenthesis is never closed", "add a `)`")
    if here.text == ")":
        return here.fault("this parenthesis closes nothing", "take it away, or add a `(` before")
    cure = "put quotes around a value that holds such characters, or `and` or `or` between two conditions"
    return here.fault(f"{here.shown} follows a condition that is complete", cure)
