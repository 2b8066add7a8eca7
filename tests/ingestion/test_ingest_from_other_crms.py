"""The same customers kept in Planhat and in a Google spreadsheet: what reaches raw is what Salesforce gives, column by column."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.ingest import IngestReport, ingest
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.portfolio.model import Portfolio
from vim_pipelines.settings import Settings, load_settings
from vim_pipelines.warehouse import open_warehouse

AS_OF, NEXT = date(2026, 6, 28), date(2026, 6, 29)
NIGHT = datetime(2026, 6, 29, 6)
CRM_ENTITIES = tuple(name for name in ENTITIES if name not in ("ticket", "ticket_event", "license_assignment", "fx_rate"))
OTHERS = ("planhat", "google_sheets")


@pytest.fixture(autouse=True, scope="module")
def unhurried() -> Iterator[None]:
    """Nights follow one another here within a minute of the vendors' quota."""
    from vim_pipelines.vendors import http

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "limiter_of", lambda *_: http.Limiter(1e9, 10**9))
        yield


@contextmanager
def night_of(crm: str, before: Path, home: Path) -> Iterator[tuple[Settings, Any]]:
    """Settings of a copy of the home `before` whose sandbox is served as `crm`, and what runs."""
    from vim_pipelines.sandbox.emulators.run import start_emulators

    shutil.copytree(before, home)
    settings = load_settings(home=home, sandbox_crm=crm)
    with start_emulators(settings.sandbox_dir, (crm,)) as running:
        yield running.settings(settings), running


@pytest.fixture(scope="module")
def fresh(sandbox_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing was read, the customers seeded everywhere."""
    from vim_pipelines.sandbox.emulators.run import start_emulators

    home = tmp_path_factory.mktemp("fresh") / "home"
    folder = load_settings(home=home).sandbox_dir
    shutil.copytree(sandbox_files, folder)
    with start_emulators(folder, OTHERS):
        return home


@pytest.fixture(scope="module")
def first_nights(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, IngestReport]]:
    """For each CRM a home whose first night was read, and that night's report."""
    homes = {}
    for crm in ("salesforce", *OTHERS):
        home = tmp_path_factory.mktemp(crm) / "home"
        with night_of(crm, fresh, home) as (settings, _):
            homes[crm] = home, read(settings)
    return homes


def portfolio_of(settings: Settings) -> Portfolio:
    """The ready portfolio of the CRM without what does not come from the CRM; its lines are those of the ready file."""
    ready = load_portfolio(None, settings).file
    text = ready.read_text()
    file = settings.home / ready.name
    file.write_text(text[: text.index("  ticket:\n")])
    return load_portfolio(file, settings)


def read(settings: Settings, as_of: date = AS_OF, captured_at: datetime = NIGHT) -> IngestReport:
    return ingest(settings, portfolio_of(settings), as_of, captured_at)


def rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    with open_warehouse(settings).session(read_only=True) as session:
        return session.rows(sql)


def current(settings: Settings, entity: str) -> list[tuple[Any, ...]]:
    """The canonical columns of what is there now, in the order of the key."""
    item = ENTITIES[entity]
    names = ", ".join(column.name for column in item.columns)
    found = rows(
        settings,
        f"select {names} from raw.{item.table} qualify row_number() over (partition by {item.key} order by known_at desc, captured_at desc, load_id desc) = 1 "
        f"and not is_deleted order by {item.key}",
    )
    return [tuple(row.values()) for row in found]


@pytest.fixture(scope="module")
def salesforce_rows(first_nights: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], list[tuple[Any, ...]]]:
    """What two nights from Salesforce leave, by night and entity."""
    from vim_pipelines.sandbox.simulator.files import advance

    found = {}
    with night_of("salesforce", first_nights["salesforce"][0], tmp_path_factory.mktemp("salesforce") / "home") as (settings, _):
        found |= {(1, entity): current(settings, entity) for entity in CRM_ENTITIES}
        read(settings, NEXT, advance(settings.sandbox_dir))
        found |= {(2, entity): current(settings, entity) for entity in CRM_ENTITIES}
    return found


