"""A first look at the published file: one market at one session, as known at its close; then questions of your own.

Belongs here: choosing and showing. Not here: how anything is computed. `marimo edit notebooks/explore.py` opens it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="r2k: a first look")


with app.setup:
    import altair as alt
    import marimo as mo
    import polars as pl

    from r2k_pipeline.lake import Lake, LakeError
    from r2k_pipeline.report.brief import read_brief
    from r2k_pipeline.report.charts.figures import read_figures
    from r2k_pipeline.report.charts.theme import LIGHT
    from r2k_pipeline.report.query import run_query
    from r2k_pipeline.settings import Settings

    theme = alt.theme.register("r2k", enable=True)(lambda: {"config": dict(LIGHT.config)})


@app.cell
def _():
    settings = Settings()
    lake = Lake.of(settings.lake, settings.source, settings.as_of)

    def ask(query):
        """The rows of one SELECT: read-only, bounded in memory and time. Raises LakeError with the reason."""
        bounds = {"memory_limit": settings.memory_limit, "seconds": settings.query_seconds}
        with run_query(lake.warehouse, query, "parquet", **bounds) as answer:
            return pl.read_parquet(answer.body)

    generation = ask("select label, is_sample, generation_id, as_of, published_at from meta.generation")
    return ask, generation, lake


@app.cell
def _(generation):
    label, is_sample, generation_id, as_of, published_at = generation.row(0)
    mo.md(
        f"""
    # A first look

    **{label}**. Generation `{generation_id}`, as known at {as_of:%Y-%m-%d %H:%M} UTC,
    published {published_at:%Y-%m-%d %H:%M} UTC.
    `R2K_SOURCE=live` or `r2k.toml` chooses another source.
    """
    ).callout(kind="warn" if is_sample else "info")
    return (label,)


@app.cell
def _(ask):
    markets = ask("select market, name from marts.markets order by market = 'RUT' desc, market")
    names = {f"{market}, {name}": market for market, name in markets.rows()}
    market = mo.ui.dropdown(names, value=next(iter(names)), label="Market")
    return (market,)


@app.cell
def _(ask, market):
    closes = ask(
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
def _(label, lake, market, session):
    (figure,) = read_figures(lake, session.value, [market.value]).reviews
    mo.vstack([mo.md(f"## {figure.title}\n\n{label}"), figure.chart, mo.md(figure.description)])
    return (figure,)


@app.cell
def _(lake, market, session):
    brief = read_brief(lake, market.value, session.value).text()
    mo.md(brief)
    return (brief,)


@app.cell
def _(ask, market, session):
    mart_row = ask(
        f"""
        from marts.positioning_vs_technicals
        where market = '{market.value}' and known_at = timestamptz '{session.value.isoformat()}'
        """
    )
    comments = ask(
        """
        select column_name as "column", comment as meaning
        from duckdb_columns()
        where schema_name = 'marts' and table_name = 'positioning_vs_technicals'
        order by column_index
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
def _(ask, editor, start):
    try:
        found = mo.ui.table(ask(editor.value or start), selection=None)
    except LakeError as error:
        found = mo.callout(str(error), kind="danger")
    mo.output.append(found)
    return (found,)


if __name__ == "__main__":
    app.run()
