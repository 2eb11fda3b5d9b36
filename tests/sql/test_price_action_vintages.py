"""staging.price_action_vintages: splits and dividends, each known from its day's close or from when it was revised."""

import pytest

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceActions, PriceActionVintages
from r2k_pipeline.tables.reference import Sessions
from tests.sql.rows import RUSSELL, derive, fetch, session

DIVIDEND = {"symbol": "IWM", "action_date": "2025-03-18", "kind": "dividend", "amount": 0.55}


def test_each_vintage_stands_from_when_it_was_known_until_the_next() -> None:
    revised = {**DIVIDEND, "amount": 0.56, "recorded_at": "2025-03-20T09:00Z"}
    on_sunday = {"symbol": "IWM", "action_date": "2025-03-23", "kind": "split", "amount": 2.0}
    given = {
        **RUSSELL,
        Sessions: [session("2025-03-18", "20:00Z")],
        PriceActions: [DIVIDEND, revised, on_sunday],
    }
    found = derive(PriceActionVintages, given)
    days = {name: found[name].dt.strftime("%d %H:%M") for name in ("known_at", "superseded_at")}
    assert found.with_columns(**days).select("kind", "amount", "known_at", "superseded_at").rows() == [
        ("dividend", 0.55, "18 20:00", "20 09:00"),
        ("dividend", 0.56, "20 09:00", None),
        ("split", 2.0, "24 00:00", None),
    ]
    assert derive(PriceActionVintages, given, "2025-03-18T19:59Z").is_empty()


@pytest.mark.parametrize(
    ("fetched_at", "shows", "moments"),
    [
        pytest.param("2025-03-21T20:30Z", ("2025-03-18", "2025-03-20"), ("10 20:00", "25 21:00"), id="a later file"),
        pytest.param("2025-03-21T20:30Z", ("1900-01-01", "2025-03-21"), ("25 21:00", "25 21:00"), id="a live answer"),
        pytest.param(
            "2025-03-20T19:30Z", ("2025-03-18", "2025-03-20"), ("10 20:00", "20 20:00"), id="before the close"
        ),
        pytest.param("2025-03-21T20:30Z", None, ("10 20:00", "20 20:00"), id="a first file"),
    ],
)
def test_a_dividend_that_a_fetch_could_have_shown_is_known_from_its_recording(
    fetched_at: str, shows: tuple[str, str] | None, moments: tuple[str, str]
) -> None:
    """Of two that came late, one is older than the days that a file could have shown."""
    stamp = {"recorded_at": "2025-03-25T21:00Z"}
    given = {
        **RUSSELL,
        Sessions: [session(f"2025-03-{day}", "20:00Z") for day in (10, 18, 20, 21)],
        PriceActions: [DIVIDEND, *({**DIVIDEND, **stamp, "action_date": f"2025-03-{day}"} for day in (10, 20))],
        FetchLog: [fetch("IWM", fetched_at, shows, table_name="raw.price_actions")],
    }
    found = derive(PriceActionVintages, given).sort("action_date")
    assert found["known_at"].dt.strftime("%d %H:%M").to_list() == [moments[0], "18 20:00", moments[1]]


def test_an_action_that_was_held_is_known_from_its_acceptance() -> None:
    stamp = "2025-03-25T21:00Z"
    log = {"item": "IWM", "table_name": "raw.price_actions", "fetched_at": stamp}
    given = {
        **RUSSELL,
        Sessions: [session("2025-03-18", "20:00Z")],
        PriceActions: [{**DIVIDEND, "recorded_at": stamp}],
    }
    for status, known in (("ok", "18 20:00"), ("accepted", "25 21:00")):
        found = derive(PriceActionVintages, {**given, FetchLog: [{**log, "status": status}]})
        assert found["known_at"].dt.strftime("%d %H:%M").to_list() == [known]
