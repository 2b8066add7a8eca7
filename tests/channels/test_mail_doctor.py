"""What `vimotion doctor` says of mail and Gmail."""

from __future__ import annotations

import json

from test_mail_channel import PASSWORD, Mailbox, free_port, mailbox, settings

from vim_pipelines.doctor.services import gmail as _gmail
from vim_pipelines.doctor.services import mail as _mail

__all__ = ["Mailbox", "mailbox"]


def test_a_mail_server_that_answers_is_well_and_gets_no_mail(mailbox, tmp_path):
    (finding,) = _mail(settings(tmp_path, mailbox.controller.port))
    assert finding.status == "ok"
    assert mailbox.mails == []


def test_a_mail_server_that_is_not_there_fails_without_a_secret(tmp_path):
    (finding,) = _mail(settings(tmp_path, free_port(), smtp_user="vim", smtp_password=PASSWORD))
    assert finding.status == "fail"
    assert PASSWORD not in f"{finding.text}{finding.fix}"
    assert [found.status for found in _mail(settings(tmp_path, 25, smtp_host="mail.example.com"))] == ["warn"]
    assert list(_mail(settings(tmp_path, 25, smtp_host=None))) == []


def test_half_a_gmail_and_a_file_that_is_no_key(tmp_path):
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "client_email": "vim@p.iam.gserviceaccount.com", "private_key": "secret-bytes"}))
    found = {}
    for name, more in (
        ("none", {}),
        ("half", {"gmail_domain": "vendor.example"}),
        ("absent", {"gmail_domain": "vendor.example", "gmail_key_file": tmp_path / "no.json"}),
        ("open", {"gmail_domain": "vendor.example", "gmail_key_file": key}),
    ):
        key.chmod(0o644)
        found[name] = [finding.status for finding in _gmail(settings(tmp_path, 25, **more))]
    assert found == {"none": [], "half": ["fail"], "absent": ["fail"], "open": ["warn"]}
    key.chmod(0o600)
    (finding,) = _gmail(settings(tmp_path, 25, gmail_domain="vendor.example", gmail_key_file=key))
    assert finding.status == "ok"
    assert "secret-bytes" not in finding.text
