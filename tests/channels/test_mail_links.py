"""Links in mails open an item for one person; nothing else can be made of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from vim_pipelines.approvals.links import Link, read_link, sign_link
from vim_pipelines.approvals.secrets import inbox_secret
from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings

NOW = datetime(2026, 11, 2, 8, 0)
SECRET = "0123456789abcdef" * 4


class At(Settings):
    """Settings whose clock a test moves."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


def settings(home: Path, at: datetime = NOW, secret: str | None = SECRET) -> At:
    return At(home=home, at=at, inbox_secret=secret)


def refused(made: At, token: str) -> str:
    with pytest.raises(VimError) as caught:
        read_link(made, token)
    assert len(token) < 20 or token not in str(caught.value)
    return caught.value.code


def test_a_link_opens_what_it_was_made_for(tmp_path: Path):
    token = sign_link(settings(tmp_path), "ada", "req-1", 3)
    assert read_link(settings(tmp_path, NOW + timedelta(hours=72)), token) == Link("ada", "req-1", 3)


def test_a_link_ends_after_72_hours_and_is_not_good_before_it_was_made(tmp_path: Path):
    token = sign_link(settings(tmp_path), "ada", "req-1", 3)
    assert refused(settings(tmp_path, NOW + timedelta(hours=72, seconds=1)), token) == "VIM-E150"
    assert refused(settings(tmp_path, NOW - timedelta(hours=1)), token) == "VIM-E150"


def test_a_changed_character_anywhere_is_refused(tmp_path: Path):
    made = settings(tmp_path)
    token = sign_link(made, "ada", "req-1", 3)
    for place in range(len(token) - 1):  # the last character of base64 has unused bits
        other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert refused(made, other) in ("VIM-E150", "VIM-E151"), place


def test_parts_of_two_links_do_not_make_a_third(tmp_path: Path):
    made = settings(tmp_path)
    ours, theirs = sign_link(made, "ada", "req-1", 3).split("."), sign_link(made, "bob", "req-2", 1).split(".")
    assert refused(made, ".".join([theirs[0], *ours[1:]])) == "VIM-E151"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.ü.ö", "x" * 100_000, "../../etc/passwd"])
def test_guesses_are_refused(tmp_path: Path, token: str):
    assert refused(settings(tmp_path), token or ".") == "VIM-E151"


def test_a_link_of_another_installation_is_refused(tmp_path: Path):
    token = sign_link(settings(tmp_path, secret="f" * 64), "ada", "req-1", 3)
    assert refused(settings(tmp_path), token) == "VIM-E151"


def test_something_else_signed_with_the_same_secret_is_no_link(tmp_path: Path):
    from itsdangerous import URLSafeTimedSerializer

    session = URLSafeTimedSerializer(SECRET.encode(), salt="vimotion.session").dumps(["ada", "req-1", 3])
    assert refused(settings(tmp_path), str(session)) == "VIM-E151"


def test_the_secret_is_made_once_however_many_start_and_nobody_else_may_read_it(tmp_path: Path):
    made = settings(tmp_path / "new", secret=None)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: inbox_secret(made), range(32)))
    assert len(found) == 1
    assert len(found.pop()) == 64
    file = tmp_path / "new" / "inbox_secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    file.chmod(0o644)
    with pytest.raises(VimError, match="chmod 600"):
        inbox_secret(made)


def test_a_secret_that_can_be_guessed_is_refused_without_being_shown(tmp_path: Path):
    with pytest.raises(VimError) as caught:
        inbox_secret(settings(tmp_path, secret="hunter2"))
    assert "hunter2" not in str(caught.value)
