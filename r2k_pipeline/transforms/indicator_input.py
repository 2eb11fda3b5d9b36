"""Input of indicators: checks that every bar has a positive price. Where markets begin: row_ranges.py."""

import polars as pl

from r2k_pipeline.transforms.row_ranges import Floats, column_array


def price_array(bars: pl.DataFrame, name: str) -> Floats:
    """The column `name` of `bars` (market, session_date, prices) for a kernel.

    Raises ValueError naming market and session of the first price that is null, NaN, infinite or not positive:
    one such value would make every later value of a recursion wrong.
    """
    usable = (bars[name].is_finite() & (bars[name] > 0)).fill_null(False)
    if not usable.all():
        row = bars.row((~usable).arg_max() or 0, named=True)
        raise ValueError(
            f"{name} of {row['market']} on {row['session_date']} is {row[name]}: "
            "indicators need a positive number in every session"
        )
    return column_array(bars, name)