@pytest.mark.parametrize("crm", OTHERS)
def test_two_nights_leave_the_rows_that_salesforce_leaves(crm: str, first_nights: Any, tmp_path: Path, salesforce_rows: Any) -> None:
    from vim_pipelines.sandbox.simulator.files import advance

    home, report = first_nights[crm]
    assert report.rows_quarantined == 0
    with night_of(crm, home, tmp_path / "home") as (settings, _):
        for entity in CRM_ENTITIES:
            assert current(settings, entity) == salesforce_rows[1, entity], entity
        again = read(settings)
        assert again.versions_added == 0, "a complete reading of what did not change is no news"
        read(settings, NEXT, advance(settings.sandbox_dir))
        for entity in CRM_ENTITIES:
            assert current(settings, entity) == salesforce_rows[2, entity], entity
        if crm == "planhat":
            (row,) = rows(settings, "select known_at, source_modified_at from raw.accounts where account_key = 'ACC-HEADLINE' order by known_at limit 1")
            assert row["known_at"] == row["source_modified_at"] is not None, "Planhat's updatedAt dates the version"


def test_a_task_deleted_in_planhat_is_ended_once(first_nights: Any, tmp_path: Path) -> None:
    from vim_pipelines.vendors.planhat import client_from_settings

    with night_of("planhat", first_nights["planhat"][0], tmp_path / "home") as (settings, _):
        gone = rows(settings, "select min(task_key) as k from raw.tasks")[0]["k"]
        with client_from_settings(settings) as client:
            assert client.delete("tasks", gone, by="externalId")
        read(settings, NEXT, datetime(2026, 6, 29, 7))
        assert [row["task_key"] for row in rows(settings, "select task_key from raw.tasks where is_deleted")] == [gone]
        before = rows(settings, "select count(*) as n from raw.tasks")
        read(settings, NEXT, datetime(2026, 6, 29, 8))
        assert rows(settings, "select count(*) as n from raw.tasks") == before, "a row is ended once"


def test_a_row_deleted_in_the_sheet_is_ended_and_a_wrong_cell_is_set_aside(first_nights: Any, tmp_path: Path) -> None:
    """A price typed as 'tbd' stops its line, not the night; the line is not ended by it."""
    import httpx

    with night_of("google_sheets", first_nights["google_sheets"][0], tmp_path / "home") as (settings, running):

        def edit(tab: str, cell: str, value: Any) -> str:
            answer = httpx.post(f"{running.url('google_sheets')}/_sandbox/edit", json={"tab": tab, "cell": cell, "value": value}, trust_env=False)
            return str(answer.raise_for_status().json()["row"])

        wrong = [edit("Contracts", "F2", "tbd"), edit("Contracts", "H3", 2026), edit("Contracts", "D4", "12 seats")]
        fine = edit("Contracts", "F5", "250.5")
        gone = edit("Contracts", "A6", "DELETE ROW")
        edit("Tasks", "C2", "Call them"), edit("Tasks", "C3", "Call them too"), edit("Tasks", "L3", "yesterday")
        undated = edit("Tasks", "L2", None)
        report = read(settings, NEXT, datetime(2026, 6, 30, 6))
        assert report.reasons["type_error"] == 4
        tasks = "select task_key, known_at, source_modified_at from raw.tasks where load_id = 'L00000002'"
        assert rows(settings, tasks) == [{"task_key": undated, "known_at": datetime(2026, 6, 30, 6), "source_modified_at": None}], "from when it was read"
        assert [row["detail"] for row in rows(settings, "select detail from raw.quarantine where entity = 'task'")] == [
            "modification time: 'yesterday' is not a timestamp"
        ]
        details = [row["detail"] for row in rows(settings, "select detail from raw.quarantine where entity = 'contract_line' order by detail")]
        assert details == ["net_unit_price_annual: 'tbd' is not a number", "seats: '12 seats' is not a whole number", "start_date: 2026 is not a date"]
        ended = [row["contract_line_key"] for row in rows(settings, "select contract_line_key from raw.contract_lines where is_deleted")]
        assert ended == [gone] and not set(wrong) & set(ended)
        (price,) = rows(
            settings,
            f"select net_unit_price_annual as price, known_at from raw.contract_lines where contract_line_key = '{fine}' order by known_at desc limit 1",
        )
        assert float(price["price"]) == 250.5, "a number typed as text is a number"
        assert datetime(2026, 6, 29, 6) <= price["known_at"] < datetime(2026, 6, 29, 6, 1), "the sheet's script dated the edit"
        state = running.emulators["google_sheets"].state
        with state.transaction():
            state.write("Contracts", gone, "updated", state.next_stamp(datetime(2026, 6, 30, 7)), {"IsDeleted": 0})
        read(settings, date(2026, 6, 30), datetime(2026, 7, 1, 6))
        assert gone in {row[0] for row in current(settings, "contract_line")}, "a deletion that was undone came back with its old date"


