"""The digest on its way: who gets it, each once, also after a crash, and one door that is shut shuts no other."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from vim_pipelines.approvals.people import deactivate, list_people
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.digest.mail import DigestMail
from vim_pipelines.reporting.digest.sending import DigestReport, recipients, send_digest
from vim_pipelines.reporting.figures import Nights
from vim_pipelines.store.models import Delivery

SHARED = "C0DIGEST"


def rows(store):
    with store.reading() as session:
        return session.scalars(select(Delivery).order_by(Delivery.channel, Delivery.recipient)).all()


def calm(night):
    """The same night with nothing to tell."""
    return replace(night, figures=tuple(replace(one, before=one.value) for one in night.figures), changes=(), waiting=(), data_problems_new=(), alerts=())


def send(store, settings, night, now, **more):
    """`night` for whoever answers for all; nothing changed in Simon's segment."""
    nights = Nights(night, {("smb",): replace(calm(night), segments=("smb",))})
    return send_digest(store, settings, nights, list_people(store), now=now, **more)


@pytest.fixture
def now():
    from datetime import datetime

    return datetime(2026, 6, 29, 6, 0)


def test_each_director_gets_it_once_by_mail_and_slack(store, settings, night, now, mailbox, slack):
    report = send(store, settings, night, now)
    assert report.delivery.sent == 4 and sorted(mailbox.recipients) == ["dora@vendor.example", "elif@vendor.example"]
    assert {message["channel"] for message in slack.messages()} == {"D0DORA", "D0ELIF"}
    assert {(row.channel, row.recipient, row.state, row.kind) for row in rows(store)} == {
        (channel, login, "sent", "digest") for channel in ("mail", "slack") for login in ("dora", "elif")
    }
    again = send(store, settings, night, now + timedelta(hours=1))
    assert again.delivery.sent == 0 and len(mailbox.mails) == 2 and len([one for one in slack.messages() if one["blocks"]]) == 2


def test_the_mail_that_arrives_carries_its_pictures(store, settings, night, now, mailbox):
    send(store, settings, night, now)
    kinds = [part.get_content_type() for part in mailbox.mails[0].walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "image/png"]
    assert mailbox.mails[0]["Subject"] == f"2026-06-28: {night.verdict()}" and all(len(raw) < 100_000 for raw in mailbox.raw)


def test_the_pictures_stand_in_the_thread_under_the_message(store, settings, night, now, slack):
    send(store, settings, night, now)
    [message] = [one for one in slack.messages("D0DORA") if one["blocks"]]
    under = [one for one in slack.messages("D0DORA") if one.get("thread_ts") == message["ts"]]
    files = [slack.files[file["id"]] for one in under for file in one["files"]]
    assert [file["content"][:4] for file in files] == [b"\x89PNG"] * 2 and all(file["alt_txt"] for file in files)


def test_a_picture_that_fails_stops_nothing(store, settings, night, now, slack):
    slack.scopes.remove("files:write")
    report = send(store, settings, night, now)
    assert report.delivery.sent == 4 and len(report.problems) == 2 and "files:write" in report.problems[0]
    assert send(store, settings, night, now + timedelta(hours=1)).delivery.sent == 0


def test_addresses_of_the_settings_get_it_and_who_asked_to_be_left_out_does_not(store, settings, night, now, mailbox):
    more = settings.model_copy(update={"digest_to": "board@vendor.example, Dora@vendor.example", "digest_skip": "elif", "slack_bot_token": None})
    send(store, more, night, now)
    assert sorted(mailbox.recipients) == ["board@vendor.example", "dora@vendor.example"]  # dora once
    with pytest.raises(VimError) as caught:
        send(store, settings.model_copy(update={"digest_to": "Board <board@vendor.example>"}), night, now)
    assert caught.value.code == "VIM-E180"


