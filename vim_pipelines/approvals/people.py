"""Who somebody is: one row per person in the operations store, found by whatever a door knows of them.

Every door (inbox, Slack, mail, CRM, command line) asks here and hands the `Actor` to the one decision function. Without this a role would
be believed because a request said so.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from vim_pipelines.approvals.policy import Actor, Policy, covers
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import Person

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

Identity = Literal["login", "email", "slack_user_id", "os_user", "crm_user_id"]

#: scrypt (RFC 7914) with the parameters that OWASP's password storage cheat sheet lists: 32 MiB a try.
SCRYPT = {"n": 2**15, "r": 8, "p": 3, "maxmem": 64 * 2**20, "dklen": 32}
MIN_PASSWORD_LENGTH = 12
#: What a wrong login is compared with, so that it takes as long as a wrong password.
_NOBODY = "scrypt$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(frozen=True)
class PersonView:
    """A person as everybody may see them: no password. `segments` empty: all."""

    login: str
    name: str
    role: str
    segments: tuple[str, ...]
    email: str | None
    slack_user_id: str | None
    os_user: str | None
    crm_user_id: str | None
    is_active: bool
    has_password: bool
    sessions_valid_from: datetime

    def actor(self, channel: str) -> Actor:
        """This person deciding through `channel`."""
        return Actor(self.login, self.role, channel, self.segments)


def add_person(
    store: Store,
    policy: Policy,
    login: str,
    *,
    name: str,
    role: str,
    segments: Sequence[str] = (),
    email: str | None = None,
    slack_user_id: str | None = None,
    os_user: str | None = None,
    crm_user_id: str | None = None,
    password: str | None = None,
    by: str,
    now: datetime,
) -> PersonView:
    """Add or change a person (what is given replaces what was known; a change ends their sessions).

    Raises VIM-E043 for a role that the policy does not know, VIM-E048 for an identity that somebody else has, or a password that is too short.
    """
    if policy.rank(role) < 0:
        raise VimError("VIM-E043", f"There is no role '{role}'", fix=f"The roles are {', '.join(policy.roles)}")
    known = {"email": email.casefold() if email else None, "slack_user_id": slack_user_id, "os_user": os_user, "crm_user_id": crm_user_id}
    given = {key: value for key, value in known.items() if value is not None}
    hashed = hash_password(password) if password is not None else None
    try:
        with store.session() as session:
            row = session.get(Person, login)
            if row is None:
                row = Person(login=login, password_hash=None, is_active=True, created_at=now, created_by=by)
                session.add(row)
            row.name, row.role, row.segments, row.is_active, row.sessions_valid_from = name, role, sorted(set(segments)), True, now
            for key, value in given.items():
                setattr(row, key, value)
            if hashed is not None:
                row.password_hash = hashed
            session.flush()
            return person_view(row)
    except IntegrityError:
        raise VimError(
            "VIM-E048", f"Somebody else already has one of {', '.join(given)}", why="An identity belongs to one person", fix="See vimotion inbox people list"
        ) from None


def set_password(store: Store, login: str, password: str, *, now: datetime) -> None:
    """Set the password of an active person, and end the sessions that were open. VIM-E048 if there is none of that login, or it is too short."""
    hashed = hash_password(password)
    with store.session() as session:
        row = session.get(Person, login)
        if row is None or not row.is_active:
            raise VimError("VIM-E048", f"There is nobody with the login '{login}'", fix="See vimotion inbox people list")
        row.password_hash, row.sessions_valid_from = hashed, now


def deactivate(store: Store, login: str, *, now: datetime) -> None:
    """Take somebody's rights and end their sessions; what they decided stays on record. VIM-E048 if there is nobody of that login."""
    with store.session() as session:
        row = session.get(Person, login)
        if row is None:
            raise VimError("VIM-E048", f"There is nobody with the login '{login}'", fix="See vimotion inbox people list")
        row.is_active, row.sessions_valid_from = False, now


def list_people(store: Store) -> list[PersonView]:
    """Everybody, the inactive too, by login."""
    with store.reading() as session:
        return [person_view(row) for row in session.scalars(select(Person).order_by(Person.login))]


