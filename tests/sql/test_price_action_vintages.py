"""staging.price_action_vintages: splits and dividends, each known from its day's close or from when it was revised."""

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceActions, PriceActionVintages, PriceBars
from r2k_pipeline.contracts.reference import Sessions
from tests.sql.rows import RUSSELL, bar, derive, session

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


def test_a_dividend_that_was_looked_for_in_vain_is_known_from_its_recording() -> None:
    """The bar of its day and an older dividend were there before; an older one that comes as late is history."""
    older, late = (
        {**DIVIDEND, "recorded_at": "2025-03-25T21:00Z", "action_date": f"2025-03-{day}"} for day in (10, 20)
    )
    with_its_bar = {**DIVIDEND, "action_date": "2025-03-21", "recorded_at": "2025-03-21T21:00Z"}
    given = {
        **RUSSELL,
        Sessions: [session(f"2025-03-{day}", "20:00Z") for day in (10, 18, 20, 21)],
        PriceBars: [
            bar("IWM", "2025-03-18", 200.0),
            bar("IWM", "2025-03-20", 201.0, recorded_at="2025-03-20T21:00Z"),
            bar("IWM", "2025-03-21", 202.0, recorded_at="2025-03-21T21:00Z"),
        ],
        PriceActions: [DIVIDEND, older, late, with_its_bar],
    }
    found = derive(PriceActionVintages, given).sort("action_date")
    assert found["known_at"].dt.strftime("%d %H:%M").to_list() == ["10 20:00", "18 20:00", "25 21:00", "21 20:00"]


def test_an_action_that_was_held_is_known_from_its_acceptance() -> None:
    """Its bar was held as long and there is no older action: as news it would be history."""
    stamp = "2025-03-25T21:00Z"
    log = {"item": "IWM", "table_name": "raw.price_actions", "fetched_at": stamp}
    given = {
        **RUSSELL,
        Sessions: [session("2025-03-18", "20:00Z")],
        PriceBars: [bar("IWM", "2025-03-18", 200.0, recorded_at=stamp)],
        PriceActions: [{**DIVIDEND, "recorded_at": stamp}],
    }
    for status, known in (("ok", "18 20:00"), ("accepted", "25 21:00")):
        found = derive(PriceActionVintages, {**given, FetchLog: [{**log, "status": status}]})
        assert found["known_at"].dt.strftime("%d %H:%M").to_list() == [known]
