"""The CFTC's two yearly layouts for the sample: TFF futures-only and legacy futures-only.

Belongs here: headers, cell widths, zip members. Not here: the numbers (sample_cot.py). Cells are as wide as in the
CFTC's files: positions 8, percentages and traders 7, concentration 8, codes with trailing blanks. TFF lines end in
CRLF, legacy lines in LF; the newest report of a contract comes first.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np

from r2k_pipeline.sources.sample_cot import CONTRACTS, FIRST_YEAR, LAST_YEAR, CotHistory, Counts, build_cot_history

FILE_TIME = (2026, 1, 1, 0, 0, 0)
"""Timestamp of every zip member: fixed, so that the same sample has the same bytes."""
SMALLEST_SHOWN = 4
"""The CFTC prints a dot for a group's count of fewer traders than this."""

_GROUPS = ("Dealer", "Asset_Mgr", "Lev_Money", "Other_Rept")
_CELLS = [(group, side) for group in _GROUPS for side in ("Long", "Short", "Spread")]
_SUMS = [(group, side) for group in ("Tot_Rept", "NonRept") for side in ("Long", "Short")]
TFF_HEADER = (
    *("Market_and_Exchange_Names", "As_of_Date_In_Form_YYMMDD", "Report_Date_as_YYYY-MM-DD"),
    *("CFTC_Contract_Market_Code", "CFTC_Market_Code", "CFTC_Region_Code", "CFTC_Commodity_Code", "Open_Interest_All"),
    *(f"{group}_Positions_{side}_All" for group, side in _CELLS + _SUMS),
    "Change_in_Open_Interest_All",
    *(f"Change_in_{group}_{side}_All" for group, side in _CELLS + _SUMS),
    "Pct_of_Open_Interest_All",
    *(f"Pct_of_OI_{group}_{side}_All" for group, side in _CELLS + _SUMS),
    "Traders_Tot_All",
    *(f"Traders_{group}_{side}_All" for group, side in _CELLS + _SUMS[:2]),
    *(f"Conc_{k}_LE_{n}_TDR_{side}_All" for k in ("Gross", "Net") for n in (4, 8) for side in ("Long", "Short")),
    *("Contract_Units", "CFTC_Contract_Market_Code_Quotes", "CFTC_Market_Code_Quotes", "CFTC_Commodity_Code_Quotes"),
    *("CFTC_SubGroup_Code", "FutOnly_or_Combined"),
)

_LEGACY_CELLS = [f"Noncommercial{{}}-{side}" for side in ("Long", "Short", "Spreading")]
_LEGACY_CELLS += [f"{who}{{}}-{side}" for who in ("Commercial", "Total Reportable") for side in ("Long", "Short")]
_LEGACY_SUMS = [f"Nonreportable{{}}-{side}" for side in ("Long", "Short")]
_CROPS = ("(All)", "(Old)", "(Other)")


def _legacy_header() -> Iterator[str]:
    """The 129 column names, with the CFTC's own irregular blanks, which a reader must survive."""
    yield from ("Market and Exchange Names", "As of Date in Form YYMMDD", "As of Date in Form YYYY-MM-DD")
    yield from ("CFTC Contract Market Code", "CFTC Market Code in Initials", "CFTC Region Code", "CFTC Commodity Code")
    for crop in _CROPS:
        yield f"Open Interest {crop}"
        for cell in _LEGACY_CELLS + _LEGACY_SUMS:
            blank = " " if (crop, cell) == ("(All)", "Total Reportable{}-Long") else ""
            yield f"{blank}{cell.format(' Positions')} {crop}"
    yield "Change in Open Interest (All)"
    yield from (f"Change in {cell.format('')} (All)" for cell in _LEGACY_CELLS + _LEGACY_SUMS)
    for crop in _CROPS:
        yield f"% of Open Interest (OI){'' if crop == '(Old)' else ' '}{crop}"
        yield from (f"% of OI-{cell.format('')} {crop}" for cell in _LEGACY_CELLS + _LEGACY_SUMS)
    for crop in _CROPS:
        yield f"Traders-Total {crop}"
        yield from (f"Traders-{cell.format('')} {crop}" for cell in _LEGACY_CELLS)
    for crop in _CROPS:
        for kind, n, side in ((k, n, s) for k in ("Gross", "Net") for n in (4, 8) for s in ("Long", "Short")):
            equals = "= 4" if (crop, kind, n, side) == ("(All)", "Gross", 4, "Long") else f"={n}"
            blank = "" if (crop, kind, side) == ("(Other)", "Gross", "Short") else " "
            yield f"Concentration-{kind} LT {equals} TDR-{side}{blank}{crop}"
    yield from ("Contract Units", "CFTC Contract Market Code (Quotes)", "CFTC Market Code in Initials (Quotes)")
    yield "CFTC Commodity Code (Quotes)"