def find_person(store: Store, identity: Identity, value: str) -> PersonView | None:
    """The active person whom a door knows by `value`, or None. E-mail addresses are compared without regard to case."""
    wanted = value.casefold() if identity == "email" else value
    with store.reading() as session:
        row = session.scalar(select(Person).where(getattr(Person, identity) == wanted, Person.is_active))
        return person_view(row) if row is not None else None


def deciders(store: Store, policy: Policy, role: str, segment: str | None) -> list[PersonView]:
    """The active people who may decide what needs `role` at an account of `segment`, by login."""
    return who_decides(list_people(store), policy, role, segment)


def who_decides(people: Sequence[PersonView], policy: Policy, role: str, segment: str | None) -> list[PersonView]:
    """Those of `people` who may decide what needs `role` at an account of `segment`."""
    return [person for person in people if person.is_active and policy.suffices(person.role, role) and covers(person.segments, segment)]


def check_password(store: Store, login: str, password: str) -> PersonView | None:
    """The person, if the password is right; None otherwise, after the same time for a login that does not exist."""
    with store.reading() as session:
        row = session.scalar(select(Person).where(Person.login == login, Person.is_active))
        stored = row.password_hash if row is not None else None
        view = person_view(row) if row is not None else None
    is_right = _matches(password, stored or _NOBODY)
    return view if is_right and stored is not None else None


def hash_password(password: str) -> str:
    """`scrypt$SALT$KEY`, both in base 64. Raises VIM-E048 for one that is too short."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise VimError("VIM-E048", f"The password has fewer than {MIN_PASSWORD_LENGTH} characters", fix="Choose a longer one, several words say")
    salt = os.urandom(16)
    return f"scrypt${b64encode(salt).decode()}${b64encode(_key(password, salt)).decode()}"


def _matches(password: str, stored: str) -> bool:
    _, salt, key = stored.split("$")
    return hmac.compare_digest(_key(password, b64decode(salt)), b64decode(key))


def _key(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **SCRYPT)


def resolve_actor(settings: Settings, store: Store, policy: Policy, *, acting_as: str | None = None, os_user: str | None = None) -> Actor:
    """The person at the command line: the operating system's user, mapped to a person. The user id decides, not $USER, which anyone can set.

    `acting_as` is the value of `--as`: a role, or `NAME:ROLE`. It is accepted in the sandbox only (VIM-E043 elsewhere), and the event names
    both, so that a sandbox decision never reads as somebody else's. A user who is nobody's has no role: VIM-E043.
    """
    user = os_user or login_name()
    if acting_as is not None:
        if not settings.is_sandbox:
            raise VimError("VIM-E043", "--as is refused here", why="Only the sandbox lets one person play another", fix="Decide under your own login")
        name, _, role = acting_as.rpartition(":")
        if policy.rank(role) < 0:
            raise VimError("VIM-E043", f"There is no role '{role}'", fix=f"The roles are {', '.join(policy.roles)}")
        return Actor(f"{name or role} (played by {user})", role)
    person = find_person(store, "os_user", user)
    if person is None:
        add = f"vimotion inbox people add LOGIN --role {policy.roles[0]} --os-user {user}"
        raise VimError(
            "VIM-E043", f"The user {user} has no role", why="Every decision is bound to a named person with a role",
            fix=f"In the sandbox, add --as {policy.roles[-1]}; else let whoever runs the system do: {add}" if settings.is_sandbox else f"Let whoever runs the system do: {add}",
        )  # fmt: skip
    return person.actor("cli")


def login_name() -> str:
    """Login of the user this process runs as."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's random user id has no entry
        return f"uid-{os.getuid()}"


def person_view(row: Person) -> PersonView:
    """A row as everybody may see it."""
    return PersonView(
        row.login, row.name, row.role, tuple(row.segments), row.email, row.slack_user_id, row.os_user, row.crm_user_id, row.is_active,
        row.password_hash is not None, row.sessions_valid_from,
    )  # fmt: skip
