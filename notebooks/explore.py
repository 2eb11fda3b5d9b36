"""A first look at the published file: one market at one session, as known at its close; then questions of your own.

Belongs here: choosing and showing. Not here: how anything is computed. `marimo edit notebooks/explore.py` opens it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="r2k: a first look")


with app.setup:
    import marimo as mo
    import polars as pl

    import r2k_pipeline as r2k


@app.cell
def _():
    data = r2k.open()
    return (data,)


@app.cell
def _(data):
    label, is_sample, generation_id, published_at = (
        data.generation[name] for name in ("label", "is_sample", "generation_id", "published_at")
    )
    mo.md(
        f"""
    # A first look

    **{label}**. Generation `{generation_id}`, as known at {data.moment:%Y-%m-%d %H:%M} UTC,
    published {published_at:%Y-%m-%d %H:%M} UTC.
    `R2K_SOURCE=live` or `r2k.toml` chooses another source.
    """
    ).callout(kind="warn" if is_sample else "info")
    return (label,)


@app.cell
def _(data):
    markets = data.sql("select market, name from marts.markets order by market = 'RUT' desc, market")
    names = {f"{market}, {name}": market for market, name in markets.rows()}
    market = mo.ui.dropdown(names, value=next(iter(names)), label="Market")
    return (market,)


@app.cell
def _(data, market):
    closes = data.sql(
        f"""
        select session_date::varchar as session_date, known_at
        from marts.positioning_vs_technicals
        where market = '{market.value}'
        order by session_date desc
        """
    )
    sessions = dict(closes.rows())
    session = mo.ui.dropdown(sessions, value=next(iter(sessions)), label="Session", searchable=True)
    mo.hstack([market, session], justify="start")
    return (session,)


@app.cell
def _(label, market, session):
    with r2k.open(as_of=session.value) as then:
        figure, brief = then.figure(market.value), then.brief(market.value)
    mo.vstack([mo.md(label), figure])
    return brief, figure


@app.cell
def _(brief):
    mo.md(brief)


@app.cell
def _(data, market, session):
    mart_row = data.sql(
        f"""
        from marts.positioning_vs_technicals
        where market = '{market.value}' and known_at = timestamptz '{session.value.isoformat()}'
        """
    )
    comments = data.sql(
        """
        select column_name as "column", meaning
        from meta.column_dictionary
        where layer_name = 'marts' and table_name = 'positioning_vs_technicals'
        order by position
        """
    )
    values = pl.Series("value", ["" if value is None else str(value) for value in mart_row.row(0)])
    mo.vstack(
        [
            mo.md("## The mart row\n\nEverything in it was known at the session's close."),
            mo.ui.table(
                comments.with_columns(values).select("column", "value", "meaning"), selection=None, page_size=20
            ),
        ]
    )
    return (mart_row,)


@app.cell
def _(market):
    start = f"""select session_date, close, rsi_14, report_date, setup
from marts.positioning_vs_technicals
where market = '{market.value}'
order by session_date desc
limit 20"""
    editor = mo.ui.code_editor(start, language="sql", min_height=120).form(submit_button_label="Run")
    mo.vstack(
        [mo.md("## Your own question\n\nOne SELECT; `show all tables` and `describe marts.markets` help."), editor]
    )
    return editor, start


@app.cell
def _(data, editor, start):
    try:
        found = mo.ui.table(data.sql(editor.value or start), selection=None)
    except r2k.R2kError as error:
        found = mo.callout(str(error), kind="danger")
    mo.output.append(found)
    return (found,)


if __name__ == "__main__":
    app.run()