LEGACY_HEADER = tuple(_legacy_header())


def build_sample_cot() -> dict[str, bytes]:
    """Every yearly zip by file name: `fut_fin_txt_YYYY.zip` and `deacotYYYY.zip`, FIRST_YEAR to LAST_YEAR."""
    histories = [build_cot_history(contract) for contract in CONTRACTS]
    tff = [row for history in histories for row in _tff_rows(history)]
    legacy = [row for history in histories for row in _legacy_rows(history)]
    files = {}
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        files[f"fut_fin_txt_{year}.zip"] = _zip("FinFutYY.txt", TFF_HEADER, _of_year(tff, year), "\r\n")
        files[f"deacot{year}.zip"] = _zip("annual.txt", LEGACY_HEADER, _of_year(legacy, year), "\n")
    return files


def _of_year(rows: list[tuple[date, str]], year: int) -> Iterator[str]:
    return (line for day, line in rows if day.year == year)


def _zip(member: str, header: tuple[str, ...], lines: Iterable[str], newline: str) -> bytes:
    text = newline.join([",".join(f'"{name}"' for name in header), *lines, ""])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(member, FILE_TIME), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tff_rows(history: CotHistory) -> Iterator[tuple[date, str]]:
    """(report date, line), newest first."""
    for row in reversed(range(len(history.report_dates))):
        cells = [
            *_wide(history.positions[row]),
            *_wide(history.changes[row]),
            *_percent(history.positions[row]),
            *_traders(history.traders[row]),
            *(f"{share:8.1f}" for share in history.concentration[row]),
        ]
        yield _line(history, row, cells, (history.contract.subgroup, "FutOnly"))


def _legacy_rows(history: CotHistory) -> Iterator[tuple[date, str]]:
    """(report date, line), newest first; all of it "old crop", as for every financial future."""
    positions, changes = _legacy_positions(history.positions), _legacy_positions(history.changes)
    traders = _legacy_traders(history.traders)
    nothing = np.zeros(10, dtype=np.int64)
    for row in reversed(range(len(history.report_dates))):
        percent, counts = _percent(positions[row]), _traders(traders[row])
        shares = [f"{share:8.1f}" for share in history.concentration[row]]
        cells = [*_wide(positions[row]), *_wide(positions[row]), *_wide(nothing), *_wide(changes[row])]
        cells += [*percent, *percent, *[f"{0.0:7.1f}"] * 10, *counts, *counts, *[f"{0:7d}"] * 8]
        cells += [*shares, *shares, *[f"{0.0:8.1f}"] * 8]
        yield _line(history, row, cells, ())


def _legacy_positions(tff: Counts) -> Counts:
    """The ten legacy columns out of the TFF ones, linear, so it serves positions and changes alike.

    Leveraged funds and other reportables count as noncommercial, dealers and asset managers as commercial, whose
    spreads the legacy report counts on both sides. (The CFTC's real split runs through the groups.)
    """
    _, *cells = tff.T
    dealer, manager, leveraged, other = (cells[at : at + 3] for at in (0, 3, 6, 9))
    noncommercial = [leveraged[side] + other[side] for side in range(3)]
    commercial = [dealer[side] + dealer[2] + manager[side] + manager[2] for side in range(2)]
    return np.column_stack([tff[:, 0], *noncommercial, *commercial, *cells[12:]])


def _legacy_traders(tff: Counts) -> Counts:
    """Total; noncommercial long, short, spread; commercial long, short; reportable long, short."""
    noncommercial = tff[:, 7:10] + tff[:, 10:13]
    commercial = tff[:, 1:3] + tff[:, 4:6]
    return np.column_stack([tff[:, 0], noncommercial, commercial, tff[:, 13:]])


def _wide(contracts: Counts) -> list[str]:
    return [f"{count:8d}" for count in contracts.tolist()]


def _percent(positions: Counts) -> list[str]:
    """Percent of open interest, which is the first position."""
    return [f"{share:7.1f}" for share in (100 * positions / positions[0]).tolist()]


def _traders(counts: Counts) -> list[str]:
    """Counts, with the few-trader cells suppressed."""
    return [f"{count:7d}" if count == 0 or count >= SMALLEST_SHOWN else "." for count in counts.tolist()]


def _line(history: CotHistory, row: int, cells: list[str], last: tuple[str, ...]) -> tuple[date, str]:
    """One record: names and codes, the cells, the quoted repeats of unit and codes."""
    contract, day = history.contract, history.report_dates[row]
    codes = (contract.exchange, "00", contract.commodity)
    first = (f'"{contract.name}"', f"{day:%y%m%d}", day.isoformat(), contract.code, *codes)
    quoted = (contract.units, contract.code, contract.exchange, contract.commodity, *last)
    return day, ",".join([*first, *cells, *(f'"{text}"' for text in quoted)])
