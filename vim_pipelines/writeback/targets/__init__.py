"""The CRMs that can be written to, and which of them this installation writes to.

Approved texts and mirror fields go to where the accounts come from: there the account keys mean something. Only a portfolio
whose accounts come from files must say it (`VIMOTION_WRITE_TARGET`), and then its account keys must be that CRM's own ids.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    from vim_pipelines.portfolio.model import Portfolio
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions
    from vim_pipelines.writeback.targets.base import CrmTarget

_HERE = "vim_pipelines.writeback.targets"
#: CRM -> the module that makes its target: `make(settings, key_field, options) -> CrmTarget`. `key_field` is the CRM's name of the field that the
#: portfolio maps to `account_key`; None: the CRM's own id.
TARGETS: dict[str, str] = {"salesforce": f"{_HERE}.salesforce", "hubspot": f"{_HERE}.hubspot", "planhat": f"{_HERE}.planhat"}


def target_name(settings: Settings, portfolio: Portfolio | None = None) -> str:
    """The CRM that write-back writes to; VIM-E110 if the portfolio's accounts come from none and no setting names one."""
    if settings.write_target != "auto":
        return _known(settings.write_target)
    kind = _account_kind(portfolio or _portfolio(settings))
    if kind not in TARGETS:
        raise VimError(
            "VIM-E110",
            f"There is no CRM to write to: the portfolio's accounts come from {kind or 'nowhere'}",
            why=f"Write-back knows {', '.join(TARGETS)}",
            fix="Set VIMOTION_WRITE_MODE=off, or name the CRM in VIMOTION_WRITE_TARGET if the account keys are its ids",
        )
    return kind


def open_target(settings: Settings, *, portfolio: Portfolio | None = None, options: TransportOptions | None = None) -> CrmTarget:
    """The target that settings and portfolio name. Sends nothing yet; VIM-E001 if a setting of the CRM is missing, VIM-E110 as `target_name`."""
    portfolio = portfolio or _portfolio(settings)
    name = target_name(settings, portfolio)
    key_field = None
    if _account_kind(portfolio) == name:
        rule = portfolio.entities["account"].fields["account_key"]
        if rule.field is None or rule.map or rule.lower:
            raise VimError(
                "VIM-E110",
                f"An account of {name} cannot be found by its account_key",
                why="The portfolio file makes the key by a rule, so no field of the CRM holds it",
                fix="Map account_key to a field of the CRM that is unique",
            )
        key_field = rule.field
    from vim_pipelines.writeback.deliverables import with_deliverables

    target: CrmTarget = import_module(TARGETS[name]).make(settings, key_field, options)
    try:
        return with_deliverables(settings, target, options)
    except BaseException:
        target.close()
        raise


def _account_kind(portfolio: Portfolio) -> str:
    mapping = portfolio.entities.get("account")
    return portfolio.sources[mapping.source].kind if mapping else ""


def _known(name: str) -> str:
    if name in TARGETS:
        return name
    raise VimError("VIM-E110", f"Write-back does not know {name}", fix=f"Set VIMOTION_WRITE_TARGET to {' or '.join(TARGETS)}")


def _portfolio(settings: Settings) -> Portfolio:
    from vim_pipelines.portfolio.file import load_portfolio

    return load_portfolio(settings.portfolio, settings)
