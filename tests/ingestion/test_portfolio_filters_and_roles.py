"""Filters mean the same in Python and in SQL; roles are said once and lose nobody; rates are never guessed."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vim_pipelines.ingestion.filters import passing, unreadable_day, where_sql
from vim_pipelines.ingestion.mapping import mapped_records, mapping_fingerprint
from vim_pipelines.portfolio.file import load_portfolio, read_portfolio
from vim_pipelines.portfolio.model import Condition, FieldRule
from vim_pipelines.settings import load_settings

SETTINGS = load_settings()
CONNECTION = duckdb.connect()


def condition(value: Any) -> Condition:
    return Condition.model_validate(value)


@pytest.mark.parametrize(
    ("said", "value", "passes"),
    [
        ("Customer", " customer ", True),
        (True, "TRUE", True),
        (3, 3, True),
        (["a", "b"], "B", True),
        (["a", "b"], "c", False),
        ({"not": "test"}, "Test", False),
        ({"not": ["test", "demo"]}, None, True),
        ({"empty": True}, "  ", True),
        ({"empty": False}, None, False),
        ({"from": date(2026, 1, 1)}, "2026-01-01", True),
        ({"from": date(2026, 1, 1)}, "2025-12-31T23:30:00-01:00", True),
        ({"from": date(2026, 1, 1), "to": date(2026, 1, 31)}, datetime(2026, 2, 1), False),
        ({"to": "2026-01-31"}, "2026-01-31T23:59:59Z", True),
        ({"to": "2026-01-31"}, "", False),
        ({"to": "2026-01-31"}, "31/01/2026", False),
        ({"in": ["x"], "not": "y", "empty": False}, "x", True),
    ],
)
def test_a_filter_means_what_it_says(said: Any, value: Any, passes: bool):
    assert passing({"f": condition(said)})({"f": value}) is passes


def test_a_date_that_no_one_can_read_is_countable():
    """28/06/2026 in a range left the whole table out, and nobody was told."""
    within = condition({"from": "2026-01-01"})
    assert unreadable_day(within, "28/06/2026")
    assert not unreadable_day(within, "2026-06-28") and not unreadable_day(within, "") and not unreadable_day(condition("x"), "y")


WORDS = st.sampled_from(["", " ", "a", "A ", "b", "c'd", 'e"f', "2026-01-15", "2026-01-31T23:30:00-02:00", "2025-12-31T22:00:00-05:00", "15/01/2026", "true"])
CONDITIONS = st.one_of(
    WORDS,
    st.lists(WORDS, min_size=1, max_size=3),
    st.fixed_dictionaries({"not": st.lists(WORDS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"empty": st.booleans()}),
    st.sampled_from([{"from": "2026-01-01"}, {"to": "2026-01-31"}, {"from": "2026-01-01", "to": "2026-01-31", "not": "a"}]),
)


@settings(deadline=None, max_examples=80)
@given(said=CONDITIONS, values=st.lists(st.one_of(WORDS, st.none()), min_size=1, max_size=8))
def test_python_and_sql_filter_alike(said: Any, values: list[str | None]):
    where = {'odd "name"': condition(said)}
    with CONNECTION.cursor() as cursor:
        cursor.execute("set TimeZone = 'UTC'")
        cursor.execute('create or replace temp table source (n integer, "odd ""name""" varchar)')
        cursor.executemany("insert into source values (?, ?)", list(enumerate(values)))
        kept = {row[0] for row in cursor.execute(f"select n from source{where_sql(where, 'source.')}").fetchall()}
    assert kept == {n for n, value in enumerate(values) if passing(where)({'odd "name"': value})}


def test_a_file_is_filtered_before_it_is_loaded(desk):
    text = desk.file.read_text().replace(
        "    path: contracts.csv\n", "    path: contracts.csv\n    where: {state: [live, dying], starts: {not: 15/03/2026}, changed: {from: 2026-01-01}}\n"
    )
    desk.file.write_text(text)
    desk.ingest()
    assert [row["contract_line_key"] for row in desk.rows("select contract_line_key from raw.contract_lines")] == ["C1"]


def test_telemetry_is_filtered_the_same_way(desk):
    desk.file.write_text(
        desk.file.read_text().replace('    path: "*.csv"\n', '    path: "*.csv"\n    where: {user: {empty: false, not: U9}, happened: {to: 2026-06-28}}\n')
    )
    desk.ingest()
    assert [row["event_id"] for row in desk.rows("select event_id from raw.usage_events order by all")] == ["E1", "E2"]


# --- roles -------------------------------------------------------------------------------------------------------------

ROLES = """\
name: small
currency: EUR
data_dir: .
sources:
  crm: {kind: salesforce}
entities:
  account:
    source: crm
    object: Account
    fields:
      account_key: Id
      account_name: Name
      owner_email: Owner_Email
  contact:
    source: crm
    object: Contact
    fields:
      contact_key: Id
      account_key: AccountId
      role: Role
roles:
  contacts:
    champion: [Power User, Evangelist]
    economic_buyer: Decision Maker
  people:
    Ana@vendor.example: {role: csm, name: Ana Ruiz, reports_to: dora@vendor.example}
    ben@vendor.example: csm
    dora@vendor.example: {role: director, name: Dora Lind}
"""


