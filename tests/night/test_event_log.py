"""The event log that stays open is Dagster's own: what one class writes, the other reads."""

import threading
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from vim_pipelines.core.errors import VimError
from vim_pipelines.event_log import OPEN_RUNS, OpenSqliteEventLogStorage
from vim_pipelines.night import DAGSTER_YAML


@dg.asset(check_specs=[dg.AssetCheckSpec("even", asset="number")])
def number():
    yield dg.MaterializeResult(metadata={"value": 4}, check_results=[dg.AssetCheckResult(passed=True, check_name="even")])


JOB = dg.Definitions(assets=[number], jobs=[dg.define_asset_job("count")]).resolve_job_def("count")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    return tmp_path


def told(instance, run_id):
    return [record.dagster_event_type for record in instance.all_logs(run_id)]


def values(instance):
    records = instance.fetch_materializations(dg.AssetKey("number"), limit=100).records
    return [record.asset_materialization.metadata["value"].value for record in records]


def test_what_one_class_writes_the_other_reads(home):
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.event_log_storage) is OpenSqliteEventLogStorage
        ours = JOB.execute_in_process(instance=instance).run_id
        before = told(instance, ours)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        assert told(instance, ours) == before and dg.DagsterEventType.ASSET_CHECK_EVALUATION in before
        theirs = JOB.execute_in_process(instance=instance).run_id
        after = told(instance, theirs)
    (home / "dagster.yaml").write_text(DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert told(instance, theirs) == after and len(after) == len(before)
        assert values(instance) == [4, 4]


def test_few_files_stay_open_and_a_closed_one_is_opened_again(home):
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = [JOB.execute_in_process(instance=instance).run_id for _ in range(OPEN_RUNS + 2)]
        opened = {file.readlink().name for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}
        assert sum(f"{run_id}.db" in opened for run_id in runs) == OPEN_RUNS
        assert told(instance, runs[0]) == told(instance, runs[-1])
        assert values(instance) == [4] * len(runs)


def test_a_log_that_was_wiped_is_begun_again(home):
    with dg.DagsterInstance.from_config(str(home)) as instance:
        JOB.execute_in_process(instance=instance)
        instance.event_log_storage.wipe()
        assert values(instance) == []
        JOB.execute_in_process(instance=instance)
        assert values(instance) == [4]


def test_threads_write_side_by_side_and_nothing_is_lost(home):
    """Checks of a night may end in threads of their own; each has its connection in turn."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        threads = [
            threading.Thread(
                target=lambda n=n: [instance.report_runless_asset_event(dg.AssetMaterialization("number", metadata={"value": n})) for _ in range(10)]
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(values(instance)) == sorted([n for n in range(4) for _ in range(10)])


def test_a_log_without_a_home_is_refused_in_words(home, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    with pytest.raises(VimError, match="VIM-E001"):
        OpenSqliteEventLogStorage.from_config_value(None, {})
