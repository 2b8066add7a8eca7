"""A parser for the part of SOQL that integrations use, and its translation to SQLite with bound parameters.

SELECT fields | COUNT() FROM object [WHERE ...] [ORDER BY ...] [LIMIT n] [OFFSET n]; comparisons = != <> < <= > >= LIKE IN, NOT IN,
NOT, AND, OR, null, booleans, numbers, strings, dates, datetimes. No relationships, subqueries, aggregates or date words
(TODAY). What Salesforce refuses is refused with its code: INVALID_TYPE, INVALID_FIELD, MALFORMED_QUERY. SOQL's own rules that surprise
are kept: AND and OR do not mix without parentheses, text compares without case, `!=` meets empty fields, empty fields sort first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from vim_pipelines.sandbox.emulators.objects import OBJECTS, Field, SObject
from vim_pipelines.sandbox.emulators.state import STAMP, stamp_text

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
    | (?P<date>\d{4}-\d{2}-\d{2})
    | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z][A-Za-z0-9_.]*)
    | (?P<operator><=|>=|!=|<>|=|<|>)
    | (?P<mark>[(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "_": "_", "%": "%"}
_ADVICE = "Please reference your WSDL or the describe call for the appropriate names."


class SoqlError(Exception):
    """What Salesforce answers to a query it cannot run: its error code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Query:
    """A parsed query: `sql` selects the rowids of current rows of `sobject`, `fields` are to be returned in this order (none: COUNT())."""

    sobject: SObject
    fields: tuple[Field, ...]
    sql: str
    parameters: tuple[Any, ...]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


_ORG = {name.lower(): sobject for name, sobject in OBJECTS.items()}


def parse(text: str, *, include_deleted: bool, objects: Mapping[str, SObject] = _ORG) -> Query:
    """The query that `text` means, or SoqlError. `include_deleted` is true for queryAll; `objects` are the org's, by lower-case name."""
    return _Parser(text, objects).query(include_deleted)


class _Parser:
    def __init__(self, text: str, objects: Mapping[str, SObject]) -> None:
        self._text, self._objects = text, objects
        self._tokens = list(_tokens(text))
        self._at = 0
        self._parameters: list[Any] = []

    def query(self, include_deleted: bool) -> Query:
        self._keyword("select")
        names = self._select_list()
        self._keyword("from")
        at = self._expect("name")
        sobject = self._objects.get(at.text.lower())
        if sobject is None:
            raise self._located(
                "INVALID_TYPE",
                f"sObject type '{at.text}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. "
                + _ADVICE,
                at,
            )
        self._sobject = sobject
        fields = tuple(self._field(token) for token in names)
        seen: set[str] = set()
        for token, column in zip(names, fields, strict=True):
            if column.name in seen:
                raise self._located("INVALID_FIELD", f"duplicate field selected: {column.name}", token)
            seen.add(column.name)
        where = [] if include_deleted else ["IsDeleted = 0"]
        if self._take_keyword("where"):
            where.append(f"({self._condition()})")
        order = self._order_by() if self._take_keyword("order") else []
        limit = self._count("limit")
        offset = self._count("offset")
        if self._peek() is not None:
            raise self._unexpected(self._peek())
        sql = f'select rowid from "c_{sobject.name}"' + (f" where {' and '.join(where)}" if where else "")
        # Without ORDER BY Salesforce promises no order; by Id is one that a person can follow.
        sql += f" order by {', '.join([*order, 'Id'])}"
        if limit is not None or offset is not None:
            sql += f" limit {-1 if limit is None else limit} offset {offset or 0}"
        return Query(sobject, fields, sql, tuple(self._parameters))

    def _select_list(self) -> list[_Token]:
        first = self._expect("name")
        if first.text.lower() == "count" and self._take("mark", "("):
            self._need("mark", ")")
            return []
        names = [first]
        while self._take("mark", ","):
            names.append(self._expect("name"))
        return names

    def _condition(self) -> str:
        parts, joiner = [self._term()], ""
        while True:
            token = self._peek()
            word = token.text.lower() if token is not None and token.kind == "name" else ""
            if word not in ("and", "or"):
                return f" {joiner} ".join(parts)
            if joiner and word != joiner:
                raise self._unexpected(token)
            joiner = word
            self._at += 1
            parts.append(self._term())

    def _term(self) -> str:
        if self._take_keyword("not"):
            return f"not ({self._term()})"
        if self._take("mark", "("):
            inner = self._condition()
            self._need("mark", ")")
            return f"({inner})"
        token = self._expect("name")
        field = self._field(token)
        column = _column(field)
        collation = " collate nocase" if _is_text(field) else ""
        is_not = self._take_keyword("not")
        if self._take_keyword("in"):
            values = self._list(field)
            marks = ", ".join("?" * len(values))
            self._parameters += values
            return f"({column}{collation} {'not in' if is_not else 'in'} ({marks}){' or ' + column + ' is null' if is_not else ''})"
        if is_not:
            raise self._unexpected(self._peek())
        if self._take_keyword("like"):
            if not _is_text(field):
                raise self._located("INVALID_FIELD", f"invalid operator on {_word(field)} field", token)
            value = self._expect("string")
            self._parameters.append(_like(value.text))
            return f"{column} like ? escape '\\'"
        operator = self._expect("operator").text
        value = self._value(field)
        self._parameters.append(value)
        if operator == "=":
            return f"{column} is ?{collation}"
        if operator in ("!=", "<>"):
            return f"{column} is not ?{collation}"
        return f"{column} {operator} ?{collation}"

    def _list(self, field: Field) -> list[Any]:
        self._need("mark", "(")
        values = [self._value(field)]
        while self._take("mark", ","):
            values.append(self._value(field))
        self._need("mark", ")")
        return values

    def _value(self, field: Field) -> Any:
        token = self._peek()
        if token is None or token.kind in ("mark", "operator"):
            raise self._unexpected(token)
        self._at += 1
        word = token.text.lower()
        if token.kind == "name" and word not in ("null", "true", "false"):
            raise self._unexpected(token)
        if word == "null" and token.kind == "name":
            return None
        wanted = _kind(field)
        if token.kind == "name":
            given, value = "boolean", int(word == "true")
        else:
            given, value = token.kind, _decoded(token)
        if given != wanted:
            quotes = " and should be enclosed in quotes" if wanted == "string" else " and should not be enclosed in quotes" if given == "string" else ""
            raise self._located("INVALID_FIELD", f"value of filter criterion for field '{field.name}' must be of type {_word(field)}{quotes}", token)
        return value

    def _order_by(self) -> list[str]:
        self._keyword("by")
        order = []
        while True:
            field = self._field(self._expect("name"))
            direction = "desc" if self._take_keyword("desc") else "asc"
            self._take_keyword("asc")
            nulls = "first"
            if self._take_keyword("nulls"):
                nulls = "last" if self._take_keyword("last") else "first"
                self._take_keyword("first")
            collation = " collate nocase" if _is_text(field) else ""
            # SQLite puts empty values first when ascending already; saying so would keep it from using the index.
            explicit = "" if (direction, nulls) in (("asc", "first"), ("desc", "last")) else f" nulls {nulls}"
            order.append(f"{_column(field)}{collation} {direction}{explicit}")
            if not self._take("mark", ","):
                return order

    def _count(self, word: str) -> int | None:
        if not self._take_keyword(word):
            return None
        token = self._expect("number")
        if not token.text.isdigit():
            raise self._unexpected(token)
        return int(token.text)

    def _field(self, token: _Token) -> Field:
        field = self._sobject.by_lower_name.get(token.text.lower())
        if field is None:
            raise self._located(
                "INVALID_FIELD",
                f"No such column '{token.text}' on entity '{self._sobject.name}'. If you are attempting to use a custom field, be sure to append the '__c' "
                f"after the custom field name. {_ADVICE}",
                token,
            )
        return field

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, kind: str, text: str) -> bool:
        token = self._peek()
        if token is not None and token.kind == kind and token.text == text:
            self._at += 1
            return True
        return False

    def _take_keyword(self, word: str) -> bool:
        token = self._peek()
        if token is not None and token.kind == "name" and token.text.lower() == word:
            self._at += 1
            return True
        return False

    def _need(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise self._unexpected(self._peek())

    def _keyword(self, word: str) -> None:
        if not self._take_keyword(word):
            raise self._unexpected(self._peek())

    def _expect(self, kind: str) -> _Token:
        token = self._peek()
        if token is None or token.kind != kind:
            raise self._unexpected(token)
        self._at += 1
        return token

    def _unexpected(self, token: _Token | None) -> SoqlError:
        return SoqlError("MALFORMED_QUERY", f"unexpected token: {token.text if token else '<EOF>'}")

    def _located(self, code: str, message: str, token: _Token) -> SoqlError:
        start = max(0, token.at - 40)
        line = self._text[start : token.at + 40].replace("\n", " ")
        return SoqlError(code, f"\n{line}\n{' ' * (token.at - start)}^\nERROR at Row:1:Column:{token.at + 1}\n{message}")


def _tokens(text: str) -> Any:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].strip()
            raise SoqlError("MALFORMED_QUERY", f"line 1:{at} no viable alternative at character '{rest[0]}'")
        kind = str(match.lastgroup)
        yield _Token(kind, match.group(kind), match.start(kind))
        at = match.end()