def load(tmp_path: Path, text: str):
    file = tmp_path / "portfolio.yaml"
    file.write_text(text)
    return load_portfolio(file, SETTINGS)


def problems(tmp_path: Path, text: str) -> list[tuple[int, str]]:
    file = tmp_path / "portfolio.yaml"
    file.write_text(text)
    return read_portfolio(file, SETTINGS)[1]


def test_role_words_become_roles_and_nobody_is_lost(tmp_path: Path):
    contact = load(tmp_path, ROLES).entities["contact"]
    words = ["power user", "EVANGELIST", "Decision Maker", "sponsor", "Janitor", None, ""]
    found = [row["role"] for row in mapped_records(contact, [{"Id": str(n), "AccountId": "A", "Role": word} for n, word in enumerate(words)])]
    assert found == ["champion", "champion", "economic_buyer", "sponsor", "other", None, None]


def test_the_team_is_found_through_the_owner(tmp_path: Path):
    account = load(tmp_path, ROLES).entities["account"]
    records = [{"Id": mail, "Name": "x", "Owner_Email": mail} for mail in ("ana@VENDOR.example", "ben@vendor.example", "seller@vendor.example")]
    found = [(row["csm_email"], row["csm_name"], row["director_email"]) for row in mapped_records(account, records)]
    assert found == [("Ana@vendor.example", "Ana Ruiz", "dora@vendor.example"), ("ben@vendor.example", None, None), (None, None, None)]


def test_a_field_that_is_mapped_is_not_overruled(tmp_path: Path):
    account = load(tmp_path, ROLES.replace("      owner_email: Owner_Email\n", "      csm_email: CSM\n      director_email: Boss\n")).entities["account"]
    (row,) = mapped_records(account, [{"Id": "1", "Name": "x", "CSM": "Ana@vendor.example", "Boss": "someone@vendor.example"}])
    assert (row["csm_email"], row["csm_name"], row["director_email"]) == ("Ana@vendor.example", "Ana Ruiz", "someone@vendor.example")


def test_a_changed_role_word_reads_old_rows_again(tmp_path: Path):
    before = mapping_fingerprint(load(tmp_path, ROLES).entities["contact"])
    assert mapping_fingerprint(load(tmp_path, ROLES.replace("Evangelist", "Janitor")).entities["contact"]) != before


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("economic_buyer: Decision Maker", "economic_buyer: Power User", 24, "the word 'power user' stands for champion and for economic_buyer"),
        ("    champion: [Power", "    champio: [Power", 23, "champio"),
        ("      role: Role\n", "", 21, "no field is mapped to contact.role"),
        ("      role: Role\n", "      role: {field: Role, map: {a: user}}\n", 20, "the words stand under roles.contacts"),
        ("reports_to: dora@vendor", "reports_to: dore@vendor", 26, "'dore@vendor.example' is no director of this file; did you mean 'dora@vendor.example'?"),
        ("      owner_email: Owner_Email\n", "", 24, "people are listed, and no field is mapped to account.csm_email or account.owner_email"),
        ("ben@vendor.example: csm", "ben@vendor.example: boss", 27, "roles.people.ben@vendor.example.role"),
        ("ben@vendor.example: csm", "ben@vendor.example: {role: csm, nam: Ben}", 27, "'nam' is not a key here; did you mean 'name'?"),
    ],
)
def test_a_mistake_in_the_roles_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, text: str):
    assert old in ROLES
    (found,) = problems(tmp_path, ROLES.replace(old, new))
    assert found[0] == line and text in found[1]


# --- rates -------------------------------------------------------------------------------------------------------------


def test_a_rate_quoted_the_other_way_round_is_turned():
    """ECB files say 1 EUR = 1.25 USD; taken as they are, every dollar amount of a EUR portfolio was too large by half."""
    rule = {"field": "per_euro", "reciprocal": True}
    from vim_pipelines.portfolio.model import EntityMap

    mapping = EntityMap(source="s", fields={"rate": FieldRule(**rule)})  # type: ignore[arg-type]
    found = [row["rate"] for row in mapped_records(mapping, [{"per_euro": "1.25"}, {"per_euro": "0"}, {"per_euro": None}, {"per_euro": "n/a"}])]
    assert found[:3] == [Decimal("0.8"), None, None] and "n/a" in str(found[3])


def test_a_table_of_rates_is_loaded_with_eight_places_and_nothing_is_invented(desk):
    """A yen in a dollar portfolio is 0.0067: four places were off by a percent. CHF has no rate, and none is made up."""
    desk.write("rates.csv", "currency,day,per_dollar\nEUR,2026-06-01,0.8\nJPY,2026-06-01,149.25\nGBP,2026-06-01,\n")
    fx = "  fx_rate:\n    source: tables\n    path: rates.csv\n    history: snapshot\n    fields: {fx_rate_key: {hash: [currency, day]}, currency: currency, rate_date: day, rate: {field: per_dollar, reciprocal: true}}\n"
    desk.file.write_text(desk.file.read_text() + fx)
    report = desk.ingest()
    assert {row["currency"]: row["rate"] for row in desk.rows("select currency, rate from raw.fx_rates")} == {
        "EUR": Decimal("1.25"),
        "JPY": Decimal("0.00670017"),
    }
    assert report.reasons["missing_required"] >= 1, "a currency whose rate is empty is set aside, not taken as 1"
