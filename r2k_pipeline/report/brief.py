"""The brief: the state of each market at a moment, in a dozen lines, every number from the mart.

Belongs here: the wording of a mart row. Not here: anything computed.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from r2k_pipeline.lake import Lake, LakeError
from r2k_pipeline.warehouse import open_warehouse

GROUPS = {"asset_manager": "asset managers", "leveraged_funds": "leveraged funds"}


@dataclass(frozen=True)
class Brief:
    """One mart row a market, and what the data is."""

    label: str
    is_sample: bool
    rows: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; instants and days as ISO text."""
        rows = [{name: _plain(value) for name, value in row.items()} for row in self.rows]
        return {"label": self.label, "is_sample": self.is_sample, "markets": rows}

    def text(self) -> str:
        """A dozen lines a market."""
        banner = [self.label, ""] if self.is_sample else []
        return "\n\n".join("\n".join([*banner, *_lines(row)]) for row in self.rows)


def read_brief(lake: Lake, market: str | None, as_of: datetime | None) -> Brief:
    """The mart rows known at `as_of` (default: newest) of one market or all. Raises LakeError if there are none."""
    with open_warehouse(lake.warehouse) as connection:
        relation = "latest()" if as_of is None else "as_of($moment)"
        parameters: dict[str, Any] = {} if as_of is None else {"moment": as_of}
        where = "" if market is None else "where market = $market"
        parameters |= {} if market is None else {"market": market}
        rows = connection.sql(f"select * from {relation} {where}", params=parameters).pl().to_dicts()
        label, is_sample = connection.sql("select label, is_sample from meta.generation").fetchall()[0]
        if not rows:
            known = [name for (name,) in connection.sql("select market from marts.markets order by market").fetchall()]
            asked = f"market {market!r}" if market and market not in known else f"a session known by {as_of}"
            raise LakeError(f"no mart row for {asked}; next: one of {', '.join(known)}, or a later moment")
    return Brief(label, is_sample, tuple(rows))


def _lines(row: dict[str, Any]) -> list[str]:
    head = f"{row['market']}  {row['session_date']}  close {_points(row['close'])}  ({_percent(row['return_1d'])})"
    lines = [
        head,
        f"  trend         SMA order {row['moving_average_order'] or '-'}; last cross {row['last_cross'] or '-'}"
        f" on {row['last_cross_date'] or '-'}; drawdown {_percent(row['drawdown_ratio'])}",
        f"  averages      SMA 20 {_points(row['sma_20'])}, 50 {_points(row['sma_50'])},"
        f" 100 {_points(row['sma_100'])}, 200 {_points(row['sma_200'])}",
        f"  momentum      RSI 14 {_number(row['rsi_14'])}; MACD histogram {_number(row['macd_histogram'])};"
        f" ATR 14 {_points(row['atr_14'])}; volatility {_percent(row['realised_volatility_20d'])}",
        f"  52 weeks      {_points(row['low_252d'])} to {_points(row['high_252d'])}",
        f"  support       {_level(row, 'support')}",
        f"  resistance    {_level(row, 'resistance')}",
        f"  volume        POC {_points(row['poc_250'])}, value area {_points(row['value_area_low_250'])}"
        f" to {_points(row['value_area_high_250'])} (250 sessions, volume of {row['volume_symbol'] or '-'})",
    ]
    if row["report_date"] is None:
        return [*lines, "  positioning   no report released yet"]
    return [
        *lines,
        f"  positioning   report of {row['report_date']}, released {row['released_at']:%Y-%m-%d %H:%M} UTC,"
        f" {row['report_age_days']} days old",
        *(f"    {label:16}{_group(row, group)}" for group, label in GROUPS.items()),
    ]


def _group(row: dict[str, Any], group: str) -> str:
    state, flow = row[f"{group}_positioning_state"], row[f"{group}_dominant_flow"]
    rank = row[f"{group}_net_percentile_156w"]
    return (
        f"net {_signed(row[f'{group}_net_contracts'])} contracts ({_percent(row[f'{group}_net_share_oi'])} of OI),"
        f" week {_signed(row[f'{group}_net_contracts_change_1w'])}, mostly {(flow or '-').replace('_', ' ')};"
        f" percentile 156w {_number(rank)}, {(state or 'not ranked').replace('_', ' ')}"
    )


def _level(row: dict[str, Any], side: str) -> str:
    if row[f"{side}_price"] is None:
        return "none known"
    distance = row[f"{side}_distance_atr"]
    return f"{_points(row[f'{side}_price'])} ({distance:+.1f} ATR): {row[f'{side}_evidence']}"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+,.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.2f} %"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
