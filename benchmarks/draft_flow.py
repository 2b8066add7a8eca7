"""`python -m benchmarks.draft_flow ours|langgraph`: the flow of one draft for many accounts, so that `quiet_night` can weigh the two as processes.

The steps are the same functions in both: the sheet that a document may see, its key, the offline draft; then gates, text and the
row in the operations store. LangGraph runs them as the nodes of a graph, a thread for each account, with SqliteSaver checkpoints
after every node, which is what its resume after a crash needs; ours needs the ledger and the key.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

DOCUMENT = "risk_mitigation_plan"
NOW = datetime(2026, 6, 29, 6)


def sheets_of(home: Path, accounts: int) -> list[Any]:
    """Fact sheets of `accounts` accounts: those of the newest audited night, repeated under keys of their own."""
    from dataclasses import replace

    from vim_pipelines.reasoning.reading import newest_as_of, read_fact_sheets, read_signals
    from vim_pipelines.settings import Settings
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    with DuckDBWarehouse(Settings(home=home).warehouse_path).session(read_only=True) as session:
        as_of = newest_as_of(session)
        assert as_of is not None
        signals, _ = read_signals(session, as_of)
        known = list(read_fact_sheets(session, as_of, [row["account_key"] for row in signals], with_evidence=False).values())
    return [replace(known[number % len(known)], account_key=f"{known[number % len(known)].account_key}#{number // len(known)}") for number in range(accounts)]


def request_of(sheet: Any, playbook: Any) -> Any:
    from vim_pipelines.reasoning.materiality import draft_key, settled
    from vim_pipelines.reasoning.providers.base import DraftRequest
    from vim_pipelines.reasoning.providers.offline import OFFLINE_MODEL
    from vim_pipelines.reasoning.providers.request import contract_sha256

    part = settled(sheet.only(playbook.facts, shareable=False))
    key = draft_key(part, document=playbook.id, prompt_sha256=playbook.sha256, schema_sha256=contract_sha256(), model=OFFLINE_MODEL)
    return DraftRequest(key, sheet.account_key, sheet.account_name, sheet.as_of, playbook, part)


def ours(sheets: list[Any], playbook: Any, store: Any) -> None:
    """As the night does it."""
    from vim_pipelines.reasoning.drafting import DraftReport, Job, draft_and_store
    from vim_pipelines.reasoning.providers.offline import OfflineDrafter

    jobs = [Job(request_of(sheet, playbook), 1) for sheet in sheets]
    if jobs:
        asyncio.run(draft_and_store(OfflineDrafter(), jobs, store, NOW, DraftReport()))


class State(TypedDict, total=False):
    """What travels between the nodes: plain JSON, because a checkpoint keeps it."""

    number: int
    key: str
    document: str
    draft_id: str


def langgraph(sheets: list[Any], playbook: Any, store: Any, folder: Path) -> None:
    """As a graph of four nodes with a checkpoint after each; gates, text and row are one node, because `keep_draft` is one step."""
    import sqlite3

    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.graph import END, START, StateGraph

    from vim_pipelines.reasoning.drafting import DraftReport, Job, keep_draft
    from vim_pipelines.reasoning.providers.base import DraftResult
    from vim_pipelines.reasoning.providers.offline import offline_result
    from vim_pipelines.reasoning.schema import DraftDocument

    requests: dict[int, Any] = {}

    def facts(state: State) -> State:
        requests[state["number"]] = request_of(sheets[state["number"]], playbook)
        return {}

    def key(state: State) -> State:
        return {"key": requests[state["number"]].draft_key}

    def draft(state: State) -> State:
        return {"document": offline_result(requests[state["number"]]).document.model_dump_json()}

    def keep(state: State) -> State:
        report = DraftReport()
        document = DraftDocument.model_validate_json(state["document"])
        keep_draft(Job(requests.pop(state["number"]), 1), DraftResult(document, "offline", None, "ok"), store, NOW, report)
        return {"draft_id": report.draft_ids[0]}

    graph: Any = StateGraph(State)
    steps = (("facts", facts), ("key", key), ("draft", draft), ("keep", keep))
    for name, step in steps:
        graph.add_node(name + "_step", step)
    for (before, _), (after, _) in zip(steps, steps[1:], strict=False):
        graph.add_edge(before + "_step", after + "_step")
    graph.add_edge(START, "facts_step")
    graph.add_edge("keep_step", END)
    connection = sqlite3.connect(folder / "checkpoints.db", check_same_thread=False)
    compiled = graph.compile(checkpointer=SqliteSaver(connection))
    for number in range(len(sheets)):
        compiled.invoke({"number": number}, {"configurable": {"thread_id": sheets[number].account_key}})
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draft_flow", description=__doc__.splitlines()[0])
    parser.add_argument("flow", choices=["ours", "langgraph"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--accounts", type=int, default=1000)
    options = parser.parse_args()
    from vim_pipelines.reasoning.playbooks import load_playbooks
    from vim_pipelines.settings import Settings
    from vim_pipelines.store import open_store

    playbook, store = load_playbooks()[DOCUMENT], open_store(Settings(home=options.folder))
    sheets = sheets_of(options.home, options.accounts)
    if options.flow == "ours":
        ours(sheets, playbook, store)
    else:
        langgraph(sheets, playbook, store, options.folder)


if __name__ == "__main__":
    main()
