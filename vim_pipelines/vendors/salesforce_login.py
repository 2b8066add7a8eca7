"""The two ways to log in to Salesforce that are left: client credentials, and a signed assertion (JWT bearer) without any shared secret.

SOAP login and the user-name-and-password flow are being retired (2026 and 2027); they are not offered. Contract: Salesforce Help, 'OAuth 2.0
Client Credentials Flow' and 'OAuth 2.0 JWT Bearer Flow'.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from vim_pipelines.core.errors import VimError

#: Salesforce refuses an assertion that lives for more than some minutes.
ASSERTION_LIFETIME = timedelta(minutes=3)
PRODUCTION_AUDIENCE = "https://login.salesforce.com"


class Login(Protocol):
    """How a client asks for its token."""

    @property
    def name(self) -> str:
        """What is presented, as a refusal names it."""

    @property
    def settings(self) -> str:
        """The settings that a refusal sends a person to."""

    @property
    def secret(self) -> str:
        """What must never be quoted; empty if there is nothing of the kind in memory."""

    def form(self, now: datetime) -> dict[str, str]:
        """The body of the token request, made at `now` (aware)."""


@dataclass(frozen=True, repr=False)
class ClientCredentials:
    """The client-credentials flow of an External Client App; it acts as the app's run-as user."""

    client_id: str
    client_secret: str
    name = "client credentials"
    settings = "SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET"

    @property
    def secret(self) -> str:
        """The consumer secret."""
        return self.client_secret

    def form(self, now: datetime) -> dict[str, str]:
        """The three fields of RFC 6749."""
        return {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}


@dataclass(frozen=True, repr=False)
class JwtBearer:
    """The JWT bearer flow: an assertion signed with the private key (PEM) whose certificate the app holds. It acts as `username`.

    `audience` is the login host: that of production, or https://test.salesforce.com for an org's sandbox.
    """

    client_id: str
    username: str
    key_file: Path
    audience: str = PRODUCTION_AUDIENCE
    name = "signed assertion"
    settings = (
        "SALESFORCE_CLIENT_ID, SALESFORCE_USERNAME, SALESFORCE_PRIVATE_KEY_PATH and SALESFORCE_LOGIN_URL, that the app holds the certificate of this key,"
    )
    secret = ""

    def form(self, now: datetime) -> dict[str, str]:
        """Grant type and assertion. VIM-E002 if the key file cannot be read or is no RSA key; its content is never in the text."""
        import jwt

        claims = {"iss": self.client_id, "sub": self.username, "aud": self.audience, "exp": int((now.astimezone(UTC) + ASSERTION_LIFETIME).timestamp())}
        try:
            assertion = jwt.encode(claims, self.key_file.read_bytes(), algorithm="RS256")
        except (OSError, ValueError, TypeError, jwt.InvalidKeyError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "It is not an RSA private key in PEM form without a passphrase"
            raise VimError("VIM-E002", f"The key file {self.key_file} cannot be used", why=reason, fix="Correct SALESFORCE_PRIVATE_KEY_PATH") from None
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
