"""An approved letter becomes one draft in Gmail: never sent, never twice, taken back while it is a draft."""

from __future__ import annotations

import base64
import random
from datetime import timedelta
from email import message_from_string
from email import policy as email_policy

import httpx
import pytest
from approval_drafts import AS_OF, NOW, make_draft
from stores import settings_for

from vim_pipelines.approvals.connected import Connections, connections_of
from vim_pipelines.approvals.deciding import decide, retry
from vim_pipelines.approvals.policy import Actor, load_policy, policy_of
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.approvals.text import request_lines
from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.gmail import GmailEmulator
from vim_pipelines.sandbox.emulators.run import Server
from vim_pipelines.store.models import ApprovalRequest, Draft, OutboxEntry
from vim_pipelines.vendors.gmail import client_from_settings
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions, VendorError
from vim_pipelines.writeback.apply import reconcile, undo, write_back
from vim_pipelines.writeback.deliverables import with_deliverables
from vim_pipelines.writeback.targets.base import CrmTarget, Found, Planned

OPTIONS = TransportOptions(
    timeout_seconds=5, retry=RetryPolicy(attempts=3, base_seconds=0.0), limiter=Limiter(1000, 1000), sleep=lambda _: None, rng=random.Random(1)
)
CSM = "ada@vendor.example"
TEXT = "Dear Nadia,\n\n.three of your people have no training yet.\nKind regards"


class MemoryCrm(CrmTarget):
    """A CRM in a dict: what is tried here stands beside it."""

    name, mirror_object, mirror_batch, address = "salesforce", "Account", 200, "http://127.0.0.1:1"

    def __init__(self):
        self.records, self.links = {}, {}

    def planned(self, write):
        return Planned(write.action, write.object_name, write.external_id, write.proposed, write.expected, write.idempotency_key)

    def mirror_fields(self, fields):
        return dict(fields)

    def read(self, record):
        found = self.records.get((record.action, record.external_id))
        return Found(f"{record.action}-1", dict(found)) if found else None

    def write(self, record, found):
        self.records[record.action, record.external_id] = dict(record.proposed)
        return f"{record.action}-1"

    def linked(self, record):
        return self.links.get(record.external_id)

    def link(self, record, record_id):
        self.links[record.external_id] = record_id

    def put_back(self, record, record_id, before):
        self.records[record.action, record.external_id] |= before

    def delete(self, record, record_id):
        self.records.pop((record.action, record.external_id), None)

    def read_many(self, account_keys, fields):
        return {}

    def update_many(self, rows):
        return {}

    def close(self):
        pass


@pytest.fixture(scope="module")
def google(tmp_path_factory):
    emulator = GmailEmulator(tmp_path_factory.mktemp("gmail"))
    server = Server(emulator.app)
    emulator.url = server.url
    yield emulator
    server.stop()


@pytest.fixture
def gmail(google):
    """The emulator with empty mailboxes and no faults."""
    google.drafts.clear()
    google.created.clear()
    google.app.faults.clear()
    google.app.journal.entries.clear()
    google._delegated = None
    yield google
    assert google.sent == []


@pytest.fixture
def settings(gmail, tmp_path):
    return settings_for(f"sqlite:///{tmp_path / 'operations.db'}", tmp_path, write_mode="live", **gmail.credentials(gmail.url))


@pytest.fixture
def crm(settings):
    with with_deliverables(settings, MemoryCrm(), OPTIONS) as target:
        yield target


def fault(gmail, **plan):
    httpx.post(f"{gmail.url}/_sandbox/faults", json=plan, trust_env=False).raise_for_status()


def asked(store, policy, *, account="ACC-1", csm=CSM, champion_email=None, name="Nadia Nabil", text=TEXT):
    """A request for a letter to the champion."""
    draft_id = make_draft(store, account=account, document="training_nudge", text=text, facts=f"facts-{account}")
    with store.session() as session:
        draft = session.get_one(Draft, draft_id)
        people = [{"handle": "F1", "metric": "champion_name", "status": "ok", "value_text": name}]
        if champion_email:
            people.append({"handle": "F2", "metric": "champion_email", "status": "ok", "value_text": champion_email})
        draft.facts, draft.audience = [*draft.facts, *people], "customer"
    signals = {account: {"arr_amount": 60000, "currency": "USD", "risk_band": "green", "csm_email": csm}}
    (request_id,) = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[draft_id], signals=signals).requested
    return request_id


