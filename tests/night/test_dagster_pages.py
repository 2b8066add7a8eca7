"""What a person finds in Dagster's pages: everything has an owner, a place and a meaning, and everything that can be set has a default and words."""

from __future__ import annotations

import dagster as dg
import pytest

from vim_pipelines.catalogue import OWNERS, table_columns
from vim_pipelines.definitions import build_definitions
from vim_pipelines.jobs import JOBS
from vim_pipelines.settings import load_settings
from vim_pipelines.transform.assets import dbt_steps


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return load_settings(home=tmp_path_factory.mktemp("pages") / "home")


@pytest.fixture(scope="module")
def repository(settings):
    return build_definitions(settings).get_repository_def()


@pytest.fixture(scope="module")
def columns(settings):
    return table_columns(dbt_steps(settings).manifest)


def test_every_asset_has_a_group_an_owner_a_kind_a_description_a_layer_and_columns(repository):
    lacking = {}
    for node in repository.asset_graph.asset_nodes:
        said = {
            "group": node.group_name in OWNERS,
            "owner": bool(node.owners),
            "kind": bool(node.kinds),
            "description": bool(node.description),
            "layer": "vim/layer" in node.tags,
            "columns": bool(node.metadata.get("dagster/column_schema") and node.metadata["dagster/column_schema"].columns),
        }
        if not all(said.values()):
            lacking[node.key.to_user_string()] = [name for name, there in said.items() if not there]
    assert not lacking


def test_every_column_of_every_asset_has_a_meaning_and_a_type(repository):
    lacking = [
        f"{node.key.to_user_string()}.{column.name}"
        for node in repository.asset_graph.asset_nodes
        for column in node.metadata["dagster/column_schema"].columns
        if not column.description or not column.type
    ]
    assert not lacking, "describe them where the table is made, or in transform/column_words.yaml"


def test_the_pages_of_the_book_are_those_that_are_listed():
    """The asset lists pages where a table lists columns; a new kind of page must not be missing there."""
    import re
    from pathlib import Path

    from vim_pipelines.catalogue import BOOK_PAGES
    from vim_pipelines.reporting.book import pages

    names = re.findall(r'page\("(\w+)\.html"', Path(pages.__file__).read_text())
    shown = {"portfolio": "index.html", "rows": "rows/<figure>.html", "csm": "csm/<name>.html", "account": "accounts/<account>.html"}
    assert {shown.get(name, f"{name}.html") for name in names} == set(BOOK_PAGES)


def test_no_word_of_the_list_is_left_over(columns):
    """A list that only grows says in the end what no column means any more."""
    assert columns.unused_words() == set()


def test_groups_read_as_the_data_flows(repository):
    """Dagster sorts groups by name, and no asset may be made from one of a later group, or the picture of groups runs in circles."""
    graph = repository.asset_graph
    backwards = {
        (parent.to_user_string(), node.key.to_user_string())
        for node in graph.asset_nodes
        for parent in node.parent_keys
        if graph.get(parent).group_name > node.group_name
    }
    assert not backwards


def test_every_check_says_what_it_asks(repository):
    graph = repository.asset_graph
    assert not [key.to_user_string() for key in graph.asset_check_keys if not graph.get(key).description]
    rule = graph.get(dg.AssetCheckKey(dg.AssetKey(["base", "int_accounts"]), "grain_int_accounts_account_key")).description
    assert rule.startswith("One row per account_key. A failure stops the night")


def test_every_job_schedule_and_sensor_says_what_it_does(repository):
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    assert not [job.name for job in jobs if not job.description or not job.owners]
    assert not [one.name for one in (*repository.schedule_defs, *repository.sensor_defs) if not one.description]


def config_fields(job):
    """(op, field name, field) of everything that can be set of a job's own ops."""
    for node in job.graph.node_defs if job.graph else []:
        schema = getattr(node, "config_schema", None)
        for name, field in (getattr(schema.config_type, "fields", None) or {}).items() if schema and schema.config_type else []:
            yield node.name, name, field


def test_everything_that_can_be_set_has_a_default_and_words(repository):
    """A launch from the launchpad, with nothing filled in, must start."""
    found = [(job.name, *rest) for job in repository.get_all_jobs() if not job.name.startswith("__") for rest in config_fields(job)]
    assert {name for _, _, name, _ in found} >= {"request_id", "look_for_drift", "activity", "train_before", "rebuild"}
    assert not [(job, name) for job, _, name, field in found if not field.description or not field.default_provided]


def test_the_launchpad_opens_with_the_defaults_filled_in(repository):
    for job in repository.get_all_jobs():
        if not job.name.startswith("__") and any(True for _ in config_fields(job)):
            assert job.run_config, job.name


@pytest.mark.parametrize("name", ["write_back", "replan", "reconcile", "approvals_sweep", "check_edits", "retention"])
def test_a_launch_with_the_defaults_works_where_nothing_waits(name, settings, monkeypatch):
    """Nothing is approved, rejected or edited in an empty store: the run says so and ends well."""
    from contextlib import nullcontext

    from vim_pipelines.store import open_store

    monkeypatch.setattr("vim_pipelines.writeback.targets.open_target", lambda _settings: nullcontext())
    job = next(job for job in JOBS if job.name == name)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, resources={"settings": settings, "store": open_store(settings)}, raise_on_error=False)
    assert result.success, [event.message for event in result.all_events if event.is_failure]


def test_what_opens_the_warehouse_runs_alone_and_decisions_do_not_wait_for_the_night(repository, tmp_path):
    """The instance's file holds runs with the tag to one; a job that opens the working file without it would meet a lock."""
    import yaml

    from vim_pipelines.night import DAGSTER_YAML

    tagged = {job.name for job in repository.get_all_jobs() if "vim/warehouse" in job.tags}
    assert tagged == {"portfolio_audit", "mirror_fields", "backtest", "retention"}
    runs = yaml.safe_load(DAGSTER_YAML)["concurrency"]["runs"]
    assert {"key": "vim/warehouse", "limit": 1} in runs["tag_concurrency_limits"] and runs["max_concurrent_runs"] > 1


def test_the_instance_file_is_one_that_dagster_takes_and_sends_nothing(tmp_path, monkeypatch):
    from vim_pipelines.night import DAGSTER_YAML

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled and not instance.nux_enabled
        assert instance.run_monitoring_enabled


def test_a_night_without_a_date_is_refused_in_words():
    """Whoever launches the night from the launchpad may forget the partition."""
    from types import SimpleNamespace

    from vim_pipelines.core.errors import VimError
    from vim_pipelines.schedule import as_of_date

    with pytest.raises(VimError, match="VIM-E185"):
        as_of_date(SimpleNamespace(run=SimpleNamespace(tags={})))
