"""Signed links in messages: they open one version of one item for one person, and decide nothing.

Mail scanners press links, with GET and some with POST, so a link carries no consent: whoever follows it still needs a session of the
person it was made for. The time is the house's own clock, not the process's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from vim_pipelines.approvals.secrets import inbox_secret
from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

LINK_HOURS = 72
#: Where the inbox answers to a link: this, then the token.
LINK_PATH = "/link/"
#: A token is some 150 characters; what is longer is not looked at.
MAX_TOKEN_LENGTH = 1000


@dataclass(frozen=True)
class Link:
    """What a link opens: `request_id` in `version`, for the person with `login` and nobody else."""

    login: str
    request_id: str
    version: int


def sign_link(settings: Settings, login: str, request_id: str, version: int) -> str:
    """The token of a link, safe in a URL; it is good for 72 hours from `settings.now()`."""
    token = _serializer(settings).dumps([login, request_id, version])
    return token if isinstance(token, str) else token.decode("ascii")


def read_link(settings: Settings, token: str) -> Link:
    """What `token` opens. VIM-E150 if its time is over, VIM-E151 if it is not one of ours or was changed."""
    try:
        if len(token) > MAX_TOKEN_LENGTH:
            raise BadData("too long")
        content = _serializer(settings).loads(token, max_age=LINK_HOURS * 3600)
    except SignatureExpired:
        raise VimError(
            "VIM-E150", "This link is too old", why=f"Links in messages open for {LINK_HOURS} hours", fix="Log in to the inbox and open the item there"
        ) from None
    except BadData:
        raise _not_ours() from None
    if not (isinstance(content, list) and len(content) == 3 and isinstance(content[0], str) and isinstance(content[1], str) and type(content[2]) is int):
        raise _not_ours()
    return Link(content[0], content[1], content[2])


def _not_ours() -> VimError:
    return VimError("VIM-E151", "This link was not made by this inbox, or was changed on the way", fix="Log in to the inbox and open the item there")


class _Signer(TimestampSigner):
    """itsdangerous with the time given from outside."""

    def __init__(self, secret: Any, *, now: int, **options: Any) -> None:
        super().__init__(secret, **options)
        self._now = now

    def get_timestamp(self) -> int:
        return self._now


def _serializer(settings: Settings) -> URLSafeTimedSerializer:
    options = {"now": int(settings.now().replace(tzinfo=UTC).timestamp()), "digest_method": hashlib.sha256, "key_derivation": "hmac"}
    return URLSafeTimedSerializer(inbox_secret(settings), salt="vimotion.message-link.1", signer=_Signer, signer_kwargs=options)
