"""The `files` source: a folder of downloaded vendor files.

Belongs here: finding and reading files under `prices/` and `cot/`. Not here: their formats
(price_text.py, prices.py, cot.py).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from r2k_pipeline.sources.price_text import read_price_table
from r2k_pipeline.sources.protocol import CotDocument, NotThereError, PriceAnswer, SourceError
from r2k_pipeline.sources.size_limits import BoundsError, read_bounded
from r2k_pipeline.sources.unread_prices import name_unread

ACTIONS = ("Date", "Dividends", "Stock Splits")
"""Columns of dividends and splits; a file without them may still have had some."""
SUFFIXES = (".zip", ".txt", ".csv")
UNREAD = {
    ".gz": "unpack it: the text in it is read",
    ".xls": "take the text instead: fut_fin_txt_YYYY.zip where this is of fut_fin_xls_YYYY.zip",
    ".xlsx": "save it as CSV, or take the CFTC's text",
}
"""Remedies by suffix for files that may hold reports and are not read; other files do not belong in `cot/`."""
NO_REPORTS = "fut_fin_txt_*.zip"
"""Requested from an empty folder, so that the run fails with a file name instead of succeeding without reports."""


@dataclass(frozen=True)
class FilePrices:
    """`prices/SYMBOL.csv` in Yahoo's layout; dividends and splits where the file has those columns.

    `is_download`: whether a file is a vendor's answer as of its saving; the sample is generated here.
    """

    folder: Path
    name: str = "files"
    is_download: bool = True
    asks_vendor: ClassVar[bool] = False

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        """One file's rows as text; raises NotThereError where it is missing, SourceError: unreadable, cut or empty."""
        origin, file = f"{self.name}:prices/{symbol}.csv", self.folder / "prices" / f"{symbol}.csv"
        try:
            body = read_bounded(file)
            saved_at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if self.is_download else None
        except FileNotFoundError as error:
            raise NotThereError(origin, symbol, "no such file", f"put prices/{symbol}.csv into the folder") from error
        except OSError as error:
            raise SourceError(origin, symbol, f"unreadable: {error.strerror}", "check the file") from error
        except BoundsError as error:
            raise SourceError(origin, symbol, str(error), "no price file is as large: take it out") from error
        bars = read_price_table(origin, symbol, body)
        actions = bars.select(ACTIONS) if set(ACTIONS) <= set(bars.columns) else None
        return PriceAnswer(symbol, origin, bars, actions, saved_at)

    def list_unread(self, symbols: Collection[str]) -> list[str]:
        """A note for each entry of `prices/` that is none of these symbols' files; none for files made by ourselves."""
        return name_unread(self.folder / "prices", symbols) if self.is_download else []


@dataclass(frozen=True)
class FileReports:
    """`cot/*.zip|*.txt|*.csv` in the CFTC's layouts; whatever else lies there fails by name, but for hidden files."""

    folder: Path
    name: str = "files"
    asks_vendor: ClassVar[bool] = False

    def list_reports(self) -> list[str]:
        """File names, zips first: of two files that reach equally far the first stands.

        If no report can be read, the pattern of the missing files as well.
        """
        found = [file.name for file in (self.folder / "cot").glob("*") if not file.name.startswith(".")]
        missing = [] if any(Path(name).suffix.lower() in SUFFIXES for name in found) else [NO_REPORTS]
        return sorted(found, key=lambda name: (not name.lower().endswith(".zip"), name)) + missing

    def fetch_report(self, name: str) -> CotDocument:
        """One file's bytes; raises SourceError if it cannot be read or is not a kind that is read."""
        origin, file = f"{self.name}:cot/{name}", self.folder / "cot" / name
        if file.is_dir():
            raise SourceError(origin, name, "a folder, not looked into", "move its files into cot/ itself")
        if name != NO_REPORTS and file.suffix.lower() not in SUFFIXES:
            remedy = UNREAD.get(file.suffix.lower(), "take it out of cot/")
            raise SourceError(origin, name, f"not read: not one of {', '.join(SUFFIXES)}", remedy)
        try:
            return CotDocument(name, origin, read_bounded(file))
        except BoundsError as error:
            raise SourceError(origin, name, str(error), "no report is as large: take it out of cot/") from error
        except FileNotFoundError as error:
            raise SourceError(origin, name, "no such file", "put the CFTC's zips into cot/ of the folder") from error
        except OSError as error:
            raise SourceError(origin, name, f"unreadable: {error.strerror}", "check the file") from error
