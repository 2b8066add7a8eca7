"""Who a person is: every key, address and name under which the warehouse and the store know them, found from one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from vim_pipelines.core.suppression import ANYWHERE, Entry, entries_of
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
    keys: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    is_colleague: bool = False

    def __bool__(self) -> bool:
        return bool(self.accounts or self.logins or self.is_colleague)

    @property
    def scope(self) -> tuple[str, ...]:
        """Accounts in whose rows the names are meant."""
        return (*self.accounts, ANYWHERE) if self.is_colleague else self.accounts

    def entries(self, key: bytes) -> frozenset[Entry]:
        """What is remembered of the person: hashes."""
        return entries_of(key, mails=self.mails, keys=(*self.keys, *self.logins), names=self.names, accounts=self.scope)

    def called(self) -> tuple[str, ...]:
        """Everything that the person is called, the longest first."""
        return tuple(sorted({*self.mails, *self.keys, *self.names, *self.logins}, key=lambda text: (-len(text), text)))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Identity:
        """From `as_json`."""
        texts = [tuple(str(text) for text in value[name]) for name in ("mails", "keys", "names", "accounts", "logins")]
        return cls(texts[0], texts[1], texts[2], texts[3], texts[4], bool(value["is_colleague"]))


def find(asked: str, session: Session | None, store: Store) -> Identity:
    """The person behind an e-mail address, a contact's or a user's key, or a login; an empty identity if nobody is.

    `session`: the warehouse, None where there is none yet. Names alone are not asked for: two people may bear one.
    """
    mails: set[str] = {asked.strip().lower()} if "@" in asked else set()
    keys: set[str] = set()
    names: set[str] = set()
    accounts: set[str] = set()
    logins: set[str] = set()
    wanted_keys = {asked.strip()}
    is_colleague = False
    for _round in range(ROUNDS):
        before = (len(mails), len(keys), len(names), len(accounts), len(logins))
        for row in _people(store, mails, wanted_keys):
            is_colleague = True
            logins |= {row.login} | {value for value in (row.slack_user_id, row.os_user, row.crm_user_id) if value}
            names.add(row.name)
            mails |= {row.email.lower()} if row.email else set()
        if session is not None:
            for found in _warehouse_rows(session, mails, wanted_keys):
                accounts |= {found["account_key"]} if found["account_key"] and not found["is_colleague"] else set()
                keys |= {found["person_key"]} if found["person_key"] else set()
                names |= {found["full_name"].strip()} if found["full_name"] and found["full_name"].strip() else set()
                mails |= {found["email"].strip().lower()} if found["email"] else set()
                is_colleague = is_colleague or found["is_colleague"]
        wanted_keys |= keys
        if (len(mails), len(keys), len(names), len(accounts), len(logins)) == before:
            break
    if not (accounts or logins or is_colleague):
        return Identity()
    return Identity(tuple(sorted(mails)), tuple(sorted(keys)), tuple(sorted(names)), tuple(sorted(accounts)), tuple(sorted(logins)), is_colleague)


def _people(store: Store, mails: set[str], keys: set[str]) -> list[Person]:
    with store.session() as session:
        return list(session.scalars(select(Person).where(or_(func.lower(Person.email).in_(sorted(mails)), Person.login.in_(sorted(keys))))))


def _warehouse_rows(session: Session, mails: set[str], keys: set[str]) -> Iterable[dict[str, Any]]:
    """Rows with account_key, person_key, full_name, email, is_colleague."""
    asked_mails, asked_keys = sorted(mails) or [""], sorted(keys) or [""]
    mail_marks, key_marks = (", ".join("?" * len(values)) for values in (asked_mails, asked_keys))
    for table, key, name, email in (("contacts", "contact_key", "full_name", "email"), ("license_assignments", "user_key", "null", "user_email")):
        if session.table_exists(f"raw.{table}"):
            yield from session.rows(
                f"select distinct account_key, {key} as person_key, {name} as full_name, {email} as email, false as is_colleague"
                f" from raw.{table} where lower(trim({email})) in ({mail_marks}) or {key} in ({key_marks})",
                [*asked_mails, *asked_keys],
            )
    if session.table_exists("raw.accounts"):
        for name, email in (("csm_name", "csm_email"), ("owner_name", "owner_email"), ("null", "director_email")):
            yield from session.rows(
                f"select distinct account_key, null as person_key, {name} as full_name, {email} as email, true as is_colleague"
                f" from raw.accounts where lower(trim({email})) in ({mail_marks})",
                asked_mails,
            )