def test_in_a_shared_channel_it_stands_once_and_only_among_ourselves(store, settings, night, now, slack):
    shared = settings.model_copy(update={"digest_slack_channel": SHARED, "smtp_host": None})
    slack.conversations[SHARED].is_shared_outside = True
    report = send(store, shared, night, now)
    assert report.delivery.failed == 1 and slack.messages() == [] and "another organization" in report.metadata()["problems"][0]
    slack.conversations[SHARED].is_shared_outside = False
    report = send(store, shared, replace(night, as_of_date=night.as_of_date + timedelta(days=1)), now)
    assert report.delivery.sent == 1 and {message["channel"] for message in slack.messages()} == {SHARED}


def test_a_night_in_which_nothing_changed_is_told_to_nobody(store, settings, night, now, mailbox):
    report = send(store, settings, calm(night), now)
    assert (report.why_not, rows(store), mailbox.mails) == ("not sent, nothing changed", [], [])
    assert send(store, settings, calm(night), now, is_forced=True).delivery.sent == 6


def test_an_older_night_than_the_newest_day_is_told_to_nobody(store, settings, night, now):
    report = send(store, settings, night, now, newest_day=night.as_of_date + timedelta(days=1))
    assert "2026-06-29 is not audited yet" in report.why_not and rows(store) == []


def test_a_mail_server_that_is_down_keeps_slack_from_nothing_and_is_tried_again(store, settings, night, now, mailbox, slack):
    mailbox.answers["DATA"] = "451 4.7.1 Later"
    first = send(store, settings, night, now)
    assert (first.delivery.sent, first.delivery.waiting) == (2, 2) and len([one for one in slack.messages() if one["blocks"]]) == 2
    del mailbox.answers["DATA"]
    assert send(store, settings, night, now + timedelta(hours=1)).delivery.sent == 2
    assert {row.state for row in rows(store)} == {"sent"}


def test_what_was_not_sent_before_the_next_night_is_not_sent_any_more(store, settings, night, now, mailbox):
    only_mail = settings.model_copy(update={"slack_bot_token": None})
    mailbox.answers["RCPT"] = "451 4.7.1 Later"
    send(store, only_mail, night, now)
    del mailbox.answers["RCPT"]
    report = send(store, only_mail, replace(night, as_of_date=night.as_of_date + timedelta(days=1)), now + timedelta(days=1))
    assert (report.delivery.sent, report.delivery.overtaken) == (2, 2)
    assert {mail["Subject"][:10] for mail in mailbox.mails} == {"2026-06-29"}


def test_a_process_that_dies_between_sending_and_recording_sends_nothing_twice_in_slack(store, settings, night, now, slack, monkeypatch):
    only_slack = settings.model_copy(update={"smtp_host": None})
    from vim_pipelines.approvals import deliveries

    class Died(BaseException):
        pass

    def die(*args, **values):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(deliveries._Sending, "_set", die)
        with pytest.raises(Died):
            send(store, only_slack, night, now)
    assert [row.state for row in rows(store)] == ["sending", "planned"]
    report = send(store, only_slack, night, now + timedelta(hours=1))
    assert report.delivery.sent == 2 and len([one for one in slack.messages() if one["blocks"]]) == 2


def test_a_mail_whose_end_nobody_recorded_goes_again_under_the_same_id(store, settings, night, now, mailbox, monkeypatch):
    """At least once: SMTP cannot be asked. A mailbox knows the second one by its Message-ID."""
    only_mail = settings.model_copy(update={"slack_bot_token": None})
    original = DigestMail.send

    class Died(BaseException):
        pass

    def send_and_die(self, message, person):
        original(self, message, person)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(DigestMail, "send", send_and_die)
        with pytest.raises(Died):
            send(store, only_mail, night, now)
    assert send(store, only_mail, night, now + timedelta(hours=1)).delivery.sent == 2
    assert len(mailbox.mails) == 3 and len({mail["Message-ID"] for mail in mailbox.mails}) == 2


def test_a_lost_answer_of_slack_is_looked_for(store, settings, night, now, slack, plan_fault):
    only_slack = settings.model_copy(update={"smtp_host": None})
    plan_fault("chat.postMessage", drop="after", times=1)
    assert send(store, only_slack, night, now).delivery.unknown == 1
    assert send(store, only_slack, night, now + timedelta(hours=1)).delivery.sent == 1
    assert len([one for one in slack.messages() if one["blocks"]]) == 2


