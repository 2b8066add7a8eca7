"""The portfolio file: every mistake is told, each with its line."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.file import last_data_day, load_portfolio
from vim_pipelines.settings import load_settings, resource_path

SETTINGS = load_settings()
RIGHT = """\
name: small
currency: EUR
data_dir: .
sources:
  crm: {kind: salesforce}
  tables: {kind: csv, path: "${data_dir}"}
entities:
  account:
    source: crm
    object: Account
    fields:
      account_key: Id
      account_name: Name
"""


def load(tmp_path: Path, text: str):
    file = tmp_path / "portfolio.yaml"
    file.write_text(text)
    return load_portfolio(file, SETTINGS)


def refusal(tmp_path: Path, text: str) -> VimError:
    with pytest.raises(VimError) as caught:
        load(tmp_path, text)
    return caught.value


@pytest.mark.parametrize("name", ["sandbox", "ravenstack", "oss_activity", "template"])
def test_the_shipped_files_are_right(name: str):
    portfolio = load_portfolio(resource_path("portfolios") / f"{name}.yaml", SETTINGS)
    assert "account" in portfolio.entities
    assert "/work" not in portfolio.file.read_text() and "/home/" not in portfolio.file.read_text()


def test_without_a_name_the_sandbox_is_meant():
    assert load_portfolio(None, SETTINGS).name == "sandbox"


def test_a_file_that_is_not_there_is_one_message():
    with pytest.raises(VimError, match="VIM-E003 .*nowhere.yaml cannot be read"):
        load_portfolio(Path("nowhere.yaml"), SETTINGS)


@pytest.mark.parametrize(("text", "line"), [("name: [a\ncurrency: EUR\n", 2), ("a: b: c\n", 1)])
def test_text_that_is_not_yaml_is_told_with_its_line(tmp_path: Path, text: str, line: int):
    error = refusal(tmp_path, text)
    assert error.code == "VIM-E003" and f"Line {line}" in str(error)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path):
    """YAML takes the last one silently: half a mapping was lost to a pasted block."""
    error = refusal(tmp_path, RIGHT + "      account_key: Name\n")
    assert error.code == "VIM-E004" and "line 14: 'account_key' stands twice, first on line 12" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("currency: EUR", "currency: euro", "line 2: currency"),
        ("currency: EUR", "curency: EUR", "line 2: 'curency' is not a key here; did you mean 'currency'?"),
        ("    source: crm", "    source: crn", "line 9: there is no source 'crn'; did you mean 'crm'?"),
        ("  account:\n", "  acount:\n", "line 8: there is no entity 'acount'; did you mean 'account'?"),
        ("      account_name: Name\n", "      acount_name: Name\n", "line 13: account has no column 'acount_name'; did you mean 'account_name'?"),
        ("      account_name: Name\n", "", "line 11: account needs 'account_name' to be mapped"),
        ("    object: Account\n", "    path: a.csv\n", "line 10: 'crm' is a salesforce source: say object, not path"),
        ("    object: Account\n", "", "line 8: account comes from salesforce: name its object"),
        ("    source: crm\n    object: Account", "    source: tables\n    path: a.csv", "line 8: account comes from a file: name the column"),
        ("${data_dir}", "${SALESFORCE_CLIENT_SECRET}", "line 6: ${SALESFORCE_CLIENT_SECRET} is not known here"),
        ("account_key: Id", "account_key: {field: Id, constant: 3}", "line 12: entities.account.fields.account_key: say exactly one of"),
        ("account_key: Id", "account_key: {feld: Id}", "line 12: 'feld' is not a key here; did you mean 'field'?"),
        (
            "account_key: Id",
            "account_key: Id\n      customer_since: {field: Since, format: dmy}",
            "line 13: account.customer_since: 'dmy' is not a date pattern",
        ),
        ("account_key: Id", "account_key: Id\n      tier: {field: Tier, lookup: {entity: account, take: tier}}", "lookup can only be used for usage events"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, expected: str):
    assert old in RIGHT
    error = refusal(tmp_path, RIGHT.replace(old, new))
    assert error.code == "VIM-E004" and expected in str(error)


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    """Being told one mistake at a time costs a night each."""
    text = RIGHT.replace("account_name: Name", "acount_name: Name").replace("${data_dir}", "${home}")
    text += "  ticket:\n    source: crm\n    object: Case\n    fields:\n      ticket_key: Id\n      account_key: AccountId\n      opened_at: CreatedDate\n      priority: {field: P, map: {a: P9}}\n"
    said = str(refusal(tmp_path, text))
    assert "has 4 mistakes" in said
    assert all(part in said for part in ("line 6:", "line 11:", "line 13:", "line 21: ticket.priority: P9 not among P1, P2, P3, P4"))


def test_yaml_words_for_truth_are_compared_as_words(tmp_path: Path):
    """`no: x` is a boolean to YAML and the text 'No' in a CSV file."""
    text = RIGHT.replace("account_key: Id", "account_key: Id\n      tier: {field: Big, map: {yes: tier_1, no: tier_3}}") + "    where: {Active: true}\n"
    account = load(tmp_path, text).entities["account"]
    assert account.fields["tier"].map == {"true": "tier_1", "false": "tier_3"} and account.where["Active"].any_of == ("true",)


def test_the_folder_of_the_data_can_be_given(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").write_text("x\n1\n")
    file = tmp_path / "portfolio.yaml"
    file.write_text(RIGHT)
    assert load_portfolio(file, SETTINGS, data_dir=tmp_path / "elsewhere").files("tables", "*.csv") == [tmp_path / "elsewhere" / "a.csv"]
    with pytest.raises(VimError, match=r"VIM-E018 No file matches .*a.csv.*line 6"):
        load_portfolio(file, SETTINGS).files("tables", "a.csv")


def test_the_default_day_is_yesterday_or_the_last_day_of_the_data(desk):
    yesterday = desk.settings.now().date() - timedelta(days=1)
    assert last_data_day(load_portfolio(desk.file, desk.settings), desk.settings) in (yesterday, yesterday + timedelta(days=1))  # midnight may pass
    desk.file.write_text(desk.file.read_text().replace("currency: USD\n", "currency: USD\nas_of: last_event\n", 1))
    assert last_data_day(load_portfolio(desk.file, desk.settings), desk.settings) == date(2026, 6, 29)


def test_a_portfolio_without_usage_cannot_say_its_last_day(tmp_path: Path):
    portfolio = load(tmp_path, RIGHT.replace("currency: EUR", "currency: EUR\nas_of: last_event"))
    with pytest.raises(VimError, match="VIM-E024"):
        last_data_day(portfolio, SETTINGS)
