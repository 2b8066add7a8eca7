"""What each CRM must have before the first write, compared with what it has, and made where it is missing.

`vimotion doctor` says what is missing; `vimotion doctor --fix` makes it. Making is all it does: what is there, even with another type, is
reported and left alone, for somebody chose it. The same definitions lie ready under `deploy/crm` for those who may not be given such rights.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vim_pipelines.writeback.provision.base import Need, Provisioner

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions

__all__ = ["Need", "Provisioner", "open_provisioner", "provisioner_of"]


def provisioner_of(kind: str, client: Any) -> Provisioner:
    """The provisioner of a CRM over a client that is open already, and that stays the caller's to close."""
    made: Provisioner = import_module(f"{__name__}.{kind}").of(client)
    return made


def open_provisioner(kind: str, settings: Settings, *, options: TransportOptions | None = None) -> Provisioner:
    """The provisioner of a CRM that `writeback.targets` knows. Sends nothing yet; VIM-E001 if a setting of the CRM is missing."""
    made: Provisioner = import_module(f"{__name__}.{kind}").make(settings, options)
    return made