def approved(store, settings, **more):
    policy = policy_of(settings)
    request_id = asked(store, policy, **more)
    version = show_request(store, request_id).version
    decide(store, request_id, "approve", person=Actor("dora", "director", "cli"), version=version, note=None, now=NOW, policy=policy)
    return request_id


def drafts(gmail):
    return [(row["mailbox"], message_from_string(row["raw"].decode(), policy=email_policy.default)) for row in gmail.drafts.values()]


def entry(store, request_id, action="gmail_draft"):
    with store.session() as session:
        return next(row for row in session.query(OutboxEntry).filter_by(request_id=request_id) if row.action == action)


def test_the_letter_lies_in_the_mailbox_of_the_csm_as_it_was_approved(store, settings, crm, gmail):
    request_id = approved(store, settings, champion_email="nadia@customer.example")
    report = write_back(store, crm, request_id, settings=settings, now=NOW)
    assert report.state == "verified"
    ((mailbox, mail),) = drafts(gmail)
    assert mailbox == CSM
    assert mail["To"] == "nadia@customer.example"
    assert mail["X-VIM-Key"] == f"VIM-{request_id}"
    assert mail.get_content().replace("\r\n", "\n").rstrip() == TEXT
    row = entry(store, request_id)
    assert (row.target, row.state, row.after["state"]) == ("gmail", "verified", "draft")
    before = len(gmail.app.journal.entries)
    assert write_back(store, crm, request_id, settings=settings, now=NOW).state == "verified"
    assert len(gmail.app.journal.entries) == before


def test_without_a_known_address_the_draft_has_no_recipient_and_the_approver_is_told(store, settings, crm, gmail):
    request_id = approved(store, settings)
    shown = "\n".join(request_lines(show_request(store, request_id), load_policy(), with_facts=False))
    assert "without a recipient: the address of Nadia Nabil is not known" in shown
    assert f"mailbox of {CSM}" in shown
    write_back(store, crm, request_id, settings=settings, now=NOW)
    ((_, mail),) = drafts(gmail)
    assert mail["To"] is None
    assert "recipient" not in mail.get_content()


@pytest.mark.parametrize("csm", [None, "ada@elsewhere.example", "ada@vendor.example.evil.example", "a@vendor.example, b@vendor.example", "@vendor.example"])
def test_a_mailbox_that_may_not_be_opened_leaves_the_letter_to_the_approver(store, settings, crm, gmail, csm):
    request_id = approved(store, settings, csm=csm, champion_email="nadia@customer.example")
    request = show_request(store, request_id)
    assert "gmail_draft" not in [action["action"] for action in request.actions]
    shown = "\n".join(request_lines(request, load_policy(), with_facts=False))
    assert "to Nadia Nabil <nadia@customer.example>; title: " in shown
    write_back(store, crm, request_id, settings=settings, now=NOW)
    assert drafts(gmail) == []


def test_unconnected_letters_name_address_and_title(store):
    assert load_policy().connections == Connections()
    shown = "\n".join(request_lines(show_request(store, asked(store, load_policy())), load_policy(), with_facts=False))
    assert "write an e-mail with the text above (gmail is not connected), without a recipient: the address of Nadia Nabil is not known; title: " in shown


def test_connections_are_no_rule_of_the_policy(settings):
    assert "gmail_draft" in connections_of(settings).actions
    assert policy_of(settings).version == load_policy().version


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_makes_no_second_draft(store, settings, crm, gmail, drop):
    request_id = approved(store, settings)
    fault(gmail, method="POST", path="/drafts$", drop=drop)
    report = write_back(store, crm, request_id, settings=settings, now=NOW)
    assert report.state == "verified"
    assert len(gmail.created) == len(drafts(gmail)) == 1
    assert entry(store, request_id).attempts == (2 if drop == "before" else 1)


