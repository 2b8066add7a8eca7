"""Values of the handoff matrix: read from words by code, and compared with what the CRM holds.

A value is kept in one written form for each kind (`parse`), so that two sources can be compared whoever read them, a rule or a model.
Comparing answers yes, no, or None where it cannot be told; only a clear no is a conflict, because a false one sends a person to look
for a difference that is not there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from vim_pipelines.lifecycle.contract_terms import Duration
from vim_pipelines.lifecycle.contract_terms.dates import mentions
from vim_pipelines.lifecycle.contract_terms.durations import lengths

PERPETUAL = "perpetual"

_NUMBER = r"\d{1,3}(?:[,' \u00a0]\d{3})+|\d+"
_SEATS = re.compile(
    rf"(?P<count>{_NUMBER})(?![\d.,]*\d)\s*(?:named |paid |full |active )?(?P<product>(?:[a-z]+ ){{0,2}}?)(?:seats?|users?|licen[cs]es?)\b", re.IGNORECASE
)
_PRICE = re.compile(r"(?:\d{1,3}(?:[,' ]\d{3})+|\d+)(?:\.\d{1,4})?")
#: "and" parts two products and not "seat and year".
_PIECES = re.compile(r";|\n|(?<=[a-z)]) and (?=\d|[\w ]{1,30}?(?:\bat\b|\bwith\b|:|=) ?\d)", re.IGNORECASE)
_DAYS_OF_MONTHS = (28, 31)
_NO_NAME = (
    "a an and at be by chief co coo ceo cfo cto cio cso cro vp svp evp head director manager officer operating executive financial technology information "
    "president vice of our sponsor champion lead team leader is not no yet named known the their to will who whom signed holds budget buyer economic from"
)
#: Words of a title or a placeholder that are nobody's name.
NO_NAME = frozenset(_NO_NAME.split())


def words_of(text: str) -> list[str]:
    """The words of a text, without accents, in lower case."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() if not text.isascii() else text
    return re.findall(r"[a-z0-9]+", plain.lower()) or re.findall(r"\w+", text.lower())


def name_words(text: str) -> frozenset[str]:
    """The words of a text that may be parts of a person's name: what stands before a bracket or a comma, without titles."""
    return frozenset(word for word in words_of(re.split(r"[(,;/|]| - ", text.strip(" ,;"))[0]) if word not in NO_NAME and len(word) > 1 and not word.isdigit())


def parse(kind: str, text: str) -> str | None:
    """The written form of a value of this kind, or None if the words hold none.

    text, person, products: the words; seats, price: `product=number` by product, `=number` without one, joined by `; `; period: two ISO
    dates with a slash, or a length; date: ISO; duration: `60 day`, `2 month`, `1 year`; yes_no: yes or no.
    """
    flat = " ".join(text.split())
    low = flat.lower()
    match kind:
        case "person":
            return flat if name_words(flat) else None
        case "seats":
            return _by_product(_seats_pieces(flat))
        case "price":
            return _by_product(_price_pieces(flat))
        case "date":
            return next((mention.value.isoformat() for mention in mentions(low) if mention.value), None)
        case "period":
            dates = [mention.value for mention in mentions(low) if mention.value]
            if len(dates) >= 2:
                return f"{dates[0].isoformat()}/{dates[1].isoformat()}"
            return _length(low)
        case "duration":
            return _length(low)
        case "yes_no":
            return _yes_no(low)
    return flat if re.search(r"\w", flat) else None


def _length(low: str) -> str | None:
    found = next((length.value for length in lengths(low) if length.value), None)
    return f"{found.count} {found.unit}" if found else None


def _yes_no(low: str) -> str | None:
    first = re.match(r"\W*(yes|no|true|false|y|n|automatic|manual|none)\b", low)
    if first:
        return "yes" if first[1] in ("yes", "true", "y", "automatic") else "no"
    if re.search(r"\b(?:not|never|no)\b|n't\b", low):
        return "no"
    return "yes" if re.search(r"renew", low) else None


def _seats_pieces(flat: str) -> list[tuple[str, str]]:
    found = []
    for piece in _PIECES.split(flat):
        named = _SEATS.search(piece)
        bare = None if named else re.fullmatch(rf"(?:[A-Za-z][\w &/-]*[:=]?\s*)?(?P<count>{_NUMBER})\W*", piece.strip())
        match = named or bare
        if match:
            before = (piece.strip() if bare else piece)[: match.start("count")]
            found.append((_product(before) or _product((named and named["product"]) or ""), re.sub(r"\D", "", match["count"])))
    return found


