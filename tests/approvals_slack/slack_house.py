"""A workspace with two directors, a CSM and a stranger; requests as a night asks them; the real SDK against the emulator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from approval_drafts import AS_OF, NOW, make_draft

from vim_pipelines.approvals.channels.slack import SlackChannel
from vim_pipelines.approvals.messages import request_message
from vim_pipelines.approvals.people import find_person
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.sandbox.emulators.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, Member, SlackEmulator
from vim_pipelines.sandbox.emulators.slack_rules import texts
from vim_pipelines.settings import Settings
from vim_pipelines.store.models import ApprovalRequest, Draft
from vim_pipelines.vendors.slack import SlackClient

CHANNEL = "C0APPROVALS"
PEOPLE = {"dora": ("director", "U0DORA"), "elif": ("director", "U0ELIF"), "carl": ("csm", "U0CARL")}
SECRETS = (BOT_TOKEN, APP_TOKEN, SIGNING_SECRET)


@dataclass
class House:
    """The store, the workspace and the client, with shortcuts for what a night and a sweep do."""

    store: Any
    slack: SlackEmulator
    settings: Settings
    client: SlackClient
    policy: Any

    def channel(self, shared=None):
        return SlackChannel(self.client, channel=shared)

    def person(self, login="dora"):
        return find_person(self.store, "login", login)

    def ask(self, *, arr=60_000, text="150 of 200 seats are unused.", version=1, name="Customer ACC-1", account="ACC-1"):
        """One question about one draft; returns its id."""
        draft_id = make_draft(self.store, account=account, version=version, facts=f"facts-{version}", text=text)
        with self.store.session() as session:
            session.get(Draft, draft_id).account_name = name
        signals = {account: {"arr_amount": arr, "currency": "USD", "risk_band": "green", "segment": "smb", "csm_email": "ada@vendor.example"}}
        [request_id] = request_approvals(self.store, self.policy, AS_OF, NOW, approval_hours=24 * 365, draft_ids=[draft_id], signals=signals).requested
        return request_id

    def message(self, request_id, kind="ask", delivery_id="msg-1"):
        return request_message(show_request(self.store, request_id), kind, delivery_id=delivery_id, policy=self.policy, inbox_url=self.settings.inbox_url)

    def post(self, request_id, login="dora", *, shared=None, delivery_id="msg-1"):
        """Send the question to a person; returns the reference."""
        return self.channel(shared).send(self.message(request_id, delivery_id=delivery_id), self.person(login))

    def shown(self, reference):
        return self.slack.conversations[reference["channel"]].find(reference["ts"])

    def state(self, request_id):
        request = show_request(self.store, request_id)
        return request.state, request.decided_by, request.decided_channel, request.note

    def expire(self, request_id):
        with self.store.session() as session:
            session.get(ApprovalRequest, request_id).expires_at = NOW - timedelta(hours=1)


def buttons_of(message):
    return [element["action_id"] for block in message["blocks"] if block["type"] == "actions" for element in block["elements"]]


def value_of(message):
    return next(element["value"] for block in message["blocks"] if block["type"] == "actions" for element in block["elements"])


def words_of(message):
    """All that a person reads in a message."""
    return "\n".join(texts(message["blocks"]))


def members():
    """Everybody of the workspace; mallory is nobody of ours."""
    ours = [Member(user, login, f"{login}@vendor.example") for login, (_, user) in PEOPLE.items()]
    return [*ours, Member("U0STRANGER", "mallory", "mallory@else.example")]


def eventually(check, seconds=10.0):
    """The first truth of `check`; an interaction is handled after it was acknowledged."""
    import time

    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found, "it did not happen"
    return found