class Killed(BaseException):
    """The process ended here."""


STEPS = [
    "claimed",
    "planned",
    "read:gmail_draft",
    "sending:gmail_draft",
    "answered:gmail_draft",
    "sent:gmail_draft",
    "applied",
    "verified:gmail_draft",
    "verified",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_dies_anywhere_leaves_one_draft_after_the_next_run(store, settings, crm, gmail, step):
    request_id = approved(store, settings)

    def die(at):
        if at == step:
            raise Killed

    with pytest.raises(Killed):
        write_back(store, crm, request_id, settings=settings, now=NOW, checkpoint=die)
    reconcile(store, crm, settings=settings, now=NOW + timedelta(minutes=5))
    write_back(store, crm, request_id, settings=settings, now=NOW + timedelta(minutes=5))
    assert show_request(store, request_id).state == "verified"
    assert len(gmail.created) == 1


def test_a_draft_that_was_sent_or_edited_is_never_made_again_and_not_taken_back(store, settings, crm, gmail):
    request_id = approved(store, settings)
    write_back(store, crm, request_id, settings=settings, now=NOW)
    gmail.drafts.pop(gmail.created[0])  # its owner sent it
    with pytest.raises(VimError, match="VIM-E051"):
        undo(store, crm, request_id, settings=settings, now=NOW, note="wrong customer")
    assert len(gmail.created) == 1
    other = approved(store, settings, account="ACC-2")
    write_back(store, crm, other, settings=settings, now=NOW)
    gmail.drafts[gmail.created[1]]["raw"] = b"X-VIM-Key: VIM-" + other.encode() + b"\r\nSubject: better\r\n\r\nMy own words"
    with pytest.raises(VimError, match="VIM-E051"):
        undo(store, crm, other, settings=settings, now=NOW, note="wrong customer")
    assert len(gmail.drafts) == 1


def test_undo_deletes_the_draft_also_after_a_crash_in_the_middle(store, settings, crm, gmail):
    request_id = approved(store, settings)
    write_back(store, crm, request_id, settings=settings, now=NOW)

    def die(at):
        if at == "put_back:gmail_draft":
            raise Killed

    with pytest.raises(Killed):
        undo(store, crm, request_id, settings=settings, now=NOW, note="wrong", checkpoint=die)
    assert gmail.drafts == {}
    assert undo(store, crm, request_id, settings=settings, now=NOW, note="wrong").state == "undone"
    assert entry(store, request_id).state == "undone"


def test_limits_are_waited_for_and_refusals_are_not_repeated(store, settings, crm, gmail):
    fault(gmail, method="POST", path="/drafts$", status=429)
    first = approved(store, settings)
    assert write_back(store, crm, first, settings=settings, now=NOW).state == "verified"
    fault(gmail, method="POST", path="/drafts$", status=403, code="userRateLimitExceeded")
    second = approved(store, settings, account="ACC-2")
    with pytest.raises(VendorError, match="VIM-E014"):
        write_back(store, crm, second, settings=settings, now=NOW)
    assert show_request(store, second).state == "approved"
    fault(gmail, method="POST", path="/drafts$", status=403)
    with pytest.raises(VendorError, match="VIM-E013"):
        write_back(store, crm, second, settings=settings, now=NOW)
    assert show_request(store, second).state == "failed"
    retry(store, second, person=Actor("dora", "director", "cli"), note="delegated now", now=NOW, policy=policy_of(settings))
    assert write_back(store, crm, second, settings=settings, now=NOW).state == "verified"
    assert len(gmail.created) == 2


def test_a_refused_delegation_shows_no_key(store, settings, crm, gmail, caplog):
    caplog.set_level("DEBUG")
    gmail._delegated = set()
    request_id = approved(store, settings)
    with pytest.raises(VendorError, match="VIM-E011") as caught:
        write_back(store, crm, request_id, settings=settings, now=NOW)
    key = settings.gmail_key_file.read_text()
    inside = key.split("PRIVATE KEY-----")[1][2:60]
    assert inside not in f"{caught.value}{caught.value!r}{caplog.text}{crm.deliverables!r}"
    assert "gmail.compose" in str(caught.value)


def test_an_expired_token_is_fetched_anew(settings, gmail):
    with client_from_settings(settings, CSM, options=OPTIONS) as client:
        assert client.find("VIM-nothing") is None
        gmail._tokens.clear()
        assert client.find("VIM-nothing") is None


def test_the_draft_is_found_behind_many_others_and_another_mailbox_is_refused(settings, gmail):
    with client_from_settings(settings, CSM, options=OPTIONS) as client:
        raw = "X-VIM-Key: VIM-req-1\r\n\r\nx"
        gmail.drafts["r0"] = {"mailbox": CSM, "raw": raw.encode()}
        for number in range(1, 131):
            gmail.drafts[f"r{number}"] = {"mailbox": CSM, "raw": b"Subject: other\r\n\r\nVIM-req-1"}
        found = client.find("VIM-req-1")
        assert found is not None
        assert found.draft_id == "r0"
    for mailbox in ("ceo@elsewhere.example", "", "vendor.example", CSM + ".evil.example"):
        with pytest.raises(VimError, match="VIM-E153"):
            client_from_settings(settings, mailbox, options=OPTIONS)


@pytest.mark.parametrize("name", ["Nadia\r\nBcc: eve@example.com", "=?utf-8?q?=0D=0ABcc:_eve@example.com?=", "<script>alert(1)</script>", "=1+1"])
def test_words_of_others_become_no_header(store, settings, crm, gmail, name):
    policy = policy_of(settings)
    request_id = asked(store, policy, name=name, text=f"Dear {name},\n.\n\nBcc: eve@example.com")
    second = make_draft(store, account="ACC-9", document="training_nudge", text="x", facts="f9")
    with store.session() as session:
        session.get_one(Draft, second).account_name = name
    signals = {"ACC-9": {"arr_amount": 1, "currency": "USD", "risk_band": "green", "csm_email": CSM}}
    (other,) = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[second], signals=signals).requested
    for item in (request_id, other):
        decide(store, item, "approve", person=Actor("dora", "director", "cli"), version=1, note=None, now=NOW, policy=policy)
        assert write_back(store, crm, item, settings=settings, now=NOW).state == "verified"
    for _, mail in drafts(gmail):
        assert set(mail.keys()) <= {"X-VIM-Key", "From", "Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}


def test_an_edited_letter_in_the_store_is_not_laid_anywhere(store, settings, crm, gmail):
    request_id = approved(store, settings)
    with store.session() as session:
        row = session.get_one(ApprovalRequest, request_id)
        row.payload = {**row.payload, "text": "Send us money"}
    with pytest.raises(VimError, match="VIM-E044"):
        write_back(store, crm, request_id, settings=settings, now=NOW)
    assert drafts(gmail) == []


def test_the_sandbox_refuses_the_real_gmail(settings):
    with pytest.raises(VimError, match="VIM-E052"):
        with_deliverables(settings.model_copy(update={"gmail_base_url": "https://gmail.googleapis.com"}), MemoryCrm(), OPTIONS)


def test_the_draft_is_base64url_as_google_wants_it(gmail, settings):
    from vim_pipelines.writeback.deliverables.gmail import letter

    mail = letter("VIM-req-1", {"mailbox": CSM, "to": "n@c.example", "subject": "Ümlaut ?>?", "body": "ÿÿÿ>>>???"})
    with client_from_settings(settings, CSM, options=OPTIONS) as client:
        draft_id = client.create_draft(mail)
        found = client.draft(draft_id)
    assert found is not None
    assert (found.subject, found.body.strip()) == ("Ümlaut ?>?", "ÿÿÿ>>>???")
    assert base64.urlsafe_b64encode(gmail.drafts[draft_id]["raw"])


def test_what_was_approved_and_is_not_connected_any_more_fails_before_anything_is_sent(store, settings, gmail):
    request_id = approved(store, settings)
    alone = MemoryCrm()
    with pytest.raises(VimError, match="VIM-E110"):
        write_back(store, alone, request_id, settings=settings, now=NOW)
    assert alone.records == {}
    assert show_request(store, request_id).state == "failed"
