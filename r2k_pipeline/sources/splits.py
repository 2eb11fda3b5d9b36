"""Prices of vendors that do not divide the past by later splits, divided as Yahoo does it.

Belongs here: the arithmetic on the text of one symbol. Not here: which layouts need it (price_layouts.toml), dividends
(staging applies them), splits that no column lists (plausibility.py).
"""

import polars as pl

from r2k_pipeline.sources.screening import day_of

DIVIDED: tuple[str, ...] = ("Open", "High", "Low", "Close", "Dividends")


def divide_by_later_splits(rows: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Rows of before a split in new shares, and a remark; unchanged where the file lists no split.

    A row's factor is the product of the ratios of all later days. A cell that is no number stays.
    """
    ratio = pl.col("Stock Splits").cast(pl.Float64, strict=False)
    splits = rows.select(day=day_of("Date"), ratio=ratio).filter(pl.col("ratio") > 0).unique()
    if splits.is_empty():
        return rows, ()
    numbered = rows.with_row_index("row").with_columns(day=day_of("Date"))
    later = (
        numbered.select("row", "day")
        .join(splits, how="cross", suffix="_split")
        .filter(pl.col("day") < pl.col("day_split"))
        .group_by("row")
        .agg(factor=pl.col("ratio").product())
    )
    factor = pl.col("factor").fill_null(1.0)
    number = {name: pl.col(name).cast(pl.Float64, strict=False) for name in (*DIVIDED, "Volume")}
    changed = {name: number[name] / factor for name in DIVIDED if name in rows.columns}
    changed |= {"Volume": number["Volume"] * factor}
    divided = numbered.join(later, on="row", how="left", maintain_order="left").with_columns(
        pl.when(pl.col("factor").is_not_null() & value.is_not_null())
        .then(value.cast(pl.String))
        .otherwise(pl.col(name))
        .alias(name)
        for name, value in changed.items()
    )
    last = splits["day"].dt.to_string().max()
    remark = f"prices before {last!s} divided by the splits that the file lists: {splits.height}"
    return divided.select(rows.columns), (remark,)
