"""The vocabulary of claims as Markdown: keys, relations and measures with examples.

Belongs here: the layout of docs/vocabulary.md, which `python -m r2k_pipeline.report.vocabulary > docs/vocabulary.md`
writes anew. Not here: the words (claims/vocabulary/), how to write a note (docs/claims.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

from r2k_pipeline.claims.vocabulary.choices import LOOKBACKS, USUAL
from r2k_pipeline.claims.vocabulary.derived import DERIVED
from r2k_pipeline.claims.vocabulary.measure import Measure
from r2k_pipeline.claims.vocabulary.measures import columns
from r2k_pipeline.claims.vocabulary.relations import COMPARISONS, OTHERS, PREFIXES, ROWS, Relation
from r2k_pipeline.claims.vocabulary.statements import KEYS

INTRODUCTION: Final = """# The vocabulary of claims

Generated from the code by `python -m r2k_pipeline.report.vocabulary > docs/vocabulary.md`: edit the code, not this.
[claims.md](claims.md) says how a note is written and judged. A claim is one line: what it says, and measures with
relations, all of which must hold.

    T9 = { says = "RSI 33.29, very oversold", rsi_14.is = 33.29, rsi_14.below = 30 }

A number means what is printed: 33.29 is 33.285 to 33.295, `"-0.7 %"` is a ratio, `"-40.0"` keeps its last zero."""


def build_page() -> str:
    """The whole page; ends with a newline."""
    parts = [
        INTRODUCTION,
        "## Keys of a claim",
        _table(("key", "meaning"), ((f"`{key}`", meaning) for key, meaning in KEYS.items())),
        "## Relations",
        "They fit every measure that has rows by session or report. Without one of the third table, a comparison is\n"
        "about the last row known at the claim's moment.",
        _relations(COMPARISONS),
        "A comparison also stands behind a prefix, as in `short.change_rank_above = 90`:",
        _table(("prefix", "is"), ((f"`{name}`", meaning) for name, meaning in PREFIXES.items() if name)),
        "Relations to other rows:",
        _relations(OTHERS),
        "Which rows the comparisons of the same measure are about:",
        _relations(ROWS),
        "## Measures",
        "Every column is a measure by its name, in tables with one row a market and day, or report and trader group;\n"
        "[tables.md](tables.md) has their units and meanings. So a new column needs no new word.",
        _table(("table", "columns", "for example"), _columns()),
        "Also `sma_N` and `ema_N` for any number of sessions, and these:",
        _table(("measure", "unit", "meaning"), (_named(each) for each in DERIVED.values())),
        "Some of them take relations of their own, and no others:",
        _table(("relation", "takes", "meaning", "example"), _own()),
        "## What the words leave open",
        _READINGS,
    ]
    return "\n\n".join(parts) + "\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_READINGS: Final = f"""Each choice is a reading with a verdict of its own:

- the trader group, where none is named: {"; ".join(f"{_listed(USUAL[name])} of {name} reports" for name in USUAL)}.
  Without a report type, those of the market's primary report and the legacy one. Of a printed number only the groups
  that fit are shown: they say which one the note means;
- a rank or an extreme of `long`, `short`, `net`: in contracts, and as share of open interest;
- a moment that is a day, of positions: after, and before the report that came out on that day;
- `price`: during the day, and at the close; `price.at`: to the point, and within a quarter of a percent;
- `decline`, `rise`: over the last {", ".join(str(count) for _, count in LOOKBACKS)} sessions;
- a list of `within`, `for`, `poc.since`, `slower_than`.

Where the printed number fails, further readings are tried, and shown where they hold: within 0.01 % of a price, as
vendors differ; by closes instead of extremes; the RSI at a price that was traded in the session."""


def _relations(relations: Mapping[str, Relation]) -> str:
    rows = ((f"`{name}`", each.takes, each.meaning, f"`{each.example}`") for name, each in relations.items())
    return _table(("relation", "takes", "meaning", "example"), rows)


def _columns() -> Iterator[tuple[str, ...]]:
    listed = [(measure.table.dotted(), name) for name, measure in columns().items() if measure.table]
    for table, found in groupby(sorted(listed, key=lambda each: each[0]), lambda each: each[0]):
        names = [name for _, name in found]
        yield f"`{table}`", str(len(names)), ", ".join(f"`{name}`" for name in names[:3])


def _named(measure: Measure) -> tuple[str, ...]:
    values = f" ({', '.join(measure.choices)})" if measure.choices else ""
    return f"`{measure.name}`", f"{measure.unit}{values}", measure.meaning


def _own() -> Iterator[tuple[str, ...]]:
    for measure in DERIVED.values():
        for word, relation in (measure.own_relations or {}).items():
            yield f"`{measure.name}.{word}`", relation.takes, relation.meaning, f"`{relation.example}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    print(build_page(), end="")
