"""Erased persons, as a list that names nobody: keyed hashes of what they were called, and the token that stands in its place.

An erasure that the next night undoes is none: the CRM still has the contact, a ticket still carries the name. So ingestion asks this
list about every word it reads, and erasure itself replaces by the same rule, so that a row erased in raw and the same row read
again are equal and add no version. Without the installation's key neither the list nor a token can be tried out against a directory
of addresses.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = "erased-"
#: RFC 2606: a host that can never be one.
TOKEN_HOST = "@erased.invalid"
#: Whose key a column holds. Contacts, users and logins number their own: a short key ("51") is only replaced in its own kind of column.
CONTACT, USER, LOGIN = "contact", "user", "login"
KEY_COLUMNS = (
    {"contact_key": CONTACT, "user_key": USER, "requester_key": USER}
    | dict.fromkeys(("login", "recipient", "slack_user_id", "os_user", "crm_user_id"), LOGIN)
    | dict.fromkeys(("actor", "decided_by", "edited_by", "opened_by", "approved_by", "acknowledged_by", "created_by"), LOGIN)
)
#: Columns of keys that may hold a person's among others'. In all other columns of keys a number is somebody else's, or a thing's.
OPEN_KEYS = frozenset({"row_key", "link_key"})
#: Kinds of entries: an e-mail address or a distinctive key anywhere, a name in the rows of one account, a key in a column of keys.
MAIL, WORD, NAME, KEY = "mail", "word", "name", "key"
ANYWHERE = "*"

_WORD = re.compile(r"\w(?:[\w'’+%-]*\w)?")
_LONGEST_GAP = 3


@dataclass(frozen=True)
class Entry:
    """One thing that a person is called, as a hash. `size`: its words; 0 where only a whole value is compared."""

    kind: str
    digest: str
    size: int


def key_of(secret: bytes) -> bytes:
    """The key of the hashes, from the installation's secret."""
    return hashlib.sha256(b"vimotion suppression\0" + secret).digest()


def check_of(key: bytes) -> str:
    """What is stored beside the entries, to tell later whether the key is still the same."""
    return _hash(key, "check", "", "")


def words_of(text: str) -> tuple[str, ...]:
    """The words of an identifier, as they are compared: whatever stands between them, and in whatever case."""
    return tuple(_folded(match.group()) for match in _WORD.finditer(text))


def is_distinctive(identifier: str) -> bool:
    """Whether a key may be replaced wherever it stands as a word: long enough, and not a word of the language."""
    return len(identifier) >= 6 and any(letter.isdigit() for letter in identifier) and (len(identifier) >= 8 or not identifier.isdigit())


def entries_of(key: bytes, *, mails: Iterable[str], keys: Mapping[str, Iterable[str]], names: Iterable[str], accounts: Iterable[str]) -> frozenset[Entry]:
    """The entries of a person. `keys`: by kind (`CONTACT`, `USER`, `LOGIN`). A name of one word is only ever compared with a whole value; `accounts` may hold `ANYWHERE`."""
    found: set[Entry] = set()
    for mail in mails:
        found.add(Entry(MAIL, _hash(key, MAIL, "", " ".join(words_of(mail))), len(words_of(mail))))
    for kind, identifier in ((kind, identifier) for kind, some in keys.items() for identifier in some):
        found.add(Entry(KEY, _hash(key, KEY, kind, identifier), 0))
        if is_distinctive(identifier):
            found.add(Entry(WORD, _hash(key, WORD, "", " ".join(words_of(identifier))), len(words_of(identifier))))
    for account in accounts:
        for name in names:
            words = words_of(name)
            found.add(Entry(NAME, _hash(key, NAME, account, " ".join(words)), len(words)))
            if len(words) == 2:  # "Santos, Elena"
                found.add(Entry(NAME, _hash(key, NAME, account, " ".join(reversed(words))), 2))
    return frozenset(found)


