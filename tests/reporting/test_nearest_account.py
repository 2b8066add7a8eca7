"""A mistyped account is answered with the one that was meant."""

from __future__ import annotations

import pytest

from vim_pipelines.reporting.account import nearest_account

ACCOUNTS = [{"account_key": "ACC-HEADLINE", "account_name": "Northwind Robotics"}, {"account_key": "ACC-00163", "account_name": "Timber Packaging"}]


@pytest.mark.parametrize("asked", ["ACC-HEADLIN", "acc-headline", "Northwind Robotics", "northwind"])
def test_a_key_or_name_that_is_near_is_named(asked):
    assert nearest_account(asked, ACCOUNTS) == "ACC-HEADLINE (Northwind Robotics)"


@pytest.mark.parametrize("asked", ["", "xyz", "no", "ACC-99999"])
def test_nothing_is_guessed_where_nothing_is_near(asked):
    assert nearest_account(asked, ACCOUNTS) == ""