@pytest.mark.parametrize(
    ("control", "code", "message"),
    [
        (("edit", {"tab": "Contracts", "cell": "D1", "value": "Seat count"}), "VIM-E012", r"no header 'Seats'.*\(A1 to R1\); it is mapped to contract_line.seats"),
        (("edit", {"tab": "Contracts", "cell": "D1", "value": None}), "VIM-E012", r"'Seats'.*contract_line.seats.*Cell D1 is blank"),
        (("edit", {"tab": "Contracts", "cell": "F1", "value": "Seats"}), "VIM-E017", r"'Seats' in the cells D1 and F1; it is mapped to contract_line.seats"),
        (("edit", {"tab": "Contracts", "cell": "O1", "value": "Seats"}), "VIM-E017", r"'Seats' in the cells D1 and O1; it is mapped to contract_line.seats"),
        (("insert_rows", {"tab": "Contracts", "count": 2}), "VIM-E012", r"'Contracts' moved: 'Line ID' stands in cell A3, not in row 1; it is mapped to contract_line.contract_line_key"),
        (("rename", {"tab": "Contracts", "to": "Contracts 2026"}), "VIM-E004", r"no object 'Contracts' here \(google_sheets.yaml line \d+\).*Contracts 2026"),
    ],
)  # fmt: skip
def test_a_header_that_was_changed_stops_the_night_with_its_cell_and_line(control: Any, code: str, message: str, fresh: Path, tmp_path: Path) -> None:
    import httpx

    with night_of("google_sheets", fresh, tmp_path / "home") as (settings, running):
        name, body = control
        httpx.post(f"{running.url('google_sheets')}/_sandbox/{name}", json=body, trust_env=False).raise_for_status()
        with pytest.raises(VimError, match=message) as caught:
            read(settings)
        assert caught.value.code == code and not settings.warehouse_path.exists()
        if code != "VIM-E004":
            file = load_portfolio(None, settings).file.read_text().splitlines()
            line = int(str(caught.value).split("google_sheets.yaml line ")[1].split(")")[0])
            assert str(caught.value).split("it is mapped to contract_line.")[1].split(" ")[0] + ":" in file[line - 1]


def test_a_check_of_the_file_tells_every_wrong_header_with_its_line(fresh: Path, tmp_path: Path) -> None:
    import httpx

    from vim_pipelines.ingestion.probe import check_portfolio

    with night_of("google_sheets", fresh, tmp_path / "home") as (settings, running):
        file = portfolio_of(settings).file

        def found() -> list[Any]:
            """Errors of the mapping; the other sources of the file are not served here."""
            problems = check_portfolio(file, settings, NIGHT).problems
            return [item for item in problems if item.severity == "error" and not item.where.startswith("sources.")]

        assert found() == []
        for cell, value in (("D1", "Seat count"), ("S1", "Product")):
            body = {"tab": "Contracts", "cell": cell, "value": value}
            httpx.post(f"{running.url('google_sheets')}/_sandbox/edit", json=body, trust_env=False).raise_for_status()
        problems = found()
        lines = file.read_text().splitlines()
        assert [(lines[item.line - 1].strip(), item.code) for item in problems] == [("product: Product", "VIM-E017"), ("seats: Seats", "VIM-E012")]


