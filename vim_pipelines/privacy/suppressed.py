"""The list of erased persons as the store holds it, under the installation's key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from vim_pipelines.approvals.secrets import installation_secret
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.suppression import Entry, Suppression, check_of, key_of
from vim_pipelines.store.models import Erasure, SuppressionEntry

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

SECRET_FILE = "privacy_secret"


def suppression_key(settings: Settings) -> bytes:
    """The key of the list: from VIMOTION_PRIVACY_SECRET, else from the file `privacy_secret` of the home folder, made on first use."""
    path = settings.home / SECRET_FILE
    return key_of(installation_secret(settings.privacy_secret, "VIMOTION_PRIVACY_SECRET", path, danger="Whoever has it can try out who was erased"))


def read_suppression(store: Store, settings: Settings) -> Suppression | None:
    """Who must not come back; None where nobody was ever erased.

    VIM-E190 if the list was made with another key: it would match nobody, and the night would bring them all back.
    """
    with store.reading() as session:
        checks = set(session.scalars(select(Erasure.key_check)))
        rows = session.execute(select(SuppressionEntry.kind, SuppressionEntry.digest, SuppressionEntry.size)).all()
    if not checks:
        return None
    key = suppression_key(settings)
    if checks != {check_of(key)}:
        raise VimError(
            "VIM-E190",
            "The key of the list of erased persons is not the one that the list was made with",
            why="With another key nobody on it would be recognised, and this run would bring them back",
            fix=f"Set VIMOTION_PRIVACY_SECRET to what it was, or restore the file {SECRET_FILE} of the home folder",
        )
    return Suppression(key, [Entry(kind, digest, size) for kind, digest, size in rows])
