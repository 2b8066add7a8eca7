"""The fixtures of `dbt_portfolio`, under the name that pytest looks for."""

from dbt_portfolio import parsed_home, portfolio

__all__ = ["parsed_home", "portfolio"]
