"""The installation's one signing secret: sessions and forms of the inbox and the links in mails rest on it.

Two secrets would be two things to rotate. It comes from the environment where people run several hosts, else from a file of this
installation that only its own user may read, made on first use.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from vim_pipelines.settings import Settings

SECRET_FILE = "inbox_secret"
#: Characters: 32 of hex would be 128 bits, the least that a key of HMAC-SHA256 should hold.
MIN_LENGTH = 32


def inbox_secret(settings: Settings) -> bytes:
    """The secret: VIMOTION_INBOX_SECRET, else the file `inbox_secret` of the home folder (made with 256 random bits if it is not there).

    VIM-E002 if it is too short to resist guessing, or if other users of this machine may read the file.
    """
    return installation_secret(
        settings.inbox_secret, "VIMOTION_INBOX_SECRET", settings.home / SECRET_FILE,
        danger="Whoever has it can sign in as anybody", way_out="or delete it (all sessions and links end), ",
    )  # fmt: skip


def installation_secret(value: SecretStr | None, variable: str, path: Path, *, danger: str, way_out: str = "") -> bytes:
    """`value` where it is set, else the content of `path`, made on first use. VIM-E002 if it is too short or others may read the file."""
    if value is not None:
        return _checked(value.get_secret_value(), variable)
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise VimError("VIM-E002", f"Other users of this machine may read {path}", why=danger, fix=f"chmod 600 {path}, {way_out}or set {variable}")
    return _checked(path.read_text(encoding="ascii", errors="replace").strip(), str(path))


def _checked(text: str, where: str) -> bytes:
    if len(text) < MIN_LENGTH:
        raise VimError(
            "VIM-E002", f"The secret in {where} is shorter than {MIN_LENGTH} characters", fix="Use: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return text.encode("utf-8")


def _make(path: Path) -> None:
    """Written whole under another name, then linked: of two processes that start at once both read the one that came first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
