"""Drafts in one person's Gmail mailbox, by a service account with domain-wide delegation. Nothing here can send a mail.

Contract: shared design, CONNECTORS section 6; developers.google.com/workspace/gmail/api (`users.drafts` create, get, list, delete; 'Usage limits': 15,000
units a minute and user, create and delete 10, get and list 5; 'Resolve errors') and 'Using OAuth 2.0 for server to server applications'.
The scope is `gmail.compose`. It would allow sending, so the client has no method for it and refuses the path.
A draft is found again by a header of ours, read from the drafts themselves: Gmail's search (`q`) is an index, and an index lags.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email import policy as email_policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.client import TokenKeeper, VendorClient, json_or_none, transport_from_settings
from vim_pipelines.vendors.google_login import ServiceAccountKey, ServiceAccountLogin, hosts_of_login, read_key_file
from vim_pipelines.vendors.http import RetryPolicy, Safety, TransportOptions, VendorError, VendorHttp

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

API_URL = "https://gmail.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/gmail.compose"
KEY_SETTING = "GMAIL_KEY_FILE"
#: The header by which one of our drafts is known.
MARK = "X-VIM-Key"
#: 15,000 units a minute are 25 requests of 10 units a second; half of that leaves the person's own mail program room.
PER_SECOND, BURST = 12.0, 20
RETRY = RetryPolicy(attempts=6, base_seconds=1.0, step_limit_seconds=32.0)
PAGE = 100
#: A mailbox with more drafts than this is not searched to its end.
MOST_DRAFTS = 1000
#: Google says 403 with one of these to what is over a limit.
LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "RESOURCE_EXHAUSTED"})


@dataclass(frozen=True)
class GmailDraft:
    """One draft as it lies in the mailbox. `body` is its plain text; `mark` our header, empty where it is somebody else's."""

    draft_id: str
    mark: str
    to: str
    subject: str
    body: str


