"""The same customers in HubSpot as in Salesforce: after a night over the wire the raw rows are equal, and a later night adds what changed and no more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from vim_pipelines.ingestion.ingest import IngestReport, ingest
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.sandbox.hubspot_seed import SEEDS, record_id
from vim_pipelines.settings import Settings, load_settings, resource_path
from vim_pipelines.vendors.hubspot import HubSpotClient, client_from_settings
from vim_pipelines.warehouse import open_warehouse

AS_OF, NIGHT = date(2026, 6, 28), datetime(2026, 6, 29, 6)
PORTFOLIO = resource_path("portfolios") / "hubspot.yaml"


class House:
    """A home whose CRM is HubSpot (or Salesforce), its emulators running."""

    def __init__(self, settings: Settings, running: Running, portfolio: Path | None = PORTFOLIO) -> None:
        self.settings, self.running, self.portfolio = settings, running, portfolio

    def night(self, day: int = 0) -> IngestReport:
        from vim_pipelines.sandbox.simulator.files import advance

        if day:
            advance(self.settings.sandbox_dir)
        moment = NIGHT + timedelta(days=day)
        return ingest(self.settings, load_portfolio(self.portfolio, self.settings), AS_OF + timedelta(days=day), moment)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with open_warehouse(self.settings).session(read_only=True) as session:
            return session.rows(sql)

    def client(self) -> HubSpotClient:
        return client_from_settings(self.settings)

    def requests(self) -> list[dict[str, Any]]:
        return list(httpx.get(f"{self.running.url('hubspot')}/_sandbox/requests", trust_env=False).json())

    def control(self, name: str, body: Any) -> None:
        httpx.post(f"{self.running.url('hubspot')}/_sandbox/{name}", json=body, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from vim_pipelines.sandbox.simulator.files import write_sandbox
    from vim_pipelines.sandbox.simulator.generate import simulate

    folder = tmp_path_factory.mktemp("sandbox")
    write_sandbox(simulate(accounts=20, weeks=40), folder)
    for kind in ("telemetry", "landing/usage_events"):
        for old in sorted((folder / kind).glob("recorded_date=*")):
            if old.name < "recorded_date=2026-06-20":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    with start_emulators(folder, ("salesforce", "hubspot", "zendesk")):
        pass
    return folder


def house_of(files: Path, home: Path, vendors: tuple[str, ...], portfolio: Path | None) -> Iterator[House]:
    settings = load_settings(home=home)
    if files != settings.sandbox_dir:
        shutil.copytree(files, settings.sandbox_dir)
    with start_emulators(settings.sandbox_dir, vendors, options={"hubspot": {"search_lag_seconds": 0}}) as running:
        yield House(running.settings(settings), running, portfolio)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portfolio with accounts, deals and meetings only: what most tests ask of, in a fifth of the time."""
    import yaml

    plan = yaml.safe_load(PORTFOLIO.read_text())
    plan["entities"] = {name: plan["entities"][name] for name in ("account", "opportunity", "meeting")}
    file = tmp_path_factory.mktemp("portfolio") / "hubspot.yaml"
    file.write_text(yaml.safe_dump(plan, sort_keys=False))
    return file


