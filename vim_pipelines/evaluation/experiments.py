"""Results of evaluations as an experiment of LangSmith: one project a run of `vimotion evals`, one run in it for each evaluation, a score for each figure.

All experiments stand on one dataset whose examples are the evaluations with what is asked of them, so that LangSmith lays two versions of
the gates, of a prompt or of a model side by side. Only figures are sent: cases and texts stay in the result files.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.suite import Scored
from vim_pipelines.reasoning.langsmith_wire import PostFailed, Wire, connect, endpoint_of
from vim_pipelines.reasoning.traces import run_id

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

DATASET = "value-in-motion evaluations"
ABOUT = "The evaluations of 'vimotion evals': an example for each, an experiment for each time they were run."
#: The feedback key of an evaluation's bar; figures have their own names.
BAR = "bar_is_met"


def post_experiment(settings: Settings, scored: Sequence[Scored], *, started: datetime, ended: datetime, version: str) -> str | None:
    """Post the results; returns the line to print, None without LANGSMITH_API_KEY. Never raises for an outage and takes seconds, not minutes.

    `started` and `ended` are the wall clock's, naive UTC; the experiment is called by them.
    """
    done = [one for one in scored if one.skipped is None]
    if settings.langsmith_api_key is None or not done:
        return None
    name = f"vimotion-evals-{ended:%Y-%m-%dT%H-%M-%S}"
    wire, problem = connect(settings)
    if wire is not None:
        try:
            _post(wire, name, done, started, ended, {"version": version, "model": settings.model or "", "judge": settings.judge})
            return f"LangSmith: experiment {name} on the dataset '{DATASET}'"
        except PostFailed as error:
            problem = f"did not take the results ({error})"
        finally:
            wire.close()
    return f"VIM-E034 LangSmith at {endpoint_of(settings)} {problem}; the results are in the files above."


def _post(wire: Wire, name: str, scored: Sequence[Scored], started: datetime, ended: datetime, metadata: dict[str, Any]) -> None:
    from langsmith.utils import LangSmithConflictError

    dataset = wire.dataset(DATASET, ABOUT)
    for one in scored:  # one by one: an example that is there already is a conflict for all that come with it
        wire.tried(partial(wire.client.create_examples, dataset_id=dataset, examples=[_example(one)]), known=(LangSmithConflictError,))
    project = wire.tried(partial(wire.client.create_project, name, reference_dataset_id=dataset, metadata=metadata)).id
    wire.ingest([_run(one, name, started, ended, metadata) for one in scored])
    for one in scored:
        for key, score in {**one.figures, BAR: float(one.is_met)}.items():
            identity = _run_id(one, name)
            wire.tried(
                partial(
                    wire.client.create_feedback, run_id=identity, trace_id=identity, key=key, score=score, feedback_id=run_id("evaluation", f"{name}:{one.name}:{key}"),
                    session_id=project, start_time=started, stop_after_attempt=1,
                )
            )  # fmt: skip


def _example(one: Scored) -> dict[str, Any]:
    return {"id": run_id("evaluation", one.name), "inputs": {"evaluation": one.name}, "outputs": {BAR: True}}


def _run(one: Scored, project: str, started: datetime, ended: datetime, metadata: dict[str, Any]) -> dict[str, Any]:
    identity, start = uuid.UUID(_run_id(one, project)), started.replace(tzinfo=UTC)
    return {
        "id": identity, "trace_id": identity, "dotted_order": f"{start:%Y%m%dT%H%M%S%fZ}{identity}", "name": one.name, "run_type": "chain", "start_time": start,
        "end_time": ended.replace(tzinfo=UTC), "inputs": {"evaluation": one.name}, "outputs": {**one.figures, BAR: one.is_met}, "error": None,
        "extra": {"metadata": metadata}, "tags": ["evaluation"], "session_name": project, "reference_example_id": uuid.UUID(run_id("evaluation", one.name)),
    }  # fmt: skip


def _run_id(one: Scored, project: str) -> str:
    return run_id("evaluation", f"{project}:{one.name}")
