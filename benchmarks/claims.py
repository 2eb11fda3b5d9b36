"""Sixty claims of the vocabulary beside the same sixty as SQL in the sandbox: at most a third of its time.

Belongs here: both notes, made of the same questions, judged in one run in turn. Not here: opening a snapshot.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from r2k_pipeline.lake import Lake  # noqa: E402
from r2k_pipeline.report.check_note import check_note  # noqa: E402
from r2k_pipeline.snapshot import open_snapshot  # noqa: E402

ROUNDS: Final = 7
AT_MOST: Final = 1 / 3
MARKETS: Final = ("RUT", "SPX", "NDX", "DJI")
NUMBERS: Final = ("close", "rsi_14", "sma_50", "sma_200", "macd", "atr_14", "high_252d", "drawdown_ratio")
POSITIONS: Final = ("net_contracts", "short_contracts", "net_percentile_156w", "cot_index_52w")
GROUPS: Final = ("asset_manager", "leveraged_funds")
HEAD: Final = 'title = "sixty"\nas_of = 2025-03-14T20:00:00Z\n'


def in_words() -> str:
    """The claims in the vocabulary, a line each."""
    lines = [f'{m}_{n} = {{ says = "{n}", market = "{m}", {n}.above = 0 }}' for m in MARKETS for n in NUMBERS]
    lines += [
        f'{m}_{g}_{p} = {{ says = "{p}", market = "{m}", group = "{g}", {p}.above = 0 }}'
        for m in MARKETS
        for g in GROUPS
        for p in POSITIONS
    ]
    return HEAD + "[claims]\n" + "\n".join(lines[:60])


def in_sql() -> str:
    """The same, each a query and a condition."""
    key = "where market = $market and report_type = 'tff_futures' and trader_group = $trader_group"
    entries = [
        _entry(
            f"{m}_{n}",
            n,
            f"select {n} as value from features.daily_indicators where market = $market",
            "session_date",
            m,
        )
        for m in MARKETS
        for n in NUMBERS
    ]
    entries += [
        _entry(f"{m}_{g}_{p}", p, f"select {p} as value from marts.weekly_positioning {key}", "report_date", m, g)
        for m in MARKETS
        for g in GROUPS
        for p in POSITIONS
    ]
    return HEAD + "\n".join(entries[:60])


def _entry(name: str, says: str, query: str, day: str, market: str, group: str = "") -> str:
    of_group = f', trader_group = "{group}"' if group else ""
    return f"""
[[claims]]
id = "{name}"
claim = "{says}"
[[claims.definitions]]
alternative = "only"
reading = "as it says"
unit = "points"
parameters = {{ market = "{market}"{of_group} }}
sql = "{query} order by {day} desc limit 1"
holds_when = "value > 0"
"""


def main() -> None:
    """Medians of ROUNDS in turn; exits 1 where the vocabulary takes more than AT_MOST of the other's time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True, help="folder of lakes with a published one of --source")
    parser.add_argument("--source", default="files")
    parser.add_argument("--against", type=Path, help="a note in SQL to take instead of the sixty")
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {"words": [], "sql": []}
    with tempfile.TemporaryDirectory() as folder, open_snapshot(Lake.of(asked.lake, asked.source)) as snapshot:
        files = {"words": Path(folder, "words.toml"), "sql": asked.against or Path(folder, "sql.toml")}
        files["words"].write_text(in_words(), "utf-8")
        if asked.against is None:
            files["sql"].write_text(in_sql(), "utf-8")
        for _ in range(ROUNDS):
            for name, file in files.items():
                started = time.perf_counter()
                checked = check_note(file, snapshot)
                seconds[name].append(time.perf_counter() - started)
                assert not checked.errors, checked.errors
    words, sql = (statistics.median(seconds[name]) for name in ("words", "sql"))
    print(f"60 claims in words {words:.2f} s, in SQL {sql:.2f} s: {words / sql:.2f} x")
    sys.exit(f"over {AT_MOST:.2f} x" if words > AT_MOST * sql else None)


if __name__ == "__main__":
    main()
