"""Exchange rates from a user's own file to the marts: a currency without a rate stays unknown all the way up."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

PORTFOLIO = """\
name: rates
currency: USD
data_dir: .
sources:
  tables: {kind: csv, path: "${data_dir}"}
entities:
  account:
    source: tables
    path: accounts.csv
    history: snapshot
    fields: {account_key: id, account_name: id}
  contract_line:
    source: tables
    path: contracts.csv
    history: snapshot
    fields: {contract_line_key: id, account_key: id, product: product, seats: seats, net_unit_price_annual: price, currency: currency, start_date: start, end_date: end, status: {constant: active}}
  fx_rate:
    source: tables
    path: rates.csv
    history: snapshot
    fields: {fx_rate_key: {hash: [currency, day]}, currency: currency, rate_date: day, rate: {field: per_dollar, reciprocal: true}}
"""


@pytest.mark.slow
def test_an_amount_without_a_rate_is_unknown_in_every_mart(tmp_path: Path, make_home):
    """The smaller versions: ingestion/test_portfolio_filters_and_roles.py (file to raw) and dbt/test_money_by_hand.py (raw to marts)."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "portfolio.yaml").write_text(PORTFOLIO)
    (folder / "accounts.csv").write_text("id\nEURO\nFRANC\nDOLLAR\n")
    (folder / "contracts.csv").write_text(
        "id,product,seats,price,currency,start,end\n"
        + "".join(f"{name},core,10,100,{code},2026-01-01,2026-12-31\n" for name, code in (("EURO", "EUR"), ("FRANC", "CHF"), ("DOLLAR", "USD")))
    )
    (folder / "rates.csv").write_text("currency,day,per_dollar\nEUR,2026-06-01,0.8\nEUR,2026-07-01,0.5\n")
    home = make_home(tmp_path / "home")
    home.audit("--portfolio", str(folder / "portfolio.yaml"), "--as-of", "2026-06-28")
    rates = dict(home.rows("select contract_line_key, fx_rate from marts.fct_license_waste"))
    assert rates == {"EURO": Decimal("1.25"), "FRANC": None, "DOLLAR": Decimal(1)}, "the rate of the as-of date, not a later one; none is none"
    values = dict(home.rows("select contract_line_key, line_value_annual_portfolio from marts.fct_renewals"))
    assert values == {"EURO": Decimal(1250), "FRANC": None, "DOLLAR": Decimal(1000)}
    [(status, amount)] = home.rows("select status, waste_annual_portfolio from marts.fct_license_waste where contract_line_key = 'FRANC'")
    assert (status, amount) == ("unknown", None)
    told = home.run("portfolio", "check", str(folder / "portfolio.yaml")).stdout
    assert "currency without a rate to USD: 'CHF'; fx_rate has no rate for it" in told
