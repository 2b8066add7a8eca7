"""Login at the emulated org: client credentials and the JWT bearer flow.

Follows Salesforce Help, 'OAuth 2.0 Client Credentials Flow' and 'OAuth 2.0 JWT Bearer Flow': RS256, `iss` the consumer key, `sub` the
user name, `aud` the login host, `exp` at most some minutes ahead; `invalid_grant` with 'invalid assertion', 'audience is invalid' or
"user hasn't approved this consumer". The clock of an assertion is the real one: the sandbox's stands still.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

GRANT_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")


@dataclass(frozen=True)
class App:
    """The External Client App. `public_key` (PEM) and `username` are those of the JWT flow; empty where it is not set up."""

    client_id: str
    client_secret: str
    public_key: str = ""
    username: str = ""

    def refusal(self, form: Mapping[str, str], own_address: str) -> dict[str, str] | None:
        """None if the token request is in order, else the body of HTTP 400."""
        if form.get("grant_type") == GRANT_JWT:
            return self._assertion_refusal(form.get("assertion", ""), own_address)
        if form.get("grant_type") != "client_credentials":
            return {"error": "unsupported_grant_type", "error_description": "grant type not supported"}
        if form.get("client_id") != self.client_id:
            return {"error": "invalid_client_id", "error_description": "client identifier invalid"}
        if not secrets.compare_digest(form.get("client_secret", "").encode(), self.client_secret.encode()):
            return {"error": "invalid_client", "error_description": "invalid client credentials"}
        return None

    def _assertion_refusal(self, assertion: str, own_address: str) -> dict[str, str] | None:
        import jwt

        def invalid(why: str) -> dict[str, str]:
            return {"error": "invalid_grant", "error_description": why}

        if not self.public_key:
            return invalid("invalid assertion")
        try:
            claims = jwt.decode(
                assertion, self.public_key, algorithms=["RS256"], audience=[*LOGIN_HOSTS, own_address], options={"require": ["iss", "sub", "exp"]}
            )
        except jwt.InvalidAudienceError:
            return invalid("audience is invalid")
        except jwt.InvalidTokenError:
            return invalid("invalid assertion")
        if claims["iss"] != self.client_id:
            return {"error": "invalid_client_id", "error_description": "client identifier invalid"}
        if claims["sub"] != self.username:
            return invalid("user hasn't approved this consumer")
        return None
