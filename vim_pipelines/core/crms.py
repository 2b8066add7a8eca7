"""The CRMs that a portfolio can be read from. Light, because the command line offers them before anything else is loaded."""

from __future__ import annotations

from typing import Literal, get_args

Crm = Literal["salesforce", "hubspot", "planhat", "google_sheets"]
CRMS: tuple[str, ...] = get_args(Crm)
#: Those that write-back can write to (`writeback.targets.TARGETS`).
WRITABLE_CRMS: tuple[str, ...] = ("salesforce", "hubspot", "planhat")
