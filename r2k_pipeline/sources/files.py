"""The `files` source: a folder of downloaded vendor files.

Belongs here: finding and reading files under `prices/` and `cot/`. Not here: their formats
(price_layouts.toml, price_text.py, prices.py, cot.py).
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from r2k_pipeline.folders import run_of
from r2k_pipeline.sources.containers import READ
from r2k_pipeline.sources.price_folder import PriceFolder, say_left_out, symbol_of
from r2k_pipeline.sources.price_tables import PriceFile
from r2k_pipeline.sources.price_text import read_price_file
from r2k_pipeline.sources.protocol import CotDocument, NotThereError, PriceAnswer, SourceError
from r2k_pipeline.sources.size_limits import BoundsError, read_bounded

ACTIONS = ("Date", "Dividends", "Stock Splits")
"""Columns of dividends and splits. A file without them does not show that there were none."""
NO_REPORTS = "fut_fin_txt_*.zip"
"""Requested from an empty folder, so that the run fails with a file name instead of succeeding without reports."""


@dataclass(frozen=True)
class FilePrices:
    """`prices/` in any layout of price_layouts.toml; dividends and splits where the file has those columns.

    `is_download`: whether a file is a vendor's answer as of its saving; the sample is generated here.
    """

    folder: Path
    name: str = "files"
    is_download: bool = True
    asks_vendor: ClassVar[bool] = False

    @cached_property
    def prices(self) -> PriceFolder:
        """The files of `prices/`."""
        return PriceFolder(self.folder / "prices")

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        """One symbol's rows as text; raises NotThereError without a file, SourceError: unreadable, cut, another's."""
        file = self.folder / "prices" / f"{symbol}.csv"
        if not file.is_file():
            file = self._other_file(symbol, file)
        within = "" if symbol_of(file) == symbol else f"/{symbol}"  # an origin is of one symbol
        origin = f"{self.name}:prices/{file.name}{within}"
        try:
            found = self.prices.tables_in(file)
            content = found if isinstance(found, PriceFile) else read_price_file(file.name, read_bounded(file))
            saved_at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if self.is_download else None
            table = content.of(symbol)
        except OSError as error:
            raise SourceError(origin, symbol, f"unreadable: {error.strerror}", "check the file") from error
        except BoundsError as error:
            remedy = error.remedy or "no price file is as large: take it out"
            raise SourceError(origin, symbol, str(error), remedy) from error
        bars, remarks = table.rows, (*table.remarks, *say_left_out(file, content))
        actions = bars.select(ACTIONS) if set(ACTIONS) <= set(bars.columns) else None
        return PriceAnswer(symbol, origin, bars, actions, saved_at, layout=content.layout, remarks=remarks)

    def _other_file(self, symbol: str, usual: Path) -> Path:
        """The file of a symbol that is not called SYMBOL.csv. Raises NotThereError, or SourceError for several."""
        origin, files = f"{self.name}:prices/{usual.name}", self.prices.files().get(symbol, [])
        if not files and not usual.exists():
            if self.is_download:
                raise NotThereError(origin, symbol, "no such file", f"put prices/{usual.name} into the folder")
            raise NotThereError(origin, symbol, "the sample does not have it", run_of("live"))
        if len(files) > 1:
            names = ", ".join(file.name for file in files[:3])
            raise SourceError(origin, symbol, f"several files of it: {names}", "keep one of them in prices/")
        return files[0] if files else usual

    def list_unread(self, symbols: Collection[str]) -> list[str]:
        """A note for each entry of `prices/` that is read for none of these; none for generated files."""
        return self.prices.name_unread(symbols) if self.is_download else []


@dataclass(frozen=True)
class FileReports:
    """`cot/` and its sub-folders in the CFTC's layouts; other files fail by name, except hidden ones."""

    folder: Path
    name: str = "files"
    asks_vendor: ClassVar[bool] = False

    def list_reports(self) -> list[str]:
        """Names of the files, of sub-folders with these before a colon; zips first, as of equal files the first stands.

        If no report can be read, the pattern of the missing files as well.
        """
        found = list(self._files())
        missing = [] if any(Path(name).suffix.lower() in READ for name in found) else [NO_REPORTS]
        return sorted(found, key=lambda name: (not name.lower().endswith(".zip"), name)) + missing

    def _files(self) -> dict[str, Path]:
        """Files by name, at any depth; a name has no slash, because it is the last part of its rows' source.

        Linked folders are looked into, each folder once. A folder that cannot be listed stands for its files.
        """
        root, found, seen = self.folder / "cot", dict[str, Path](), set[str]()

        def unlisted(error: OSError) -> None:
            if (folder := Path(error.filename)).exists():
                found[":".join(folder.relative_to(root).parts) or "."] = folder

        for folder, folders, names in os.walk(root, onerror=unlisted, followlinks=True):
            if (place := os.path.realpath(folder)) in seen:
                folders.clear()
                continue
            seen.add(place)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            files = (Path(folder, name) for name in names if not name.startswith("."))
            found |= {":".join(file.relative_to(root).parts): file for file in files}
        return found

    def fetch_report(self, name: str) -> CotDocument:
        """One file's bytes; raises SourceError if it cannot be read or is not a kind that is read."""
        origin, file = f"{self.name}:cot/{name}", self.folder / "cot" / name
        if ":" in name:
            file = self._files().get(name, file)
        if file.is_dir() and file.suffix.lower() not in READ:
            raise SourceError(origin, name, "the folder cannot be listed", "check its rights, or take it out of cot/")
        if name != NO_REPORTS and file.suffix.lower() not in READ:
            raise SourceError(origin, name, f"not read: not one of {', '.join(READ)}", "take it out of cot/")
        try:
            return CotDocument(name, origin, read_bounded(file))
        except BoundsError as error:
            raise SourceError(origin, name, str(error), "no report is as large: take it out of cot/") from error
        except FileNotFoundError as error:
            raise SourceError(origin, name, "no such file", "put the CFTC's zips into cot/ of the folder") from error
        except OSError as error:
            raise SourceError(origin, name, f"unreadable: {error.strerror}", "check the file") from error
