"""The store's schema: one truth in the models, one in the migrations, and they may not differ."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from stores import settings_for

from vim_pipelines.core.errors import VimError
from vim_pipelines.store import migrations, open_store
from vim_pipelines.store.engine import _engine
from vim_pipelines.store.models import Base


def engine_of(url: str):
    from sqlalchemy.engine import make_url

    return _engine(make_url(url))


def test_the_migrations_build_exactly_the_tables_of_the_models(store_url: str) -> None:
    """Autogenerate finds nothing to do: a column added to a model without a migration fails here, not in production."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = engine_of(store_url)
    migrations.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_comparison_above_can_fail(store_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = engine_of(store_url)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("alter table outbox drop column error"))
        connection.execute(text("drop index ix_outbox_open"))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert {difference[0] for difference in differences} == {"add_column", "add_index"}


def test_head_and_known_revisions_are_those_of_the_version_files() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == migrations.HEAD
    assert {revision.revision for revision in script.walk_revisions()} == set(migrations.KNOWN)


def test_many_processes_may_open_an_empty_store_at_once(store_url: str) -> None:
    """The inbox, a night and a sensor start together after an installation."""

    def open_one(_: int) -> str | None:
        engine = engine_of(store_url)
        try:
            migrations.upgrade(engine)
            return migrations.current_revision(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(open_one, range(6))) == [migrations.HEAD] * 6


def test_a_failed_upgrade_leaves_nothing_behind(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a schema would make every later upgrade fail with 'table exists'."""
    from alembic import op

    calls = {"number": 0}
    create_table = op.create_table

    def third_fails(*arguments, **options):
        calls["number"] += 1
        if calls["number"] == 3:
            raise RuntimeError("the disk is full")
        return create_table(*arguments, **options)

    engine = engine_of(store_url)
    monkeypatch.setattr(op, "create_table", third_fails)
    with pytest.raises(RuntimeError):
        migrations.upgrade(engine)
    monkeypatch.undo()
    assert migrations.current_revision(engine) is None
    migrations.upgrade(engine)
    assert migrations.current_revision(engine) == migrations.HEAD


def test_a_store_of_a_newer_program_is_refused(store_url: str, tmp_path: Path) -> None:
    settings = settings_for(store_url, tmp_path)
    open_store(settings).engine.dispose()
    with engine_of(store_url).begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(VimError, match="VIM-E026"):
        open_store(settings)


def test_an_unreachable_store_is_one_clear_message_without_the_password(tmp_path: Path) -> None:
    settings = settings_for("postgresql://inbox:hunter2@127.0.0.1:1/vim?connect_timeout=2", tmp_path)
    with pytest.raises(VimError, match="VIM-E027") as caught:
        open_store(settings)
    assert "hunter2" not in str(caught.value)


def test_opening_a_migrated_store_imports_no_alembic(tmp_path: Path) -> None:
    """The command line opens the store on every call."""
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    open_store(settings_for(url, tmp_path)).engine.dispose()
    program = (
        "import sys; from vim_pipelines.settings import Settings; from vim_pipelines.store import open_store;"
        f"open_store(Settings(store_url={url!r})); print(sorted(m for m in sys.modules if m.split('.')[0] in ('alembic', 'pandas', 'dagster')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    """A long night holds SQLite's write lock for seconds; `vimotion inbox list` must not stand behind it to learn the revision."""
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    store = open_store(settings_for(url, tmp_path))
    with store.engine.begin():
        other = create_engine(url, connect_args={"timeout": 0.1})
        migrations.upgrade(other)
        other.dispose()
