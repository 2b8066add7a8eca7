import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))

from reasoning_cases import AS_OF, HEADLINE_ACCOUNT, HEADLINE_CORE, NOW, fact_rows
from stores import postgres_address, store_url

from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store

__all__ = ["postgres_address", "store_url"]


@pytest.fixture
def settings(tmp_path, monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path)


@pytest.fixture
def store(settings):
    store = open_store(settings)
    yield store
    store.engine.dispose()


@pytest.fixture(scope="session")
def _claude():
    from vim_pipelines.sandbox.claude_emulator import Emulator, start_claude

    emulator = Emulator()
    server = start_claude(emulator)
    emulator.url = server.url
    yield emulator
    server.stop()


@pytest.fixture
def claude(_claude):
    """The emulated Claude API, with nothing planned and nothing remembered."""
    deadline = time.monotonic() + 30
    while _claude.in_flight and time.monotonic() < deadline:  # an abandoned slow call of the test before would be remembered by this one
        time.sleep(0.01)
    _claude.mode = "good"
    for kept in (_claude.faults, _claude.journal, _claude.cache, _claude.verdicts, _claude.batches):
        kept.clear()
    _claude.most_in_flight = 0
    return _claude


@pytest.fixture(scope="session")
def _openai():
    from vim_pipelines.sandbox.openai_emulator import Emulator, start_openai

    emulator = Emulator()
    server = start_openai(emulator)
    emulator.url = server.url + "/v1"
    yield emulator
    server.stop()


@pytest.fixture
def openai(_openai):
    """The emulated OpenAI API, with nothing planned and nothing remembered."""
    deadline = time.monotonic() + 30
    while _openai.in_flight and time.monotonic() < deadline:
        time.sleep(0.01)
    _openai.clear()
    return _openai


@pytest.fixture
def both_settings(claude_settings, openai):
    """Both vendors have a key."""
    return claude_settings.model_copy(update={"openai_api_key": _secret("test-key"), "openai_base_url": openai.url})


@pytest.fixture
def claude_settings(settings, claude):
    """A key for Claude, and no judge: its calls would be counted among the drafts'. The judge's own tests turn it on."""
    return settings.model_copy(update={"anthropic_api_key": _secret("test-key"), "anthropic_base_url": claude.url, "judge": "off"})


def _secret(text):
    from pydantic import SecretStr

    return SecretStr(text)


FACT_COLUMNS = {
    "account_key": "varchar", "as_of_date": "date", "metric": "varchar", "scope": "varchar", "label": "varchar", "value_number": "decimal(18,4)",
    "value_text": "varchar", "unit": "varchar", "currency": "varchar", "window_label": "varchar", "status": "varchar", "sensitivity": "varchar",
    "fact_class": "varchar", "source_table": "varchar", "source_key": "varchar",
}  # fmt: skip
SIGNAL_COLUMNS = {
    "account_key": "varchar", "as_of_date": "date", "account_name": "varchar", "arr_amount": "decimal(18,2)", "currency": "varchar",
    "unused_value_annual": "decimal(18,2)", "waste_annual": "decimal(18,2)", "days_to_renewal": "bigint", "days_to_opt_out": "bigint", "lean_risk": "double",
    "risk_band": "varchar", "hold_reason": "varchar",
}  # fmt: skip
RISK_COLUMNS = {
    "account_key": "varchar", "as_of_date": "date", "rule_id": "varchar", "rule_version": "bigint", "severity": "varchar", "inputs": "varchar",
    "threshold": "varchar", "summary": "varchar", "risk_status": "varchar",
}  # fmt: skip
TICKET_COLUMNS = {
    "account_key": "varchar",
    "ticket_key": "varchar",
    "priority": "varchar",
    "status": "varchar",
    "opened_at": "timestamp",
    "solved_at": "timestamp",
    "is_escalated": "boolean",
    "subject": "varchar",
}


class Marts:
    """A small warehouse with the marts that reasoning reads; `put` adds one account for an as-of date."""

    def __init__(self, warehouse):
        self.warehouse = warehouse
        with warehouse.session() as session:
            for table, columns in (
                ("marts.fct_account_facts", FACT_COLUMNS), ("marts.fct_account_signals", SIGNAL_COLUMNS), ("marts.fct_risks", RISK_COLUMNS),
                ("base.stg_support__tickets", TICKET_COLUMNS),
            ):  # fmt: skip
                session.ensure_table(table, columns)

    def put(self, key="ACC-HEADLINE", name="Northwind Robotics", *, as_of=AS_OF, risks=(("MUDA_SHELFWARE", "high"),), tickets=0, band="yellow", **changes):
        values = HEADLINE_ACCOUNT | {"days_to_renewal": 240 - (as_of - AS_OF).days} | changes
        with self.warehouse.session() as session:
            for row in fact_rows(values, {"core": HEADLINE_CORE | {k: v for k, v in changes.items() if k in HEADLINE_CORE}}, key):
                self._insert(session, "marts.fct_account_facts", row | {"as_of_date": as_of})
            signal = {"account_key": key, "as_of_date": as_of, "account_name": name, "currency": "USD", "lean_risk": 64.0, "risk_band": band}
            signal |= {column: values[column] for column in ("arr_amount", "unused_value_annual", "waste_annual", "days_to_renewal")}
            self._insert(session, "marts.fct_account_signals", signal | {"days_to_opt_out": values["days_to_renewal"] - 60})
            for rule, severity, *status_given in risks:
                status = status_given[0] if status_given else "open"
                row = {"account_key": key, "as_of_date": as_of, "rule_id": rule, "rule_version": 1, "severity": severity, "inputs": "{}", "threshold": "{}"}
                self._insert(session, "marts.fct_risks", row | {"summary": f"{rule} found", "risk_status": status})
            for number in range(tickets):
                row = {"account_key": key, "ticket_key": f"{key}-{number:03d}", "priority": "P3", "status": "open"}
                self._insert(session, "base.stg_support__tickets", row | {"opened_at": NOW - timedelta(hours=number)})

    @staticmethod
    def _insert(session, table, row):
        names = ", ".join(row)
        values = [float(value) if isinstance(value, Decimal) else value for value in row.values()]
        session.execute(f"insert into {table} ({names}) values ({', '.join('?' for _ in row)})", values)


@pytest.fixture(scope="session")
def marts_class():
    """For tests that copy a warehouse made once."""
    return Marts


@pytest.fixture
def marts(tmp_path):
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    return Marts(DuckDBWarehouse(tmp_path / "warehouse.duckdb"))


@pytest.fixture
def quick_retries(monkeypatch):
    """Waiting between two attempts is not what is tested; what would have been waited for is in the list."""
    import asyncio

    from vim_pipelines.reasoning.providers import calls

    waited = []

    async def no_wait(seconds):
        waited.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(calls, "wait", no_wait)
    return waited
