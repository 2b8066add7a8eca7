"""Who a person is: every key, address and name under which the warehouse and the store know them, found from one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.suppression import ANYWHERE, CONTACT, LOGIN, USER, Entry, entries_of
from vim_pipelines.store.models import Person

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse import Session

#: Rounds of following keys to addresses to keys. Two are enough for any person seen; a cycle in bad data must end.
ROUNDS = 4


@dataclass(frozen=True)
class Identity:
    """What a person is called. `is_colleague`: one of ours (an approver, an account owner), whose name is meant at every account."""

    mails: tuple[str, ...] = ()
    contact_keys: tuple[str, ...] = ()
    user_keys: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    is_colleague: bool = False

    def __bool__(self) -> bool:
        return bool(self.accounts or self.logins or self.is_colleague)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of both kinds."""
        return tuple(sorted({*self.contact_keys, *self.user_keys}))

    @property
    def scope(self) -> tuple[str, ...]:
        """Accounts in whose rows the names are meant."""
        return (*self.accounts, ANYWHERE) if self.is_colleague else self.accounts

    def entries(self, key: bytes) -> frozenset[Entry]:
        """What is remembered of the person: hashes."""
        return entries_of(
            key, mails=self.mails, keys={CONTACT: self.contact_keys, USER: self.user_keys, LOGIN: self.logins}, names=self.names, accounts=self.scope
        )

    def called(self) -> tuple[str, ...]:
        """Everything that the person is called, the longest first."""
        return tuple(sorted({*self.mails, *self.keys, *self.names, *self.logins}, key=lambda text: (-len(text), text)))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Identity:
        """From `as_json`."""
        texts = [tuple(str(text) for text in value[name]) for name in ("mails", "contact_keys", "user_keys", "names", "accounts", "logins")]
        return cls(texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], bool(value["is_colleague"]))


def find(asked: str, session: Session | None, store: Store) -> Identity:
    """The person behind an e-mail address, a contact's or a user's key, or a login; an empty identity if nobody is.

    `session`: the warehouse, None where there is none yet. Names alone are not asked for: two people may bear one. VIM-E192 if `asked` is
    the key of a contact and of a user who have different addresses: they are two people whose systems count alike.
    """
    asked = asked.strip()
    mails: set[str] = {asked.lower()} if "@" in asked else set()
    keys: dict[str, set[str]] = {CONTACT: {asked}, USER: {asked}, LOGIN: {asked}}
    met: dict[str, set[str]] = {CONTACT: set(), USER: set(), LOGIN: set()}
    names: set[str] = set()
    accounts: set[str] = set()
    is_colleague = False
    for round_number in range(ROUNDS):
        before = (len(mails), *(len(some) for some in met.values()), len(names), len(accounts))
        reached: dict[str, set[str]] = {}
        for row in _people(store, mails, keys[LOGIN]):
            is_colleague = True
            met[LOGIN] |= {row.login} | {value for value in (row.slack_user_id, row.os_user, row.crm_user_id) if value}
            names.add(row.name)
            reached.setdefault(LOGIN, set()).update({row.email.lower()} if row.email else ())
        for found in _warehouse_rows(session, mails, keys) if session is not None else ():
            kind, email = found["kind"], (found["email"] or "").strip().lower()
            is_colleague = is_colleague or kind == LOGIN
            if found["account_key"] and kind != LOGIN:
                accounts.add(found["account_key"])
            if found["person_key"]:
                met[kind].add(found["person_key"])
            if found["full_name"] and found["full_name"].strip():
                names.add(found["full_name"].strip())
            if email:
                reached.setdefault(kind, set()).add(email)
        addresses = [some for some in reached.values() if some]
        if round_number == 0 and not mails and len(addresses) > 1 and not set.intersection(*addresses):
            raise VimError(
                "VIM-E192", "This is the key of more than one person", why="A contact, a user or a colleague each have it", fix="Ask by e-mail address"
            )
        mails = mails.union(*addresses)
        keys = {kind: some | met[kind] for kind, some in keys.items()}
        if (len(mails), *(len(some) for some in met.values()), len(names), len(accounts)) == before:
            break
    if not (accounts or met[LOGIN] or is_colleague):
        return Identity()
    sorted_values = [tuple(sorted(values)) for values in (mails, met[CONTACT], met[USER], names, accounts, met[LOGIN])]
    return Identity(sorted_values[0], sorted_values[1], sorted_values[2], sorted_values[3], sorted_values[4], sorted_values[5], is_colleague)


def _people(store: Store, mails: set[str], logins: set[str]) -> list[Person]:
    with store.session() as session:
        return list(session.scalars(select(Person).where(or_(func.lower(Person.email).in_(sorted(mails)), Person.login.in_(sorted(logins))))))


def _warehouse_rows(session: Session, mails: set[str], keys: Mapping[str, set[str]]) -> Iterable[dict[str, Any]]:
    """Rows with kind, account_key, person_key, full_name, email."""
    asked_mails = sorted(mails) or [""]
    mail_marks = ", ".join("?" * len(asked_mails))
    people = ((CONTACT, "contacts", "contact_key", "full_name", "email"), (USER, "license_assignments", "user_key", "null", "user_email"))
    for kind, table, key, name, email in people:
        if session.table_exists(f"raw.{table}"):
            asked_keys = sorted(keys[kind])
            yield from session.rows(
                f"select distinct '{kind}' as kind, account_key, {key} as person_key, {name} as full_name, {email} as email"
                f" from raw.{table} where lower(trim({email})) in ({mail_marks}) or {key} in ({', '.join('?' * len(asked_keys))})",
                [*asked_mails, *asked_keys],
            )
    if session.table_exists("raw.accounts"):
        for name, email in (("csm_name", "csm_email"), ("owner_name", "owner_email"), ("null", "director_email")):
            yield from session.rows(
                f"select distinct '{LOGIN}' as kind, account_key, null as person_key, {name} as full_name, {email} as email"
                f" from raw.accounts where lower(trim({email})) in ({mail_marks})",
                asked_mails,
            )
