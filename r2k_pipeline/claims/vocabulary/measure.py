"""A measure: a column by its name, or a quantity derived from rows.

Belongs here: its kind, unit and place. Not here: which measures there are (measures.py, derived.py), their rows
(known_rows.py, structures.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dataframely as dy

from r2k_pipeline.claims.vocabulary.relations import Relation
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import RATIOS, Unit

GROUP_KEY: Final = frozenset({"report_type", "trader_group"})
FURTHER_KEYS: Final[Mapping[str, str]] = {
    "other_market": "against",
    "anchor": "anchor",
    "profile_window": "profile_window",
}
"""Key columns of text beside market and day -> the relation by which a claim names their value."""


@dataclass(frozen=True)
class Measure:
    """A column of `table`, or a derived quantity (`derived`: the name of the code that computes it).

    `kind`: number, text or day. `own_relations`: its relations, if only its own apply; a claim must give those in
    `needs`, and one of those in `compares`.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    table: type[Table] | None = None
    derived: str | None = None
    choices: tuple[str, ...] = ()
    own_relations: Mapping[str, Relation] | None = None
    needs: tuple[str, ...] = ()
    compares: tuple[str, ...] = ()

    @property
    def is_of_group(self) -> bool:
        """Whether its value belongs to a trader group."""
        of_table = self.table is not None and set(self.table.primary_key()) >= GROUP_KEY
        return of_table or self.derived in ("position", "flow")

    @property
    def is_price(self) -> bool:
        """Whether it is a price of the index."""
        return self.unit == Unit.POINTS

    @property
    def is_ratio(self) -> bool:
        """Whether a percentage of it means percentage points, 1 = 100 %."""
        return self.unit in RATIOS

    @property
    def day_column(self) -> str:
        """The column of its table that dates a row."""
        assert self.table is not None
        return next(name for name, column in self.table.columns().items() if is_day_key(column))

    @property
    def is_weekly(self) -> bool:
        """Whether its table has a row a week, of sessions."""
        return self.table is not None and self.table.table.startswith("weekly_") and not self.is_of_group

    @property
    def further_key(self) -> str | None:
        """The key column beside market and day whose value a claim must name, if any."""
        keys = self.table.primary_key() if self.table is not None else ()
        return next((key for key in keys if key in FURTHER_KEYS), None)


def is_day_key(column: dy.Column) -> bool:
    """Whether a column dates the rows of its table."""
    return column.primary_key and isinstance(column, dy.Date)
