"""An invitation reaches the training system once, signed, and is withdrawn by undo."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from approval_drafts import NOW
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from stores import settings_for
from test_gmail_drafts import OPTIONS, MemoryCrm, approved

from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.faults import Sandboxed
from vim_pipelines.sandbox.emulators.run import Server
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.apply import undo, write_back
from vim_pipelines.writeback.deliverables import with_deliverables

SECRET = "training-secret-training-secret-0123"


class Academy:
    """A receiver as docs/how-to/mail.md describes it."""

    def __init__(self):
        self.invited, self.posts, self.bad = {}, [], 0
        routes = [Route("/hook", self.post, methods=["POST"]), Route("/hook/{id}", self.get)]
        self.app = Sandboxed(Starlette(routes=routes), lambda status, code: {"error": code}, lambda *_: None)

    def is_signed(self, request, body):
        t, v1 = (part.split("=", 1)[1] for part in request.headers["X-VIM-Signature"].split(","))
        right = hmac.new(SECRET.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
        self.bad += not hmac.compare_digest(right, v1)
        return hmac.compare_digest(right, v1)

    async def post(self, request):
        value = json.loads(await request.body())
        if not self.is_signed(request, json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()):
            return JSONResponse({}, 401)
        self.posts.append((value["event"], request.headers["Idempotency-Key"]))
        self.invited[value["id"]] = {"status": "invited" if value["event"] == "invite" else "withdrawn", **value["invitation"]}
        return JSONResponse({})

    async def get(self, request):
        if not self.is_signed(request, b""):
            return JSONResponse({}, 401)
        found = self.invited.get(request.path_params["id"])
        return JSONResponse({"id": request.path_params["id"], "status": found["status"]}) if found else JSONResponse({}, 404)


@pytest.fixture
def academy():
    found = Academy()
    server = Server(found.app)
    found.url = f"{server.url}/hook"
    yield found
    server.stop()


@pytest.fixture
def settings(academy, tmp_path):
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    return settings_for(url, tmp_path, write_mode="live", training_webhook_url=academy.url, training_webhook_secret=SECRET)


@pytest.fixture
def crm(settings):
    with with_deliverables(settings, MemoryCrm(), OPTIONS) as target:
        yield target


def test_one_signed_invitation_and_its_withdrawal(store, settings, crm, academy):
    request_id = approved(store, settings, name="Nadia Näbil")
    assert write_back(store, crm, request_id, settings=settings, now=NOW).state == "verified"
    key = f"VIM-{request_id}"
    assert academy.posts == [("invite", f"{key}:invite")]
    assert academy.invited[key]["contact"] == "Nadia Näbil"
    assert undo(store, crm, request_id, settings=settings, now=NOW, note="wrong").state == "undone"
    assert academy.posts[1:] == [("withdraw", f"{key}:withdraw")]
    assert academy.bad == 0


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_invites_nobody_twice(store, settings, crm, academy, drop):
    from vim_pipelines.sandbox.emulators.faults import Fault

    academy.app.faults.append(Fault(method="POST", path="/hook$", drop=drop))
    request_id = approved(store, settings)
    assert write_back(store, crm, request_id, settings=settings, now=NOW).state == "verified"
    assert len(academy.posts) == 1


def test_a_wrong_secret_is_a_no_and_is_not_shown(store, settings, academy):
    other = settings.model_copy(update={"training_webhook_secret": type(settings.training_webhook_secret)("x" * 40)})
    request_id = approved(store, settings)
    with with_deliverables(other, MemoryCrm(), OPTIONS) as crm, pytest.raises(VendorError, match="VIM-E011") as caught:
        write_back(store, crm, request_id, settings=other, now=NOW)
    assert "x" * 40 not in str(caught.value)
    assert show_request(store, request_id).state == "failed"
    assert academy.posts == []


def test_a_short_secret_and_a_real_host_in_the_sandbox_are_refused(settings):
    short = settings.model_copy(update={"training_webhook_secret": type(settings.training_webhook_secret)("short")})
    with pytest.raises(VimError, match="VIM-E002"):
        with_deliverables(short, MemoryCrm(), OPTIONS)
    with pytest.raises(VimError, match="VIM-E052"):
        with_deliverables(settings.model_copy(update={"training_webhook_url": "https://academy.example.com/hook"}), MemoryCrm(), OPTIONS)
