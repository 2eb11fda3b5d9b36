"""Screening: every row of an answer is kept, refused with its rule, or an identical repeat; never anything else."""

from datetime import UTC, date, datetime
from typing import Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2k_pipeline.contracts.meta import RefusedRows
from r2k_pipeline.contracts.prices import PriceActions
from r2k_pipeline.sources.screening import Screened, screen

NOW: Final = datetime(2025, 1, 7, 12, tzinfo=UTC)
SCHEMA: Final = {
    "symbol": pl.String,
    "action_date": pl.String,
    "kind": pl.String,
    "recorded_at": pl.Datetime("us", "UTC"),
    "amount": pl.String,
    "source": pl.String,
    "is_withdrawn": pl.Boolean,
}
KEY: Final = ["symbol", "action_date", "kind"]


def written(*rows: tuple[str | None, str | None, str | None, str | None, str]) -> pl.DataFrame:
    """Rows (symbol, day, kind, amount, source) as a vendor wrote them."""
    full = [(symbol, day, kind, NOW, amount, source, False) for symbol, day, kind, amount, source in rows]
    return pl.DataFrame(full, schema=SCHEMA, orient="row")


def refusals(found: Screened) -> list[tuple[str, str]]:
    return found.refused.select("row_key", "rule").rows()


def test_good_rows_are_typed_in_contract_order() -> None:
    found = screen(PriceActions, written(("IWM", "2025-01-03", "dividend", "1.25", "a")))
    assert found.rows.schema == PriceActions.create_empty().schema
    assert found.rows["action_date"].to_list() == [date(2025, 1, 3)]
    assert found.rows["amount"].to_list() == [1.25]


def test_no_rows_are_no_trouble() -> None:
    found = screen(PriceActions, written())
    assert (found.rows.height, found.refused.height, found.identical.height) == (0, 0, 0)
    assert found.refused.schema == RefusedRows.create_empty().schema


def test_a_row_names_every_contract_rule_it_broke() -> None:
    found = screen(PriceActions, written(("i w m", "2025-01-03", "merger", "-1", "a")))
    assert refusals(found) == [("i w m 2025-01-03 merger", "symbol regex, kind check, amount min")]


def test_a_row_without_a_key_is_refused_by_rule() -> None:
    found = screen(PriceActions, written((None, "2025-01-03", "split", "2", "a"), ("IWM", None, "split", "2", "a")))
    assert sorted(refusals(found)) == [
        ("? 2025-01-03 split", "symbol nullability"),
        ("IWM ? split", "action_date is not a day"),
    ]


def test_a_further_rule_is_named_and_null_does_not_hold() -> None:
    rows = written(*(("IWM", f"2025-01-0{day}", "dividend", "1", "a") for day in (1, 2, 3)))
    holds = pl.when(pl.col("action_date") < date(2025, 1, 3)).then(pl.col("action_date") == date(2025, 1, 1))
    found = screen(PriceActions, rows, {"first_of_the_year": holds})
    assert found.rows["action_date"].to_list() == [date(2025, 1, 1)]
    assert {rule for _, rule in refusals(found)} == {"first_of_the_year"}
    assert found.refused.height == 2


def test_refused_rows_stay_as_written() -> None:
    found = screen(PriceActions, written(("IWM", "soon", "dividend", "1,25", "a")))
    assert found.refused["row_values"].to_list() == [
        '{"symbol":"IWM","action_date":"soon","kind":"dividend","amount":"1,25"}'
    ]
    assert RefusedRows.validate(found.refused).height == 1


ROW: Final = ("IWM", "2025-01-03", "dividend")


@pytest.mark.parametrize(
    ("answers", "kept", "refused", "identical"),
    [
        pytest.param("1a 1a", "1a", {}, "a", id="identical in one answer"),
        pytest.param("1a 1b", "1a", {}, "b", id="identical in two"),
        pytest.param("1a 2a", "", {"a": "conflicting_duplicate"}, "", id="differ in one"),
        pytest.param("1a 2b", "1a", {"b": "differs from a"}, "", id="differ in two: the first stands"),
        pytest.param("1a 2b 1b", "1a", {"b": "differs from a"}, "b", id="second says both"),
        pytest.param("1a 2b 3b", "1a", {"b": "conflicting_duplicate"}, "", id="second contradicts itself"),
        pytest.param("1a 2b 2c", "1a", {"b": "differs from a"}, "c", id="two agree against the first"),
        pytest.param(
            "1a 2a 1b", "", {"a": "conflicting_duplicate"}, "b", id="first contradicts itself, second repeats it"
        ),
        pytest.param(
            "1a 2a 3b", "3b", {"a": "conflicting_duplicate"}, "", id="first contradicts itself: the second stands"
        ),
    ],
)
def test_rows_of_one_key(answers: str, kept: str, refused: dict[str, str], identical: str) -> None:
    """Written as amount and answer."""
    found = screen(PriceActions, written(*((*ROW, amount, source) for amount, source in answers.split())))
    assert [f"{row['amount']:.0f}{row['source']}" for row in found.rows.to_dicts()] == kept.split()
    assert dict(found.refused.select("source", "rule").iter_rows()) == refused
    assert found.identical["source"].to_list() == identical.split()
    assert found.rows.height + found.refused.height + found.identical.height == len(answers.split())


SOUP: Final = st.lists(
    st.tuples(
        st.sampled_from(["IWM", "^RUT", "bad symbol", None]),
        st.sampled_from(["2025-01-02", "2025-1-2", "2025-01-03", "never", "", None]),
        st.sampled_from(["dividend", "split", "merger", None]),
        st.sampled_from(["1", "1.0", "0", "-1", "inf", "nan", "x", "", None]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(SOUP)
def test_every_row_is_accounted_for(rows: list[tuple[str | None, str | None, str | None, str | None, str]]) -> None:
    answer = written(*rows)
    found = screen(PriceActions, answer)
    by_source = [
        frame.group_by("source").len().sort("source").rows()
        for frame in (
            answer,
            pl.concat([part.select("source") for part in (found.rows, found.refused, found.identical)]),
        )
    ]
    assert by_source[0] == by_source[1], "rows in = kept + refused + identical, by answer"
    assert PriceActions.is_valid(found.rows)
    assert not found.rows.select(pl.struct(KEY).is_duplicated().any()).item()
    assert found.refused["rule"].str.len_chars().min() not in (None, 0) or found.refused.is_empty()
    assert screen(PriceActions, found.rows.with_columns(pl.col("action_date", "amount").cast(pl.String))).rows.equals(
        found.rows
    ), "what was kept is kept again"