def _price_pieces(flat: str) -> list[tuple[str, str]]:
    found = []
    for piece in _PIECES.split(flat):
        match = _PRICE.search(piece)
        if match:
            amount = Decimal(re.sub(r"[,' ]", "", match.group()))
            per_year = amount * 12 if re.search(r"\bmonth", piece[match.end() :].lower().split("(")[0]) else amount
            found.append((_product(piece[: match.start()]), f"{per_year.normalize():f}"))
    return found


def _product(before: str) -> str:
    words = [
        word for word in words_of(before) if word not in {"with", "at", "for", "seats", "the", "order", "covers", "usd", "eur", "gbp", "chf", "jpy", "and"}
    ]
    return " ".join(words[-4:])


def _by_product(pieces: list[tuple[str, str]]) -> str | None:
    return "; ".join(f"{product}={number}" for product, number in pieces) or None


def numbers_by_product(written: str) -> dict[str, Decimal]:
    """`core=120; =40` as product to number; pieces of one product are added."""
    result: dict[str, Decimal] = {}
    for piece in written.split("; "):
        product, _, number = piece.rpartition("=")
        try:
            result[product] = result.get(product, Decimal(0)) + Decimal(number)
        except InvalidOperation:
            continue
    return result


def duration_of(written: str) -> Duration | None:
    """`60 day` as a length of time."""
    count, _, unit = written.partition(" ")
    if not count.isdigit() or unit not in ("day", "month", "year"):
        return None
    return Duration(int(count), unit)  # type: ignore[arg-type]


def is_same_days(written: str, days: int) -> bool | None:
    """Whether a length is that many days; a month is 28 to 31 of them."""
    length = duration_of(written)
    if length is None:
        return None
    count, unit = length.in_base_units
    if unit == "day":
        return count == days
    return count * _DAYS_OF_MONTHS[0] <= days <= count * _DAYS_OF_MONTHS[1]


def is_near(first: date, second: date, days: float) -> bool:
    return abs((first - second).days) <= days


def is_same_numbers(written: str, held: Mapping[str, Decimal], share: float) -> bool | None:
    """Numbers of a document against those of the CRM by product: every named product must agree; numbers without a product may be one of them or the sum."""
    told = numbers_by_product(written)
    if not told or not held:
        return None
    by_words = {frozenset(words_of(product)): number for product, number in held.items()}
    total = sum(held.values(), Decimal(0))
    compared = False
    for product, number in told.items():
        mine = by_words.get(frozenset(words_of(product))) if product else None
        if mine is None and product:
            mine = next((value for words, value in by_words.items() if words <= frozenset(words_of(product))), None)
        if mine is None:
            if any(is_share_off(number, value, share) is False for value in (*held.values(), total)):
                compared = True
                continue
            # Words before the number that are no product of ours: other things may be counted there.
            if product and len(told) > 1:
                continue
            return False
        compared = True
        if is_share_off(number, mine, share):
            return False
    return True if compared else None


def is_share_off(first: Decimal, second: Decimal, share: float) -> bool:
    """Whether two numbers differ by more than that share of the second."""
    return abs(first - second) > abs(second) * Decimal(str(share))


def period_agrees(written: str, spans: Iterable[tuple[date | None, date | None]], days: float) -> bool | None:
    """A period, a length or 'perpetual' of a document against start and end of the lines it is about; end None is open-ended."""
    compared: list[bool] = []
    for start, end in spans:
        if written == PERPETUAL:
            compared.append(end is None)
        elif "/" in written and start is not None:
            first, last = (date.fromisoformat(part) for part in written.split("/"))
            compared.append(end is not None and is_near(first, start, days) and is_near(last, end, days))
        elif (length := duration_of(written)) is not None and start is not None:
            compared.append(end is not None and is_near(length.after(start) - timedelta(days=1), end, days))
    return any(compared) if compared else None


def person_agrees(written: str, live: Iterable[str], known: Iterable[str]) -> bool | None:
    """A person of a document against the live contacts of a role. None where the document names nobody, or somebody of the customer with another role by now."""
    told = name_words(written)
    if not told:
        return None
    if any(told & name_words(name) for name in live):
        return True
    # A single word is a first name or a nickname as often as a name.
    if len(told) < 2 or any(told & name_words(name) for name in known):
        return None
    return False
