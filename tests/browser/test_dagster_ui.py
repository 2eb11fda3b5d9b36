"""A person opens the Dagster UI, clicks *Materialize all*, sees green, looks at a check and at a figure.

Belongs here: what is visible in the browser. Not here: what the assets compute (tests/pipeline/).
"""

import re
import time
from typing import Final

from playwright.sync_api import Page, expect

SHOWN_MS: Final = 30_000
RUN_SECONDS: Final = 300
"""The run takes half a minute, and one more where it compiles; a busy machine is given minutes, not for ever."""


def await_end(page: Page, dagster_ui: str, run_id: str) -> None:
    """Wait until a run has ended, or RUN_SECONDS have passed."""
    query = f'{{ runOrError(runId: "{run_id}") {{ ... on Run {{ status }} }} }}'
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        answer = page.request.post(f"{dagster_ui}/graphql", data={"query": query}).json()
        if answer["data"]["runOrError"]["status"] in {"SUCCESS", "FAILURE", "CANCELED"}:
            return
        time.sleep(1)


def test_materialize_all_ends_in_success_and_shows_checks_and_figures(page: Page, dagster_ui: str) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    foreign: list[str] = []
    page.on("request", lambda sent: foreign.append(sent.url) if dagster_ui not in sent.url else None)

    page.goto(f"{dagster_ui}/asset-groups")  # Lineage; the first page may still forward to another when it is clicked
    page.get_by_role("button", name="Materialize all").click(timeout=SHOWN_MS)
    page.get_by_text("Launched run").wait_for(timeout=SHOWN_MS)
    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/*", timeout=SHOWN_MS)
    run = page.url
    page.goto(f"{dagster_ui}/server_info")  # a run that is watched is drawn anew all the time, which takes a processor
    await_end(page, dagster_ui, run.rpartition("/")[-1])

    page.goto(run)
    outcome = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    outcome.wait_for(timeout=SHOWN_MS)
    expect(outcome).to_have_text("Success")
    expect(page.get_by_text("Errored (0)")).to_be_visible()

    page.goto(f"{dagster_ui}/assets/marts/weekly_positioning?view=checks")
    page.get_by_text("every row fits its contract").wait_for(timeout=SHOWN_MS)
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()

    page.goto(f"{dagster_ui}/assets/report")
    page.locator("tr", has_text="RUT-weekly-review").get_by_text("Show Markdown").click(timeout=SHOWN_MS)
    figure = page.locator('img[src^="data:image/png"]')
    figure.wait_for(timeout=SHOWN_MS)
    assert figure.evaluate("image => image.naturalWidth") > 200
    assert not complaints, f"the browser's console has errors: {complaints}"
    assert not foreign, f"the page asks hosts other than ours: {foreign}"
