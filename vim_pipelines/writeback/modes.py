"""Whether this process may write to the CRM at all: by its settings, asked before anything is claimed, and by the switch that a person may turn
at any moment, asked before every single send.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback
from vim_pipelines.store.switches import WRITE_BACK, read_switch

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.writeback.targets.base import CrmTarget


def may_write(settings: Settings, crm: CrmTarget) -> None:
    """VIM-E050 if the mode is off, VIM-E052 if the sandbox would write to an address that is not loopback."""
    if settings.write_mode == "off":
        raise VimError("VIM-E050", "Writing to the CRM is off", fix="Set VIMOTION_WRITE_MODE to dry_run to see the difference, to live to write")
    host = urlsplit(crm.address).hostname or ""
    if settings.write_mode == "live" and settings.is_sandbox and not is_loopback(host):
        raise VimError(
            "VIM-E052", f"The sandbox does not write to {host or 'an unnamed host'}", why="Its accounts are invented; a real CRM must not get them",
            fix=f"Point the address of {crm.name} to the emulator, or set VIMOTION_PORTFOLIO to your own portfolio file",
        )  # fmt: skip


def stop_if_switched_off(store: Store) -> None:
    """VIM-E113 if a person switched write-back off (`vimotion write-back off`). One short query; a send takes a hundred times as long."""
    state = read_switch(store, WRITE_BACK)
    if not state.is_on:
        raise VimError(
            "VIM-E113",
            f"Write-back is switched off by {state.actor}",
            why=state.note or "",
            fix="Nothing approved is lost; when the reason is gone: vimotion write-back on --note ...",
        )