@pytest.mark.parametrize(
    ("crm", "plan", "code"),
    [
        ("planhat", {"path": "^/companies", "status": 401, "times": 9}, "VIM-E011"),
        ("planhat", {"path": "offset=0", "status": 500, "times": 99}, "VIM-E013"),
        ("google_sheets", {"path": "batchGet", "status": 403, "times": 9, "skip": 3}, "VIM-E013"),
        ("google_sheets", {"path": "/token", "status": 400, "times": 9}, "VIM-E011"),
    ],
)
def test_a_vendor_that_fails_leaves_no_warehouse(
    crm: str, plan: dict[str, Any], code: str, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    from vim_pipelines.vendors import http

    monkeypatch.setattr(http.RetryPolicy, "wait_seconds", lambda *_: 0.0)
    with night_of(crm, fresh, tmp_path / "home") as (settings, running):
        httpx.post(f"{running.url(crm)}/_sandbox/faults", json=plan, trust_env=False).raise_for_status()
        with pytest.raises(VimError) as caught:
            read(settings)
        assert caught.value.code == code and not settings.warehouse_path.exists()


@pytest.mark.parametrize(("crm", "seats"), [("planhat", ("licenses", "custom.Seats")), ("google_sheets", ("Contracts", "Seats"))])
def test_a_schema_that_changes_overnight(crm: str, seats: tuple[str, str], first_nights: Any, tmp_path: Path) -> None:
    """A new field is ignored, a mapped one of another type is set aside row by row, a mapped one that is gone stops the night with its line."""
    import httpx

    home, report = first_nights[crm]
    lines = report.entities[2]
    assert lines.entity == "contract_line"
    with night_of(crm, home, tmp_path / "home") as (settings, running):

        def change(**plan: Any) -> None:
            body = {"object": seats[0], **plan}
            httpx.post(f"{running.url(crm)}/_sandbox/schema", json=body, trust_env=False).raise_for_status()

        change(field="custom.Discount" if crm == "planhat" else "Discount", change="add", value=5, type="number")
        assert read(settings, NEXT, datetime(2026, 6, 30, 6)).versions_added == 0
        change(field=seats[1], change="retype", template="{} seats")
        report = read(settings, NEXT, datetime(2026, 6, 30, 7))
        assert report.reasons == {"type_error": lines.rows_read} and report.versions_added == 0
        assert not rows(settings, "select 1 from raw.contract_lines where is_deleted"), "a row that was set aside is not a row that is gone"
        change(field=seats[1], change="remove")
        with pytest.raises(VimError, match=r"VIM-E012 .*Seats'.* contract_line.seats \((google_sheets.yaml )?line \d+\)"):
            read(settings, NEXT, datetime(2026, 6, 30, 8))


def test_a_custom_field_that_planhat_lost_is_named_with_its_line(fresh: Path, tmp_path: Path) -> None:
    from vim_pipelines.vendors.planhat import client_from_settings

    with night_of("planhat", fresh, tmp_path / "home") as (settings, _):
        with client_from_settings(settings) as client:
            (seats,) = [field for field in client.records("customfields", ("name", "parent")) if (field["parent"], field["name"]) == ("License", "Seats")]
            assert client.delete("customfields", seats["_id"])
        with pytest.raises(VimError, match=r"VIM-E012 .*Planhat object licenses: 'custom.Seats' is mapped to contract_line.seats \(line \d+\)"):
            read(settings)
