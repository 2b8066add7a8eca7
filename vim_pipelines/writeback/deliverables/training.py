"""An invitation to the training system: one signed POST, known there by its key.

The system on the other side is anybody's, so the contract is small and stands in docs/how-to/mail.md: JSON with an `id` that never changes, the header
`Idempotency-Key` with the same value, and `X-VIM-Signature: t=SECONDS,v1=HMAC-SHA256(secret, "SECONDS.body")` as Stripe's and Slack's webhooks have it.
It must take an `id` that it has already as done (HTTP 200), which is what makes a second try after a lost answer harmless.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.client import transport_from_settings
from vim_pipelines.vendors.http import Safety, TransportOptions, VendorError, VendorHttp
from vim_pipelines.writeback.deliverables.base import STATE, Deliverable
from vim_pipelines.writeback.targets.base import CrmRecord, Found

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

MIN_SECRET = 32


class TrainingWebhook(Deliverable):
    """The one training system of the settings."""

    name: ClassVar[str] = "training"

    def __init__(self, settings: Settings, options: TransportOptions | None = None) -> None:
        settings.require("training_webhook_url", "training_webhook_secret")
        assert settings.training_webhook_url and settings.training_webhook_secret
        self._secret = settings.training_webhook_secret.get_secret_value()
        if len(self._secret) < MIN_SECRET:
            raise VimError("VIM-E002", f"VIMOTION_TRAINING_WEBHOOK_SECRET is shorter than {MIN_SECRET} characters", fix="Use a longer one on both sides")
        self._url = settings.training_webhook_url
        self._now = (options or TransportOptions()).now
        origin = f"{urlsplit(self._url).scheme}://{urlsplit(self._url).netloc}"
        self.http = VendorHttp(
            "The training system", origin, setting="VIMOTION_TRAINING_WEBHOOK_URL", per_second=5, burst=5, options=transport_from_settings(settings, options)
        )
        self.http.hide(self._secret)

    @property
    def address(self) -> str:
        """The webhook's."""
        return self._url

    def read(self, record: CrmRecord) -> Found | None:
        """GET URL/KEY: 200 with its `status`, 404 if it has none of that key."""
        response = self.http.send("GET", f"{self._url.rstrip('/')}/{quote(record.external_id, safe='')}", headers=self._signed(b""))
        if response.status_code == 404:
            return None
        if not response.is_success:
            raise self._refusal(response.status_code, response.text)
        body = self.http.object_of(response, "id")
        if body["id"] != record.external_id:
            raise VendorError("VIM-E013", "The training system answered with another invitation", fix="Correct the webhook", status=response.status_code)
        return Found(record.external_id, {**record.proposed, STATE: str(body.get("status") or "invited")})

    def create(self, record: CrmRecord) -> str:
        """POST the invitation."""
        self._post(record, "invite", Safety.WRITE)
        return record.external_id

    def withdraw(self, record: CrmRecord, record_id: str) -> None:
        """POST that it is withdrawn: what nobody has opened is taken back there."""
        self._post(record, "withdraw", Safety.IDEMPOTENT_WRITE)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _post(self, record: CrmRecord, event: str, safety: Safety) -> None:
        value: dict[str, Any] = {"id": record.external_id, "event": event, "invitation": record.proposed}
        # VendorHttp encodes JSON itself: what is signed must be what is sent, so the signature is over the canonical form of the value.
        body = canonical(value)
        response = self.http.send(
            "POST", self._url, safety=safety, headers=self._signed(body) | {"Idempotency-Key": f"{record.external_id}:{event}"}, json=value
        )
        if not response.is_success:
            raise self._refusal(response.status_code, response.text)

    def _signed(self, body: bytes) -> dict[str, str]:
        return {"X-VIM-Signature": signature(self._secret, int(self._now().timestamp()), body)}

    def _refusal(self, status: int, text: str) -> VendorError:
        code = "VIM-E011" if status in (401, 403) else "VIM-E013"
        return VendorError(
            code,
            f"The training system refused with HTTP {status}",
            why=self.http.scrub(text),
            fix="Correct the cause there; it was not repeated",
            status=status,
        )


def canonical(value: Any) -> bytes:
    """The bytes that are signed: JSON with sorted keys, no blanks, UTF-8. The receiver parses what it got and builds the same."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The header's value. The receiver refuses what is older than five minutes, and compares in constant time."""
    digest = hmac.new(secret.encode("utf-8"), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