class GmailClient(VendorClient):
    """One mailbox. Every method raises VendorError as `VendorHttp.send` does, and VIM-E011 (key, delegation or token refused), VIM-E013, VIM-E014 (quota)."""

    def __init__(
        self,
        key: ServiceAccountKey,
        mailbox: str,
        base_url: str = API_URL,
        token_url: str | None = None,
        *,
        allowed_hosts: Sequence[str] = (),
        options: TransportOptions | None = None,
    ) -> None:
        self._options = options or TransportOptions(retry=RETRY)
        hosts = hosts_of_login(base_url, API_URL, allowed_hosts)
        super().__init__(
            VendorHttp("Gmail", base_url, setting="GMAIL_BASE_URL", allowed_hosts=hosts, per_second=PER_SECOND, burst=BURST, options=self._options)
        )
        self.http.hide(key.private_key)
        self.mailbox = mailbox
        login = ServiceAccountLogin(key, SCOPE, KEY_SETTING, token_url or key.token_uri, self._options.now, subject=mailbox)
        self._tokens = TokenKeeper(lambda: login.fetch(self.http), self._options.now)

    def create_draft(self, message: EmailMessage) -> str:
        """Lay `message` into the mailbox as a draft; returns Gmail's id of it. Never repeated: VIM-E015 after a lost answer."""
        raw = base64.urlsafe_b64encode(message.as_bytes(policy=email_policy.SMTP)).decode("ascii")
        body = self._ask("POST", "", safety=Safety.WRITE, json={"message": {"raw": raw}})
        if not isinstance(body.get("id"), str):
            raise VendorError(
                "VIM-E015", "Whether Gmail made the draft is unknown", why="Its answer names no draft", fix="Look into the mailbox before trying again"
            )
        return str(body["id"])

    def draft(self, draft_id: str) -> GmailDraft | None:
        """The draft, or None if it is no draft any more: sent or deleted."""
        body = self._ask("GET", f"/{quote(draft_id, safe='')}", params={"format": "raw"}, absent_is_none=True)
        if not body:
            return None
        raw = str((body.get("message") or {}).get("raw") or "")
        mail = message_from_bytes(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), policy=email_policy.default)
        text = mail.get_body(("plain",))
        return GmailDraft(
            draft_id, str(mail[MARK] or ""), str(mail["To"] or ""), str(mail["Subject"] or ""), str(text.get_content()) if text is not None else ""
        )

    def find(self, mark: str) -> GmailDraft | None:
        """The draft that carries `mark` in its header, or None."""
        for draft_id in self.draft_ids():
            found = self.draft(draft_id)
            if found is not None and found.mark == mark:
                return found
        return None

    def draft_ids(self) -> Iterator[str]:
        """The drafts of the mailbox, page by page; VIM-E013 if they are more than MOST_DRAFTS, for then 'not found' would say nothing."""
        token, count = "", 0
        while True:
            body = self._ask("GET", "", params={"maxResults": PAGE} | ({"pageToken": token} if token else {}))
            for row in body.get("drafts") or ():
                count += 1
                yield str(row["id"])
            following = str(body.get("nextPageToken") or "")
            if not following:
                return
            if following == token or count >= MOST_DRAFTS:
                raise VendorError(
                    "VIM-E014",
                    f"The mailbox {self.mailbox} has more than {MOST_DRAFTS} drafts",
                    why="Ours cannot be told from the others",
                    fix="Delete old drafts",
                )
            token = following

    def delete_draft(self, draft_id: str) -> None:
        """Delete the draft for good; one that is gone is no error."""
        self._ask("DELETE", f"/{quote(draft_id, safe='')}", safety=Safety.IDEMPOTENT_WRITE, absent_is_none=True)

    # ---- inside

    def _ask(
        self, method: str, path: str, *, safety: Safety = Safety.READ, params: dict[str, Any] | None = None, json: Any = None, absent_is_none: bool = False
    ) -> dict[str, Any]:
        target = f"/gmail/v1/users/{quote(self.mailbox, safe='@')}/drafts{path}"
        for is_second in (False, True):
            token = self._tokens.get()
            response = self.http.send(method, target, safety=safety, headers={"Authorization": f"Bearer {token.value}"}, params=params, json=json)
            if response.status_code != 401 or is_second:
                break
            self._tokens.forget(token)
        if response.status_code == 404 and absent_is_none:
            return {}
        if not response.is_success:
            raise self._refusal(response)
        if response.status_code == 204 or method == "DELETE":
            return {}
        return self.http.object_of(response)

    def _refusal(self, response: httpx.Response) -> VendorError:
        body = json_or_none(response)
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {}
        reasons = {str(item.get("reason", "")) for item in error.get("errors") or () if isinstance(item, dict)} | {str(error.get("status", ""))}
        message = self.http.scrub(str(error.get("message") or response.text))
        facts: dict[str, Any] = {"status": response.status_code, "vendor_code": str(error.get("status", "")), "vendor_message": message}
        if response.status_code == 401:
            return VendorError("VIM-E011", "Google refused our access token", why=message, fix="Check the service account in the Google Cloud console", **facts)
        if response.status_code == 403 and reasons & LIMITS:
            return VendorError("VIM-E014", f"Gmail's limit for {self.mailbox} is used up", why=message, fix="Run later", **facts)
        fix = "Correct the cause; it was not repeated"
        if response.status_code == 403:
            fix = f"Delegate {SCOPE} to the service account in the Workspace admin console, and enable the Gmail API in its project"
        return VendorError("VIM-E013", f"Gmail refused with HTTP {response.status_code} {error.get('status', '')}".rstrip(), why=message, fix=fix, **facts)


def in_domain(mailbox: str, domain: str | None) -> bool:
    """Whether a mailbox belongs to the one domain whose mailboxes may be opened."""
    name, at, host = mailbox.strip().rpartition("@")
    return bool(domain and at and name) and host.casefold() == str(domain).strip().casefold()


def client_from_settings(settings: Settings, mailbox: str, *, options: TransportOptions | None = None) -> GmailClient:
    """The client of one mailbox; VIM-E001 if a setting is missing, VIM-E153 for a mailbox outside GMAIL_DOMAIN: the delegation would open any."""
    settings.require("gmail_key_file", "gmail_domain")
    assert settings.gmail_key_file
    if not in_domain(mailbox, settings.gmail_domain):
        raise VimError(
            "VIM-E153",
            f"The mailbox {mailbox or '(none)'} is not in {settings.gmail_domain}",
            why="Drafts go into mailboxes of GMAIL_DOMAIN only",
            fix="Correct the address of the account's Customer Success Manager",
        )
    return GmailClient(
        read_key_file(settings.gmail_key_file, KEY_SETTING),
        mailbox.strip(),
        settings.gmail_base_url,
        settings.gmail_token_url,
        allowed_hosts=settings.allowed_hosts.split(","),
        options=transport_from_settings(settings, options or TransportOptions(retry=RETRY)),
    )