def _decoded(token: _Token) -> Any:
    if token.kind == "string":
        return _unescape(token.text[1:-1])
    try:
        if token.kind == "date":
            return date.fromisoformat(token.text).isoformat()
        if token.kind == "datetime":
            return stamp_text(datetime.fromisoformat(token.text).astimezone(UTC).replace(tzinfo=None))
    except ValueError:
        raise SoqlError("MALFORMED_QUERY", f"invalid date: {token.text}") from None
    return float(token.text)


def _unescape(body: str) -> str:
    def decode(match: re.Match[str]) -> str:
        letter = match.group(1)
        if letter.startswith("u"):
            return chr(int(letter[1:], 16))
        if letter.lower() not in _ESCAPES:
            raise SoqlError("MALFORMED_QUERY", f"Illegal string literal: '\\{letter}' is not an escape sequence")
        return _ESCAPES[letter.lower()]

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", decode, body, flags=re.DOTALL)


def _like(literal: str) -> str:
    """SOQL escapes % and _ with a backslash as SQLite's `escape '\\'` does; a literal backslash has to be doubled for it."""
    body = literal[1:-1]
    return re.sub(
        r"\\(u[0-9A-Fa-f]{4}|.)", lambda match: match.group(0) if match.group(1) in ("%", "_", "\\") else _unescape(match.group(0)), body, flags=re.DOTALL
    )


def _column(field: Field) -> str:
    return f'"{STAMP}"' if field.name == "LastModifiedDate" else f'"{field.name}"'


def _is_text(field: Field) -> bool:
    # Ids compare with case; everything a person types does not.
    return _kind(field) == "string" and field.type not in ("id", "reference")


def _kind(field: Field) -> str:
    if field.type in ("int", "double", "currency"):
        return "number"
    return field.type if field.type in ("boolean", "date", "datetime") else "string"


def _word(field: Field) -> str:
    return {"datetime": "dateTime", "currency": "double"}.get(field.type, "string" if _kind(field) == "string" else field.type)
