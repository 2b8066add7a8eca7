"""Ctrl-C during the night is Ctrl-C, not a failed step with a code and a log to read."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from vim_pipelines.night import _was_interrupted


@pytest.mark.parametrize(("failure", "expected"), [(DagsterExecutionInterruptedError(), True), (ValueError("no"), False)])
def test_a_run_that_was_interrupted_is_told_from_one_that_failed(failure, expected):
    @dg.op
    def stops() -> None:
        raise failure

    @dg.job
    def night() -> None:
        stops()

    with dg.DagsterInstance.ephemeral() as instance:
        result = night.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success and _was_interrupted(result) is expected
