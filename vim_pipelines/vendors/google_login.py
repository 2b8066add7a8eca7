"""How a Google service account logs in: its key file, and the signed claim that it turns into an access token.

Follows 'Using OAuth 2.0 for server to server applications' (developers.google.com/identity/protocols/oauth2/service-account). With domain-wide
delegation the claim also names a `sub`: the person on whose behalf the account acts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.client import AccessToken, json_or_none
from vim_pipelines.vendors.http import Safety, VendorError, VendorHttp

TOKEN_URL = "https://oauth2.googleapis.com/token"
#: Google takes assertions of at most an hour.
ASSERTION_SECONDS = 3600


@dataclass(frozen=True)
class ServiceAccountKey:
    """A service account's key file, as far as it is needed. The private key is never shown."""

    client_email: str
    private_key: str = field(repr=False)
    private_key_id: str = ""
    token_uri: str = TOKEN_URL


@dataclass(frozen=True)
class ServiceAccountLogin:
    """One service account at one API. `setting` names the key file's setting; `subject` the person that it acts as, None: itself."""

    key: ServiceAccountKey
    scope: str
    setting: str
    token_url: str
    now: Callable[[], datetime] = field(repr=False)
    subject: str | None = None

    def fetch(self, http: VendorHttp) -> AccessToken:
        """A new access token; VIM-E011 if Google refuses the key, or the delegation."""
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion(http)}
        response = http.send("POST", self.token_url, safety=Safety.READ, data=form)
        body = json_or_none(response)
        if response.status_code != 200 or not isinstance(body, dict) or "access_token" not in body:
            code = str(body.get("error", "")) if isinstance(body, dict) else ""
            said = f"{code}: {body.get('error_description', '')}" if isinstance(body, dict) else f"HTTP {response.status_code}"
            fix = f"Check that the key in {self.setting} was not deleted in the Google Cloud console, and this machine's clock"
            if self.subject is not None:
                fix += f"; and that the Workspace admin delegated {self.scope} to it, and that {self.subject} exists"
            raise VendorError(
                "VIM-E011",
                f"Google refused the key of the service account {self.key.client_email}",
                why=http.scrub(said),
                fix=fix,
                status=response.status_code,
                vendor_code=code,
            )
        http.hide(str(body["access_token"]))
        lifetime = body.get("expires_in")
        return AccessToken(str(body["access_token"]), float(lifetime) if lifetime is not None else None)

    def _assertion(self, http: VendorHttp) -> str:
        """The signed claim that we are this service account, good for one hour."""
        import jwt

        now = int(self.now().timestamp())
        claims = {"iss": self.key.client_email, "scope": self.scope, "aud": self.token_url, "iat": now, "exp": now + ASSERTION_SECONDS}
        if self.subject is not None:
            claims["sub"] = self.subject
        try:
            text = jwt.encode(claims, self.key.private_key, algorithm="RS256", headers={"kid": self.key.private_key_id} if self.key.private_key_id else None)
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            # Only the kind of error is named: its text may quote the key.
            raise wrong_key_file(self.setting, f"its private key cannot be used ({type(error).__name__})") from None
        http.hide(text)
        return text


def hosts_of_login(base_url: str, api_url: str, allowed_hosts: Sequence[str]) -> list[str]:
    """A key file is made by Google, but it is a file: where it sends us must be on the list like any other address."""
    return [*allowed_hosts, *([urlsplit(TOKEN_URL).netloc] if urlsplit(base_url).netloc == urlsplit(api_url).netloc else [])]


def read_key_file(path: Path, setting: str) -> ServiceAccountKey:
    """The key in a service account's JSON file; VIM-E002, without anything of its content, if it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise wrong_key_file(setting, error.strerror or "it cannot be opened") from None
    except ValueError:
        raise wrong_key_file(setting, "it is not JSON") from None
    if not isinstance(content, dict) or content.get("type") != "service_account":
        raise wrong_key_file(setting, "it is not the key of a service account (type is not 'service_account')")
    missing = [name for name in ("client_email", "private_key") if not isinstance(content.get(name), str) or not content[name]]
    if missing:
        raise wrong_key_file(setting, f"it has no {' and no '.join(missing)}")
    return ServiceAccountKey(
        content["client_email"], content["private_key"], str(content.get("private_key_id") or ""), str(content.get("token_uri") or TOKEN_URL)
    )


def wrong_key_file(setting: str, reason: str) -> VimError:
    """VIM-E002 about the file that `setting` names."""
    return VimError(
        "VIM-E002",
        f"The file that {setting} names is of no use",
        why=reason[0].upper() + reason[1:],
        fix="Download the JSON key of the service account again from the Google Cloud console and set its path",
    )
