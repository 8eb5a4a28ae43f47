"""What does an expression ask for, and which labels has its result? Reads PromQL's tree and objects to what would give
nothing, or nonsense: unknown metrics or labels, counters as they are, rates of gauges, sides that never match."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    LabelModifierType,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    parse,
    walk,
)

from tests.dashboards.metrics import COUNTERS, GAUGES

Labels = frozenset[str]

_OF_COUNTERS = {"rate", "increase", "irate"}
_SELECTING = {"topk", "bottomk"}
_SETS = {"and", "or", "unless"}


class Objection(AssertionError):
    pass


@dataclass
class Reader:
    """recorded: the labels of each recorded series."""

    recorded: dict[str, Labels] = field(default_factory=dict)

    def labels(self, expr: str) -> Labels:
        """Of the result; none of a mere number. Raises Objection."""
        return self._of(parse(expr)) or frozenset()

    def _of(self, node: Expr) -> Labels | None:
        match node:
            case NumberLiteral():
                return None
            case ParenExpr() | UnaryExpr():
                return self._of(node.expr)
            case VectorSelector():
                return self._selector(node, GAUGES | self.recorded)
            case Call():
                return self._call(node)
            case AggregateExpr():
                return self._aggregate(node)
            case BinaryExpr():
                return self._binary(node)
        raise Objection(f"{node.prettify()}: not in use here")

    def _selector(self, node: VectorSelector, allowed: Mapping[str, Labels]) -> Labels:
        name = node.name or ""
        if name not in allowed:
            what = "a counter as it is" if name in COUNTERS else "no such metric, or not with this function"
            raise Objection(f"{name}: {what}")
        labels = allowed[name]
        if unknown := {matcher.name for matcher in node.matchers.matchers} - labels:
            raise Objection(f"{name} has no {unknown}")
        return labels

    def _call(self, node: Call) -> Labels | None:
        *_, last = node.args
        if node.func.name in _OF_COUNTERS:
            if isinstance(last, SubqueryExpr):
                raise Objection(f"{node.prettify()}: a rate of what is no counter")
            assert isinstance(last, MatrixSelector)
            return self._selector(last.vector_selector, COUNTERS)
        labels = self._of(last)
        if node.func.name == "histogram_quantile":
            if "le" not in (labels or ()):
                raise Objection(f"{node.prettify()}: buckets without their bounds")
            return (labels or frozenset()) - {"le"}
        if node.func.name == "absent":
            return frozenset({matcher.name for matcher in last.matchers.matchers})
        raise Objection(f"{node.func.name}(): not in use here")

    def _aggregate(self, node: AggregateExpr) -> Labels:
        labels = self._of(node.expr) or frozenset()
        if node.modifier is None:
            return labels if str(node.op) in _SELECTING else frozenset()
        named = frozenset(node.modifier.labels)
        if node.modifier.type != AggModifierType.By or not named <= labels:
            raise Objection(f"{node.prettify()}: by {named - labels}, which it has not")
        return named

    def _binary(self, node: BinaryExpr) -> Labels | None:
        sets = str(node.op) in _SETS
        left, right = (self._side(node, side) for side in (node.lhs, node.rhs))
        if left is None or right is None:
            return left if right is None else right
        matching = node.modifier.matching if node.modifier else None
        if matching is None:
            if left != right and not (str(node.op) == "or" and right < left):
                raise Objection(f"{node.prettify()}: {set(left)} never match {set(right)}")
        elif matching.type != LabelModifierType.Include or not {*matching.labels} <= left & right:
            raise Objection(f"{node.prettify()}: on {matching.labels}")
        return left if sets or matching is None else frozenset(matching.labels)

    def _side(self, node: BinaryExpr, side: Expr) -> Labels | None:
        """Whether a series exists may be asked of a counter as it is."""
        if isinstance(side, VectorSelector) and str(node.op) == "unless":
            return self._selector(side, COUNTERS | GAUGES | self.recorded)
        return self._of(side)


def selectors(expr: str) -> Iterator[VectorSelector]:
    """Every selector, ranges' too."""
    found: list[VectorSelector] = []

    def visit(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.append(node)

    walk(parse(expr), pre_visit=visit)
    return iter(found)
