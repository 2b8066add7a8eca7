"""Whether this process may write to the CRM at all, asked before anything is claimed, read or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
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
