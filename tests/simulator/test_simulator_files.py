"""The sandbox on disk: what the clock shows, and nothing more; made once, made again when it must be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.simulator import advance, ensure_sandbox, files, read_clock, reveal, simulate, write_sandbox

NOW = datetime(2026, 6, 29, 6)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "deep" / "sandbox"
    assert ensure_sandbox(directory, seed=5, accounts=30, weeks=52)
    return directory


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "sandbox"))


def landed(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "landing" / "usage_events").iterdir())


def test_the_sandbox_begins_at_its_today(copy: Path):
    assert read_clock(copy) == NOW
    assert landed(copy)[-1] == "recorded_date=2026-06-28.parquet"
    assert landed(copy)[0] == "recorded_date=2025-06-30.parquet"
    assert len(landed(copy)) == 52 * 7
    assert (copy / "telemetry" / "recorded_date=2026-07-12.parquet").is_file()


def test_one_day_on_shows_one_more_day_and_only_that(copy: Path):
    before = {name: (copy / "landing" / "usage_events" / name).stat().st_mtime_ns for name in landed(copy)}
    assert advance(copy) == datetime(2026, 6, 30, 6) == read_clock(copy)
    assert set(landed(copy)) - before.keys() == {"recorded_date=2026-06-29.parquet"}
    assert before.keys() <= set(landed(copy))
    assert all((copy / "landing" / "usage_events" / name).stat().st_mtime_ns == stamp for name, stamp in before.items())


def test_files_show_what_was_known_by_the_clock_and_one_row_for_each_key(copy: Path):
    def newest(name: str) -> datetime:
        return duckdb.execute(f"select max(modified_at) from '{copy}/files/{name}'").fetchone()[0]

    for name in ("license_assignments.parquet", "fx_rates.csv"):
        assert newest(name) < NOW
        rows, keys = duckdb.execute(f"select count(*), count(distinct {first_column(copy, name)}) from '{copy}/files/{name}'").fetchone()
        assert rows == keys > 0
    assert newest("fx_rates.csv").date().isoformat() == "2026-06-26"
    advance(copy, 2)
    assert newest("fx_rates.csv").date().isoformat() == "2026-06-30"


def first_column(directory: Path, name: str) -> str:
    return duckdb.execute(f"select * from '{directory}/files/{name}' limit 0").description[0][0]


def test_a_revoked_licence_appears_when_it_is_revoked(copy: Path):
    source = duckdb.execute(
        f"select assignment_key, revoked_at from '{copy}/source/license_assignments.parquet' where revoked_at is not null order by 2 limit 1"
    ).fetchone()
    key, revoked = source
    state = f"select revoked_at from '{copy}/files/license_assignments.parquet' where assignment_key = ?"
    reveal(copy, revoked)
    assert duckdb.execute(state, [key]).fetchall() == [(None,)]
    reveal(copy, NOW)
    assert duckdb.execute(state, [key]).fetchall() == [(revoked,)]


def test_revealing_is_repeatable_and_goes_back(copy: Path):
    first = landed(copy)
    advance(copy, 5)
    reveal(copy, NOW)
    reveal(copy, NOW)
    assert landed(copy) == first and read_clock(copy) == NOW


def test_the_clock_stops_where_the_simulation_ends(copy: Path):
    advance(copy, 14)
    assert landed(copy)[-1] == "recorded_date=2026-07-12.parquet"
    with pytest.raises(VimError, match="VIM-E024"):
        advance(copy)
    assert read_clock(copy) == datetime(2026, 7, 13, 6)


def test_a_sandbox_is_made_once_and_keeps_its_clock(copy: Path):
    advance(copy, 3)
    stamp = (copy / "ground_truth.parquet").stat().st_mtime_ns
    assert not ensure_sandbox(copy, seed=5, accounts=30, weeks=52)
    assert read_clock(copy) == datetime(2026, 7, 2, 6)
    assert (copy / "ground_truth.parquet").stat().st_mtime_ns == stamp


def test_other_parameters_make_another_sandbox_and_forget_the_emulators(copy: Path):
    (copy / "salesforce.db").write_text("state of customers who are gone")
    (copy / "notes.txt").write_text("not ours")
    assert ensure_sandbox(copy, seed=6, accounts=29, weeks=40)
    assert not (copy / "salesforce.db").exists() and (copy / "notes.txt").exists()
    assert len(landed(copy)) == 40 * 7
    assert read_clock(copy) == NOW


def test_an_interrupted_sandbox_is_made_again(copy: Path):
    (copy / "parameters.json").unlink()
    with pytest.raises(VimError, match="VIM-E018"):
        read_clock(copy / "nowhere")
    assert ensure_sandbox(copy, seed=5, accounts=30, weeks=52)


def test_chunks_on_disk_hold_the_same_events_as_one_piece(made: Path, tmp_path: Path):
    chunked = tmp_path / "chunked"
    assert ensure_sandbox(chunked, seed=5, accounts=30, weeks=52, chunk_accounts=11)
    assert (chunked / "telemetry" / "recorded_date=2026-06-26-part2.parquet").is_file()
    both = "(select * from '{}/landing/usage_events/*.parquet')".format
    differing = f"select count(*) from ((from {both(made)} except all from {both(chunked)}) union all (from {both(chunked)} except all from {both(made)}))"
    assert duckdb.execute(differing).fetchone() == (0,)
    for name in ("source/tickets.parquet", "source/accounts.parquet", "ground_truth.parquet"):
        assert pq.read_table(made / name).equals(pq.read_table(chunked / name)), name
    advance(chunked)
    fresh = [name for name in landed(chunked) if "2026-06-29" in name]
    assert fresh == ["recorded_date=2026-06-29-part1.parquet", "recorded_date=2026-06-29-part2.parquet", "recorded_date=2026-06-29.parquet"]


def test_a_day_of_telemetry_holds_the_arrivals_of_that_day(made: Path):
    wrong = duckdb.execute(
        f"select count(*) from read_parquet('{made}/telemetry/*.parquet', filename = true) where filename not like '%recorded_date=' || recorded_at::date || '.parquet'"
    )
    assert wrong.fetchone() == (0,)


def test_no_event_is_lost_on_the_way_to_disk(tmp_path: Path):
    simulation = simulate(seed=5, accounts=8, weeks=40)
    write_sandbox(simulation, tmp_path / "s")
    count = duckdb.execute(f"select count(*) from '{tmp_path}/s/telemetry/*.parquet'").fetchone()[0]
    assert count == len(simulation.usage) > 0


def test_files_are_copied_where_they_cannot_be_linked(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch):
    """Containers mount the landing zone from elsewhere: a hard link across file systems fails."""

    def refused(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(files.os, "link", refused)
    directory = Path(shutil.copytree(made, tmp_path / "s"))
    advance(directory)
    target = directory / "landing" / "usage_events" / "recorded_date=2026-06-29.parquet"
    assert target.read_bytes() == (directory / "telemetry" / target.name).read_bytes()
    assert target.stat().st_nlink == 1


def test_nothing_is_written_outside_the_directory(tmp_path: Path):
    (tmp_path / "home").mkdir()
    script = "import sys; from pathlib import Path; from vim_pipelines.sandbox.simulator import ensure_sandbox, advance; d = Path('s'); ensure_sandbox(d, 1, 5, 40); advance(d)"
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "s"]
    assert not list((tmp_path / "home").rglob("*.parquet")) and not list((tmp_path / "home").rglob("*.json"))


def test_importing_the_simulator_loads_no_heavy_library():
    script = "import sys, vim_pipelines.sandbox.simulator; print([m for m in ('pandas', 'pyarrow', 'duckdb', 'dagster') if m in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(root)})
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_two_hundred_accounts_take_less_than_fifteen_seconds(tmp_path: Path):
    import time

    before = time.process_time()
    ensure_sandbox(tmp_path / "s")
    assert time.process_time() - before < 15
    count = duckdb.execute(f"select count(*) from '{tmp_path}/s/telemetry/*.parquet'").fetchone()[0]
    assert 1_000_000 <= count <= 2_000_000