def test_messages_about_work_and_digests_do_not_touch_each_others_rows(store, settings, night, now, mailbox):
    """The digest's rows wait in the same table: whoever sends requests would tell a director of a failed run instead."""
    from vim_pipelines.approvals.deliveries import channels_of, deliver, work_to_do
    from vim_pipelines.approvals.sweeping import stuck

    mailbox.answers["RCPT"] = "451 4.7.1 Later"
    send(store, settings.model_copy(update={"slack_bot_token": None}), night, now)
    del mailbox.answers["RCPT"]
    later = now + timedelta(hours=1)
    assert work_to_do(store, channels_of(settings), later) is None
    assert stuck(store, settings, ["mail"], now + timedelta(days=2)) == []
    assert deliver(store, channels_of(settings), settings=settings, now=later).sent == 0 and mailbox.mails == []


def test_without_a_channel_the_schedule_does_not_fail_and_the_command_says_what_to_set(store, settings, night, now, monkeypatch):
    from click.testing import CliRunner

    from vim_pipelines import night as composition
    from vim_pipelines.cli import main

    report = send(store, settings.model_copy(update={"smtp_host": None, "slack_bot_token": None}), night, now)
    assert report.why_not == "not sent, neither mail nor Slack is set up" and rows(store) == []
    monkeypatch.setattr(composition, "run_digest", lambda *_, **__: report)
    answer = CliRunner().invoke(main, ["--home", str(settings.home), "digest", "send"])
    assert answer.exit_code == 2 and "VIM-E181" in answer.output and "SMTP_HOST" in answer.output


def test_somebody_who_left_gets_none_and_a_csm_never(store, settings, now):
    deactivate(store, "elif", now=now)
    found = recipients(list_people(store), settings, load_policy(), now)
    assert [person.login for person in found] == ["dora", "simon"]


def test_the_sandbox_posts_into_no_real_workspace(settings, night):
    from vim_pipelines.reporting.digest.sending import digest_channels

    real = settings.model_copy(update={"slack_base_url": "https://slack.com/api/"})
    assert [channel.name for channel in digest_channels(real, Nights(night, {}))] == ["mail"]


@pytest.fixture
def sent_by_command(settings, monkeypatch):
    """`vimotion digest send` with the settings of a test; what it would run is counted."""
    from click.testing import CliRunner

    from vim_pipelines import night as composition
    from vim_pipelines.cli import digest as command
    from vim_pipelines.cli import main

    runs = []

    def run(own, *words):
        monkeypatch.setattr(command, "settings_of", lambda state: own)
        monkeypatch.setattr(composition, "run_digest", lambda *_, **__: runs.append(1) or DigestReport(date(2026, 6, 28)))
        return CliRunner().invoke(main, ["--home", str(settings.home), "digest", "send", *words])

    return run, runs


def test_before_it_goes_to_people_the_command_asks_and_a_script_says_yes(settings, sent_by_command):
    """A digest names customers and sums: a slip at the prompt sent it to a whole board."""
    run, runs = sent_by_command
    real = settings.model_copy(update={"portfolio": settings.home / "portfolio.yaml", "digest_to": "board@vendor.example"})
    refused = run(real)
    assert refused.exit_code == 2 and "VIM-E188" in refused.output and runs == []
    assert "dora, elif, simon, board@vendor.example" in refused.output, "to whom it would go"
    assert run(real, "--yes").exit_code == 0 and runs == [1]


def test_the_sandbox_asks_only_where_its_mail_leaves_the_machine(settings, sent_by_command):
    run, runs = sent_by_command
    assert run(settings).exit_code == 0 and runs == [1]
    assert run(settings.model_copy(update={"smtp_host": "smtp.vendor.example"})).exit_code == 2 and runs == [1]
    nowhere = settings.model_copy(update={"smtp_host": None, "portfolio": settings.home / "portfolio.yaml", "slack_bot_token": None})
    assert run(nowhere).exit_code == 0 and len(runs) == 2, "there is nothing to ask about"
