"""A workspace with two directors, a CSM and a stranger; requests as a night asks them; the real SDK against the emulator."""

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

for _folder in ("store", "approvals"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / _folder))

from approval_drafts import AS_OF, NOW, make_draft  # noqa: E402

from vim_pipelines.approvals.channels.slack import SlackChannel  # noqa: E402
from vim_pipelines.approvals.messages import alert_message, request_message  # noqa: E402
from vim_pipelines.approvals.people import add_person, find_person  # noqa: E402
from vim_pipelines.approvals.policy import load_policy  # noqa: E402
from vim_pipelines.approvals.queue import request_approvals, show_request  # noqa: E402
from vim_pipelines.sandbox.emulators.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, Conversation, Member, SlackEmulator, serve_slack  # noqa: E402
from vim_pipelines.settings import Settings  # noqa: E402
from vim_pipelines.store import open_store  # noqa: E402
from vim_pipelines.store.models import ApprovalRequest, Draft  # noqa: E402
from vim_pipelines.vendors.http import RetryPolicy  # noqa: E402
from vim_pipelines.vendors.slack import SlackClient  # noqa: E402

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
    from vim_pipelines.sandbox.emulators.slack_rules import texts

    return "\n".join(texts(message["blocks"]))


@pytest.fixture
def house(tmp_path):
    """Served in this process; interactions are handed over by each test's own door."""
    members = [Member(user, login, f"{login}@vendor.example") for login, (_, user) in PEOPLE.items()] + [
        Member("U0STRANGER", "mallory", "mallory@else.example")
    ]
    shared = Conversation(CHANNEL, "approvals", {member.user for member in members})
    slack = SlackEmulator(members=members, channels=[shared])
    with serve_slack(slack) as served:
        settings = Settings(
            home=tmp_path,
            slack_bot_token=SecretStr(BOT_TOKEN),
            slack_app_token=SecretStr(APP_TOKEN),
            slack_signing_secret=SecretStr(SIGNING_SECRET),
            slack_base_url=f"{served.url}/api/",
        )
        store = open_store(settings)
        policy = load_policy()
        for login, (role, user) in PEOPLE.items():
            add_person(store, policy, login, name=login.capitalize(), role=role, slack_user_id=user, email=f"{login}@vendor.example", by="test", now=NOW)
        client = SlackClient(
            BOT_TOKEN, base_url=settings.slack_base_url, timeout_seconds=3, retry=RetryPolicy(attempts=3, base_seconds=0.001), sleep=lambda _: None
        )
        yield House(store, served, settings, client, policy)
        store.engine.dispose()


@pytest.fixture
def plan(house):
    """Plan faults of the emulator, by the path that they meet."""
    from vim_pipelines.sandbox.emulators.faults import Fault

    def planned(method, **fault):
        house.slack.app.faults.append(Fault.parse({"path": f"/api/{method}$", **fault}))

    return planned


__all__ = ["alert_message"]
