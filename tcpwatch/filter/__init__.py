"""Which rows does the user want to see? Text in (a superset of ss's filters), a mask over columns out. Knows nothing
of where rows come from, and loads its parser only when there is something to parse."""

from dataclasses import dataclass

import numpy as np

from tcpwatch.filter.conditions import Columns, Condition, Constant, Names, Table
from tcpwatch.filter.fields import FIELDS, Field
from tcpwatch.filter.prefilter import KernelFilter

__all__ = ["FIELDS", "Field", "Filter", "KernelFilter", "Names", "parse"]


@dataclass(frozen=True, slots=True)
class Filter:
    """expression: as it was given. notes: lines to show the user about how it was read; mostly none."""

    expression: str
    condition: Condition
    notes: tuple[str, ...] = ()

    def mask(self, columns: Columns, names: Names | None = None) -> np.ndarray:
        """(rows,) bool: True where the expression is certainly true.

        columns: a structured array (rows.CONNECTION) or arrays of one length by name. A column that is absent,
        a NaN, a pid, cgroup, netns, role, family or state of 0 and an empty comm make what they are compared with
        unknown; `not` of unknown is unknown, and unknown rows are left out."""
        first = columns if isinstance(columns, np.ndarray) else next(iter(columns.values()), ())
        return self.condition.mask(Table(columns, names or Names(), len(first)))

    @property
    def fields(self) -> frozenset[str]:
        """The columns it looks at."""
        return self.condition.columns()

    @property
    def kernel(self) -> KernelFilter:
        """What each accepted row satisfies, of what the kernel can check itself; some that do are refused by mask."""
        return self.condition.box()


def parse(expression: str) -> Filter:
    """Reads a filter; an empty one lets everything through. Raises errors.FilterError."""
    if not expression.strip():
        return Filter(expression, Constant(True))
    # Here and not above: lark takes 40 ms to import, which a start without a filter does not need
    from tcpwatch.filter import compiler, syntax

    reading = compiler.Compiler()
    condition = reading.chain(syntax.read(expression))
    return Filter(expression, condition, tuple(dict.fromkeys(reading.notes)))