@pytest.fixture(scope="module")
def first_night(files: Path, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after the first night of the small portfolio."""
    home = tmp_path_factory.mktemp("first") / "home"
    for house in house_of(files, home, ("hubspot",), small):
        house.night()
    return home


@pytest.fixture
def house(first_night: Path, small: Path, tmp_path: Path) -> Iterator[House]:
    """The morning after the first night."""
    home = Path(shutil.copytree(first_night, tmp_path / "home"))
    yield from house_of(home / "sandbox", home, ("hubspot",), small)


@pytest.fixture(scope="module")
def whole_house(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with the whole portfolio, before its first night."""
    yield from house_of(files, tmp_path_factory.mktemp("whole") / "home", ("hubspot", "zendesk"), PORTFOLIO)


@pytest.fixture(scope="module")
def from_salesforce(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    for house in house_of(files, tmp_path_factory.mktemp("salesforce") / "home", ("salesforce", "zendesk"), resource_path("portfolios") / "sandbox.yaml"):
        house.night()
        yield house


def current(house: House, entity: str) -> list[tuple[Any, ...]]:
    """The current rows of an entity by canonical columns, without what names the source."""
    kind = ENTITIES[entity]
    names = ", ".join(column.name for column in kind.columns)
    newest = f"row_number() over (partition by {kind.key} order by known_at desc, captured_at desc, load_id desc) as place"
    sql = f"select {names} from (select *, {newest} from raw.{kind.table}) as t where place = 1 and not is_deleted order by {kind.key}"
    return [tuple(row.values()) for row in house.rows(sql)]


def test_raw_rows_of_every_entity_equal_those_from_salesforce(whole_house: House, from_salesforce: House) -> None:
    """And in few requests: companies are asked for once and associations a thousand at a time; one request a record would be 1,500 here."""
    report = whole_house.night()
    assert sum(item.rows_quarantined for item in report.entities) == 0
    for seed in SEEDS:
        rows = current(from_salesforce, seed.entity)
        assert rows, f"{seed.entity}: the simulator made none, the test would prove nothing"
        assert current(whole_house, seed.entity) == rows, seed.entity
    requests = whole_house.requests()
    assert len(requests) < 90 and {item["status"] for item in requests} <= {200, 207}


def test_a_second_night_adds_what_changed_and_nothing_else(house: House) -> None:
    assert {item.versions_added for item in house.night().entities} == {0}
    days = [house.night(day=day) for day in (1, 2)]
    assert sum(item.versions_added for report in days for item in report.entities) > 0
    assert {item["path"].rpartition("/")[2] for item in house.requests() if "archived=" not in item["query"]} >= {"search"}, "read from the cursor on"


def test_our_own_mirror_fields_come_back_and_make_no_version(house: House) -> None:
    """Every mirror write moves hs_lastmodifieddate: without the content hash each night would have added a version to every account."""
    with house.client() as client:
        ids = [record["id"] for record in client.records("companies", [])]
        results = client.update_many("companies", [{"id": identity, "vim_phase": "4", "vim_risk_score": 61} for identity in ids])
    assert len(ids) == 20 and all(item.success for item in results)
    report = {item.entity: item for item in house.night().entities}
    assert report["account"].rows_read >= 20 and report["account"].versions_added == 0


def test_an_archived_company_is_marked_and_not_lost(house: House) -> None:
    with house.client() as client:
        client.archive("companies", record_id("account", "ACC-HEADLINE"))
    house.night()
    versions = house.rows("select is_deleted, account_name from raw.accounts where account_key = 'ACC-HEADLINE' order by known_at, captured_at")
    assert versions[-1] == {"is_deleted": True, "account_name": "Northwind Robotics"} and not versions[0]["is_deleted"]


def test_a_company_made_anew_under_its_key_is_not_ended_by_its_archived_twin(house: House) -> None:
    with house.client() as client:
        client.upsert_many("companies", "crm_account_id", [{"crm_account_id": "ACC-NEW", "name": "Before"}])
        first = client.get("companies", "ACC-NEW", [], id_property="crm_account_id")
        assert first is not None
        client.archive("companies", first["id"])
        assert client.upsert_many("companies", "crm_account_id", [{"crm_account_id": "ACC-NEW", "name": "After"}])[0].outcome == "created"
    house.night()
    (row,) = house.rows("select account_name, is_deleted from raw.accounts where account_key = 'ACC-NEW'")
    assert row == {"account_name": "After", "is_deleted": False}


def test_a_deal_that_moved_to_another_company_is_found_by_the_weekly_full_reading(house: House) -> None:
    """HubSpot does not say that a changed association moves the modification time: search may never show it."""
    (deal,) = house.rows(
        "select opportunity_key, account_key from raw.opportunities where account_key <> 'ACC-HEADLINE' order by opportunity_key, known_at limit 1"
    )
    identity = record_id("opportunity", deal["opportunity_key"])
    with house.client() as client:
        client.associate_many("deals", "companies", [(identity, record_id("account", "ACC-HEADLINE"))], type_id=5)
        path = "associations/2026-09/deals/companies/batch/archive"
        client._send("POST", path, _write(), json={"inputs": [{"from": {"id": identity}, "to": [{"id": record_id("account", deal["account_key"])}]}]})
    house.night()
    sql = f"select account_key from raw.opportunities where opportunity_key = '{deal['opportunity_key']}' order by known_at desc, captured_at desc, load_id desc limit 1"
    assert house.rows(sql) == [{"account_key": deal["account_key"]}]
    ingest(house.settings, load_portfolio(house.portfolio, house.settings), AS_OF, NIGHT + timedelta(days=7))
    assert house.rows(sql) == [{"account_key": "ACC-HEADLINE"}]


def _write() -> Any:
    from vim_pipelines.vendors.http import Safety

    return Safety.IDEMPOTENT_WRITE


def test_a_failed_page_stops_the_night_and_ends_no_account(house: House) -> None:
    house.control("faults", {"path": "companies", "status": 400, "times": 99})
    with pytest.raises(Exception, match="VIM-E013"):
        house.night()
    assert house.rows("select count(*) as n from raw.accounts where is_deleted") == [{"n": 0}]


def test_a_new_property_is_ignored_and_a_changed_type_goes_to_quarantine(house: House) -> None:
    house.control("schema", {"object": "companies", "field": "acct_new", "change": "add", "value": "x"})
    assert {item.versions_added for item in house.night().entities} == {0}
    house.control("schema", {"object": "companies", "field": "acct_arr", "change": "retype", "type": "string", "template": "about {}"})
    with house.client() as client:
        client.update("companies", record_id("account", "ACC-HEADLINE"), {"vim_phase": "4"})
    report = {item.entity: item for item in house.night().entities}
    assert report["account"].rows_quarantined >= 1
    (row,) = house.rows("select reason, detail from raw.quarantine where entity = 'account' and row_key = 'ACC-HEADLINE'")
    assert row["reason"] == "type_error" and "about" in row["detail"]
    assert house.rows("select count(*) as n from raw.accounts where is_deleted") == [{"n": 0}], "what could not be read has not disappeared"


def test_a_property_removed_overnight_stops_the_night_with_its_mapping_line(house: House) -> None:
    house.control("schema", {"object": "companies", "field": "acct_tier", "change": "remove"})
    with pytest.raises(Exception, match=r"VIM-E012.*acct_tier.*line \d+"):
        house.night()


def test_a_mapped_property_that_is_gone_fails_with_the_mapping_line(house: House, tmp_path: Path) -> None:
    text = PORTFOLIO.read_text().replace("account_key: company.crm_account_id", "account_key: company.crm_old_id", 1)
    file = tmp_path / "portfolio.yaml"
    file.write_text(text)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "company.crm_old_id" in row)
    house.portfolio = file
    with pytest.raises(Exception, match=rf"company\.crm_old_id.*line {line}"):
        house.night()
