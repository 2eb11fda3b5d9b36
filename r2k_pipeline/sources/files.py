"""The `files` source: a folder of downloaded vendor files.

Belongs here: finding and reading files under `prices/` and `cot/`. Not here: their formats
(prices.py, cot.py).
"""

import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from r2k_pipeline.sources.protocol import CotDocument, PriceAnswer, SourceError

NO_ACTIONS = pl.DataFrame(schema={"Date": pl.String, "Dividends": pl.String, "Stock Splits": pl.String})


@dataclass(frozen=True)
class FilePrices:
    """`prices/SYMBOL.csv` in Yahoo's layout; dividends and splits where the file has those columns."""

    folder: Path
    name: str = "files"

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        """One file's rows as text; raises SourceError where it is missing, unreadable or empty."""
        origin = f"{self.name}:prices/{symbol}.csv"
        file = self.folder / "prices" / f"{symbol}.csv"
        try:
            bars = pl.read_csv(io.BytesIO(file.read_bytes()), infer_schema=False)
        except FileNotFoundError as error:
            raise SourceError(origin, symbol, "no such file", f"put prices/{symbol}.csv into the folder") from error
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = f"not a readable CSV: {str(error).splitlines()[0]}"
            raise SourceError(origin, symbol, reason, "download it again") from error
        if bars.is_empty():
            raise SourceError(origin, symbol, "an empty price answer", "download it again")
        bars = bars.rename({name: name.strip().lstrip("\ufeff") for name in bars.columns})
        with_actions = {"Date", "Dividends", "Stock Splits"} <= set(bars.columns)
        return PriceAnswer(symbol, origin, bars, bars.select(NO_ACTIONS.columns) if with_actions else NO_ACTIONS)


@dataclass(frozen=True)
class FileReports:
    """`cot/*.zip|*.txt|*.csv` in the CFTC's layouts; where files differ, zips stand before loose texts."""

    folder: Path
    name: str = "files"

    def list_reports(self) -> list[str]:
        """File names in order of precedence."""
        found = [file.name for file in (self.folder / "cot").glob("*") if file.suffix in (".zip", ".txt", ".csv")]
        return sorted(found, key=lambda name: (not name.endswith(".zip"), name))

    def fetch_report(self, name: str) -> CotDocument:
        """One file's bytes; raises SourceError where it cannot be read."""
        origin = f"{self.name}:cot/{name}"
        try:
            return CotDocument(name, origin, (self.folder / "cot" / name).read_bytes())
        except OSError as error:
            raise SourceError(origin, name, f"unreadable: {error.strerror}", "check the file") from error
