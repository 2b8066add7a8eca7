"""Who is asking: signed session cookies, the token in every form, and logins that can only be guessed slowly.

A cookie holds a random session id, the login, and a stamp of the person's row: whatever ends the sessions of a person (a new password or
role, a deactivation, a logout) changes the stamp, so nothing has to be kept about sessions. The id is new at each login.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, func, select, update

from vim_pipelines.approvals.people import PersonView, check_password, find_person
from vim_pipelines.core.net import is_loopback
from vim_pipelines.store.models import LOGIN_ATTEMPT_DAYS, LoginAttempt, Person

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Actor
    from vim_pipelines.store.engine import Store

COOKIE = "vimotion_session"
SESSION_HOURS = 8
#: Wrong passwords for one login within the window before it has to wait. A person mistypes three times; a list of passwords is stopped.
MAX_FAILURES = 8
FAILURE_WINDOW_MINUTES = 15


@dataclass(frozen=True)
class Visitor:
    """Whoever asks: with `person` None nobody in particular. `sid` binds the forms."""

    sid: str
    person: PersonView | None
    csrf: str
    #: The id is not in a cookie yet.
    is_new: bool

    @property
    def actor(self) -> Actor:
        """The person deciding through this door; only where somebody is logged in."""
        assert self.person is not None
        return self.person.actor("inbox")


class Sessions:
    """Makes and reads the cookies of one installation."""

    def __init__(self, secret: bytes, store: Store) -> None:
        self._key = hmac.digest(secret, b"vimotion.inbox.form.1", "sha256")
        self._stamps = hmac.digest(secret, b"vimotion.inbox.stamp.1", "sha256")
        self._cookies = URLSafeTimedSerializer(
            secret, salt="vimotion.inbox.session.1", signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        )
        self._store = store

    def visitor(self, cookie: str | None, *, trusted_login: str | None = None) -> Visitor:
        """Who shows this cookie. `trusted_login`: what a proxy that may say so says."""
        content = self._read(cookie)
        sid = str(content.get("sid") or "")
        person = None
        if trusted_login is not None:
            person = find_person(self._store, "login", trusted_login) or find_person(self._store, "email", trusted_login)
        elif content.get("login"):
            person = self._person_of(str(content["login"]), str(content.get("stamp")))
            if person is None:  # the session is over: its forms are, too
                sid = ""
        is_new, sid = not sid, sid or secrets.token_hex(16)
        return Visitor(sid, person, self.csrf(sid, person.login if person else ""), is_new)

    def csrf(self, sid: str, login: str) -> str:
        """The token of the forms of one session."""
        return hmac.new(self._key, f"{sid}|{login}".encode(), "sha256").hexdigest()

    def has_token(self, visitor: Visitor, token: str | None) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest((token or "").encode("utf-8", "replace"), visitor.csrf.encode())

    def anonymous_cookie(self, sid: str) -> str:
        """Before a login: only the id to which the login form is bound."""
        return self._sign({"sid": sid})

    def begin(self, login: str) -> str:
        """The cookie of a session that begins now, with an id that nobody has seen before."""
        with self._store.reading() as session:
            row = session.get_one(Person, login)
            return self._sign(
                {"sid": secrets.token_hex(16), "login": login, "stamp": self._stamp(row.login, row.role, row.sessions_valid_from, row.password_hash)}
            )

    def end_all(self, login: str, now: datetime) -> None:
        """Log out: every session of the person is over, on all devices; a cookie that somebody copied is worth nothing."""
        with self._store.session() as session:
            row = session.get(Person, login)
            if row is not None:  # later than before even where the clock stands still, as the sandbox's does
                row.sessions_valid_from = max(now, row.sessions_valid_from + timedelta(microseconds=1))

    def _person_of(self, login: str, stamp: str) -> PersonView | None:
        columns = [getattr(Person, field.name) for field in fields(PersonView) if field.name != "has_password"]
        with self._store.reading() as session:
            row = session.execute(select(*columns, Person.password_hash).where(Person.login == login, Person.is_active)).first()
        if row is None:
            return None
        values = row._asdict()
        hashed = values.pop("password_hash")
        is_same = hmac.compare_digest(self._stamp(row.login, row.role, row.sessions_valid_from, hashed).encode(), stamp.encode("utf-8", "replace"))
        return PersonView(**(values | {"segments": tuple(row.segments), "has_password": hashed is not None})) if is_same else None

    def _stamp(self, login: str, role: str, valid_from: datetime, password_hash: str | None) -> str:
        basis = "|".join([login, role, valid_from.isoformat(timespec="microseconds"), password_hash or ""])
        return hmac.new(self._stamps, basis.encode(), "sha256").hexdigest()[:32]

    def _sign(self, content: dict[str, str]) -> str:
        signed = self._cookies.dumps(content)
        return signed if isinstance(signed, str) else signed.decode("ascii")

    def _read(self, cookie: str | None) -> dict[str, Any]:
        try:
            content = self._cookies.loads(cookie or "", max_age=SESSION_HOURS * 3600)
        except BadData:
            return {}
        return content if isinstance(content, dict) else {}


def log_in(store: Store, login: str, password: str, now: datetime) -> PersonView | None | int:
    """The person; None if name or password is wrong; or the minutes to wait after too many wrong ones.

    The attempt is on record before the password is looked at, so that guesses at the same moment count, too. What was typed as a login is
    kept as a hash: people type passwords there. Nothing here differs for a login that does not exist.
    """
    name = hashlib.sha256(login.casefold().encode("utf-8", "replace")).hexdigest()
    since = now - timedelta(minutes=FAILURE_WINDOW_MINUTES)
    with store.session() as session:
        session.execute(delete(LoginAttempt).where(LoginAttempt.at < now - timedelta(days=LOGIN_ATTEMPT_DAYS)))
        failures = session.scalar(
            select(func.count()).select_from(LoginAttempt).where(LoginAttempt.login == name, LoginAttempt.at > since, LoginAttempt.succeeded.is_(False))
        )
        if (failures or 0) >= MAX_FAILURES:
            return FAILURE_WINDOW_MINUTES
        attempt = LoginAttempt(login=name, at=now, succeeded=False)
        session.add(attempt)
        session.flush()
        number = attempt.attempt_number
    person = check_password(store, login[:255], password[:1024])
    if person is not None:
        with store.session() as session:
            # A right password clears the mistypes before it; the guesses of others at other logins stay.
            # Of two doors at once the second finds its own row cleared already: it is as much logged in.
            session.execute(delete(LoginAttempt).where(LoginAttempt.login == name, LoginAttempt.attempt_number < number))
            session.execute(update(LoginAttempt).where(LoginAttempt.attempt_number == number).values(succeeded=True))
    return person


def local_path(target: str | None) -> str:
    """`target` if it is a path of this host, else the queue: a login form must not send people to another site.

    Browsers read '//host' and '/\\host' as another host and drop tabs and line ends inside, so anything but plain printable ASCII is refused.
    """
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target or len(target) > 500:
        return "/"
    if any(not " " < character <= "~" for character in target):
        return "/"
    lowered = target.lower()
    if any(code in lowered for code in ("%0a", "%0d", "%00", "%09", "%5c", "%2f%2f")):
        return "/"
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else "/"


def is_secure_host(host: str) -> bool:
    """Whether cookies for this host are sent over TLS only: all but this machine's own."""
    return not is_loopback(host)
