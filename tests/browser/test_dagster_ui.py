"""A person opens the Dagster UI, clicks *Materialize all*, sees green, a check and a figure; other pages may not ask.

Belongs here: what is visible in the browser. Not here: what the assets compute (tests/pipeline/).
"""

import json
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


ATTEMPTS: Final = """
async ([target, launch]) => {
    const results = {}
    const attempt = async (name, work) => {
        try { results[name] = await work() } catch (error) { results[name] = String(error) }
    }
    const text = {method: "POST", mode: "no-cors", headers: {"content-type": "text/plain"}, body: launch}
    await attempt("post", async () => (await fetch(`${target}/graphql`, text)).type)
    await attempt("get", async () => (await fetch(
        `${target}/graphql?query=` + encodeURIComponent(JSON.parse(launch).query), {mode: "no-cors"})).type)
    await attempt("socket", () => new Promise(done => {
        const socket = new WebSocket(target.replace("http", "ws") + "/graphql", "graphql-ws")
        socket.onopen = () => done("open")
        socket.onerror = () => done("refused")
    }))
    return results
}
"""
MUTATION: Final = (
    'mutation { launchRun(executionParams: {selector: {repositoryLocationName: "r2k", repositoryName: "__repository__",'
    ' jobName: "refresh"}, runConfigData: "{}"}) { __typename ... on LaunchRunSuccess { run { runId } } } }'
)


def runs(page: Page, dagster_ui: str) -> list[str]:
    """The ids of all runs, asked as a program of this machine does."""
    query = "{ runsOrError { ... on Runs { results { runId } } } }"
    answer = page.request.post(f"{dagster_ui}/graphql", data={"query": query}).json()
    return [run["runId"] for run in answer["data"]["runsOrError"]["results"]]


def test_another_page_starts_nothing_and_hears_nothing(page: Page, dagster_ui: str) -> None:
    before = runs(page, dagster_ui)
    page.route("http://evil.example/", lambda route: route.fulfill(body="<title>another page</title>"))
    page.goto("http://evil.example/")
    tried = page.evaluate(ATTEMPTS, [dagster_ui, json.dumps({"query": MUTATION})])
    assert tried["socket"] == "refused"
    assert runs(page, dagster_ui) == before
    rebound = page.request.get(f"{dagster_ui}/server_info", headers={"host": "evil.example"})
    assert rebound.status == 403


def test_its_own_subscriptions_are_answered(page: Page, dagster_ui: str) -> None:
    page.goto(f"{dagster_ui}/server_info")
    opened = page.evaluate(
        """target => new Promise(done => {
            const socket = new WebSocket(target.replace("http", "ws") + "/graphql", "graphql-ws")
            socket.onopen = () => socket.send(JSON.stringify({type: "connection_init"}))
            socket.onmessage = message => done(JSON.parse(message.data).type)
            socket.onerror = () => done("refused")
        })""",
        dagster_ui,
    )
    assert opened == "connection_ack"


def test_the_launchpad_refuses_what_is_not_its_to_choose(page: Page, dagster_ui: str) -> None:
    """A server keeps the records of one source, at one moment, in one folder: those it was started with."""
    query = """query($config: RunConfigData) { isPipelineConfigValid(mode: "default", runConfigData: $config,
        pipeline: {repositoryLocationName: "r2k", repositoryName: "__repository__", pipelineName: "refresh"}) {
        __typename ... on RunConfigValidationInvalid { errors { message } } } }"""
    for name in ("source", "as_of", "lake", "files"):
        config = json.dumps({"resources": {"pipeline": {"config": {name: "any"}}}})
        asked = {"query": query, "variables": {"config": config}}
        answer = page.request.post(f"{dagster_ui}/graphql", data=asked).json()["data"]["isPipelineConfigValid"]
        assert f'unexpected config entry "{name}"' in answer["errors"][0]["message"]