class Suppression:
    """The list, ready to be asked. Empty: nothing is ever replaced."""

    def __init__(self, key: bytes, entries: Iterable[Entry] = ()) -> None:
        self._key = key
        self._digests = {(entry.kind, entry.digest) for entry in entries}
        self._sizes = sorted({entry.size for entry in entries if entry.size}, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def has_key(self, identifier: str | None, kind: str) -> bool:
        """Whether `identifier` is the key of that kind of an erased person."""
        return identifier is not None and (KEY, _hash(self._key, KEY, kind, identifier)) in self._digests

    def has_mail(self, address: str | None) -> bool:
        """Whether `address` is an e-mail address of an erased person."""
        return address is not None and (MAIL, _hash(self._key, MAIL, "", " ".join(words_of(address)))) in self._digests

    def token_of_key(self, identifier: str) -> str:
        """What stands in a column of keys in place of `identifier`: the same wherever it stood, so that counts of persons stay right."""
        return TOKEN + _hash(self._key, "token", KEY, identifier)[:16]

    def clean(self, text: str, *, account: str | Iterable[str] | None = None, column: str = "") -> str:
        """`text` with a token in place of all that an erased person is called; the very same object where nothing is.

        `account`: account of the row, or several where it is not known; decides which names are meant. `column`: a column of keys is compared whole, too.
        """
        if not self._digests or not text:
            return text
        if column in KEY_COLUMNS and self.has_key(text, KEY_COLUMNS[column]):
            return self.token_of_key(text)
        accounts = (ANYWHERE, *([account] if isinstance(account, str) else account or ()))
        matches = list(_WORD.finditer(text))
        words = [_folded(match.group()) for match in matches]
        parts: list[str] = []
        done = place = 0
        while place < len(words):
            hit = self._hit(text, matches, words, place, accounts, is_other_key=column.endswith(("_key", "_id")) and column not in OPEN_KEYS)
            if hit is None:
                place += 1
                continue
            size, token = hit
            parts += [text[done : matches[place].start()], token]
            done = matches[place + size - 1].end()
            place += size
        return text if not parts else "".join([*parts, text[done:]])

    def clean_value(self, value: Any, *, account: str | Iterable[str] | None = None, column: str = "") -> Any:
        """`clean` through mappings and lists: what a JSON column holds."""
        if isinstance(value, str):
            return self.clean(value, account=account, column=column)
        if isinstance(value, Mapping):
            return {name: self.clean_value(item, account=account, column=str(name)) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_value(item, account=account, column=column) for item in value]
        return value

    def _hit(
        self, text: str, matches: list[re.Match[str]], words: list[str], place: int, accounts: tuple[str, ...], *, is_other_key: bool
    ) -> tuple[int, str] | None:
        for size in self._sizes:
            last = place + size - 1
            if last >= len(words) or any(matches[at + 1].start() - matches[at].end() > _LONGEST_GAP for at in range(place, last)):
                continue
            start, end, joined = matches[place].start(), matches[last].end(), " ".join(words[place : last + 1])
            if "@" in text[start:end]:
                is_whole = text[max(start - 1, 0) : start] not in (".", "_", "%", "+", "-") and not re.match(r"[.-]\w", text[end : end + 2])
                if is_whole and (MAIL, _hash(self._key, MAIL, "", joined)) in self._digests:
                    return size, TOKEN + _hash(self._key, "token", MAIL, joined)[:16] + TOKEN_HOST
                continue
            if not (is_other_key and text[start:end].isdigit()) and (WORD, _hash(self._key, WORD, "", joined)) in self._digests:
                return size, self.token_of_key(text[start:end])
            for account in accounts:
                if (NAME, digest := _hash(self._key, NAME, account, joined)) in self._digests and (size > 1 or len(words) == 1):
                    return size, TOKEN + _hash(self._key, "token", NAME, digest)[:16]
        return None


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).replace("’", "'").casefold()


def _hash(key: bytes, kind: str, scope: str, text: str) -> str:
    return hashlib.blake2b("\0".join((kind, scope, text)).encode("utf-8"), key=key, digest_size=16).hexdigest()
