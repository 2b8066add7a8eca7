"""What one customer is like before anything happens to it: size, products, terms, prices, adoption, progress, and its one defect.

Planted account and clean twin draw their profile from the same numbers, so that they differ in the defect and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from vim_pipelines.sandbox.simulator import words
from vim_pipelines.sandbox.simulator.catalog import HEADLINE_NAME, LIST_PRICE_USD, PRICE_BOOK, PRODUCT_FEATURES, UNKNOWN_CURRENCY, add_months
from vim_pipelines.sandbox.simulator.plan import Parameters, Role, account_key, rng_for


@dataclass(frozen=True)
class Line:
    """One contract line. `served_on`: day on which the customer gave notice for it; `status`: the status it has in the end."""

    product: str
    seats: int
    list_price: Decimal
    net_price: Decimal
    currency: str
    start: date
    end: date
    notice_days: int
    auto_renew: bool
    status: str = "active"
    served_on: date | None = None


@dataclass(frozen=True)
class Adoption:
    """How one product is used: `adopters` people, each active in a week with a personal probability around `weekly_rate`."""

    product: str
    adopters: int
    weekly_rate: float
    spans: tuple[tuple[date, date], ...]
    features: tuple[str, ...]


@dataclass(frozen=True)
class Defect:
    """When and how strongly a planted truth acts; an account without one has a defect of size 1 that starts with it and does nothing.

    `size`, by truth: shelfware: share of seats used; spiky: level of an off week; dropping, silence: share of people left;
    ticket_overload: factor on the ordinary rate. `start` of a win-back is the day of the new contract.
    """

    start: date
    size: float = 1.0
    end: date = date.max
    notice_on: date = date.max
    lost_on: date = date.max


@dataclass(frozen=True)
class Story:
    """What happens to an ordinary account, and on which day; `detail` is the field of a contract that the paper says otherwise (`story.py`)."""

    kind: str
    day: date
    detail: str


@dataclass(frozen=True)
class Profile:
    """One customer. `progress` is the first lifecycle phase whose artefacts are not complete (9: all of them are)."""

    role: Role
    key: str
    name: str
    domain: str
    segment: str
    tier: str
    currency: str
    since: date
    lines: tuple[Line, ...]
    adoption: tuple[Adoption, ...]
    progress: int
    tickets_per_week: float
    defect: Defect
    story: Story | None = None

    def tells(self, kind: str) -> bool:
        """Whether this story happens to the account."""
        return self.story is not None and self.story.kind == kind

    @property
    def lacks_notice(self) -> bool:
        """Whether nobody wrote down the notice period: neither the CRM, nor the handoff, nor a contract has it."""
        return self.story is not None and self.story.kind == "crm_gap" and self.story.detail == "notice_days"

    @property
    def number(self) -> str:
        return f"{self.role.index:05d}"

    @property
    def truth(self) -> str | None:
        """The defect of a planted account or the dirt of a dirty one; None for clean accounts."""
        return self.role.truth if self.role.kind in ("planted", "dirty") else None

    @property
    def is_clean(self) -> bool:
        """Built without weaknesses of its own: headline, planted (but for the defect), twins."""
        return self.role.kind in ("headline", "planted", "twin")

    def active_lines(self, day: date) -> list[Line]:
        return [line for line in self.lines if line.status == "active" and line.start <= day <= line.end]

    @property
    def term_start(self) -> date:
        """Start of the relation that counts: after a win-back it begins again."""
        return self.defect.start if self.truth == "win_back" else self.since


def draw_profile(parameters: Parameters, role: Role) -> Profile:
    """The profile of one account, the same whoever asks for it and in whatever order."""
    if role.kind == "headline":
        return _headline(parameters, role)
    # Pairs share their numbers; the offset keeps them apart from the accounts' own.
    rng = rng_for(parameters, "profile", role.index if role.pair is None else 1_000_000 + role.pair)
    truth = role.truth or "ordinary"
    paired = role.kind in ("planted", "twin")
    today = parameters.today

    segment, seats = _size(rng, truth, paired)
    tier = {"enterprise": "tier_1", "mid_market": "tier_2", "smb": "tier_3"}[segment] if rng.random() < 0.8 else "tier_2"
    currency = str(rng.choice(["USD", "EUR", "GBP"], p=[0.6, 0.25, 0.15]))
    products = ["core", *(p for p, share in (("analytics", 0.35), ("automation", 0.2)) if rng.random() < share)]
    terms, progress = _terms(rng, truth, paired, today)
    has_overlap = rng.random() < 0.15

    defect = _defect(rng, truth, today, terms) if paired else Defect(terms[0][0])
    lines: list[Line] = []
    adoption: list[Adoption] = []
    for product in products:
        bought = seats if product == "core" else max(5, round(seats * rng.uniform(0.3, 0.7)))
        made = _lines(rng, product, bought, currency, terms, has_overlap and product == "core")
        lines += made
        adopters, rate = _level(rng, bought, paired)
        adoption.append(Adoption(product, adopters, rate, tuple((line.start, line.end) for line in made), _features(product)))
    profile = Profile(
        role, account_key(role.index), "", "", segment, tier, currency, terms[0][0], tuple(lines), tuple(adoption), progress,
        tickets_per_week=float(np.clip(0.06 * np.sqrt(seats) * rng.lognormal(0, 0.3), 0.1, 3.0)),
        defect=defect if role.kind == "planted" else Defect(terms[0][0]),
    )  # fmt: skip
    if role.kind == "planted":
        profile = _with_defect(rng, profile, today)
    elif role.kind == "dirty":
        profile = _with_dirt(profile, today)
    return _named(parameters, profile)


def _size(rng: np.random.Generator, truth: str, paired: bool) -> tuple[str, int]:
    """Segment and seats of the main product. Rules need room to see: a planted defect sits in an account of 30 seats or more."""
    if truth == "shelfware" and paired:
        # One in eight stays small: a finding of fewer than twenty seats has to be found as well.
        seats = int(rng.integers(28, 40)) if rng.random() < 0.125 else int(rng.integers(60, 150))
    elif paired:
        seats = int(rng.integers(32, 100))
    else:
        low, mode, high = [(8, 14, 36), (25, 50, 120), (90, 120, 260)][int(rng.choice(3, p=[0.45, 0.42, 0.13]))]
        seats = round(rng.triangular(low, mode, high))
    return ("smb" if seats < 35 else "mid_market" if seats < 110 else "enterprise"), seats


def _terms(rng: np.random.Generator, truth: str, paired: bool, today: date) -> tuple[list[tuple[date, date]], int]:
    """The chain of terms (start, end) up to the one that covers today, and the lifecycle progress."""
    months = int(rng.choice([12, 12, 12, 24, 36]))
    if paired and truth in ("late_first_value", "incomplete_handoff"):
        age = int(rng.integers(150, 240)) if truth == "late_first_value" else int(rng.integers(26, 55))
        start = today - timedelta(days=age)
        return [(start, add_months(start, 12) - timedelta(days=1))], (8 if truth == "late_first_value" else 4)
    if truth == "ordinary" and rng.random() < 0.25:
        age = int(rng.integers(4, 185))
        start = today - timedelta(days=age)
        latest = 1 + sum(age > limit for limit in (8, 25, 45)) + (4 if age > 120 else 0)
        return [(start, add_months(start, months) - timedelta(days=1))], max(1, latest - int(rng.random() < 0.3))

    months = 12 if paired else months
    end = today + timedelta(days=int(rng.integers(70, 150)) if truth == "notice_served" else int(rng.integers(12, 360)))
    terms: list[tuple[date, date]] = []
    for _ in range(int(rng.integers(2, 5)) if months == 12 else int(rng.integers(1, 3))):
        start = add_months(end + timedelta(days=1), -months)
        terms.insert(0, (start, end))
        end = start - timedelta(days=1)
    # Few grown accounts are stuck in an early phase; an account with planted dirt is stuck in none.
    progress = 9 if paired else int(rng.choice([3, 4, 8, 9], p=[0.02, 0.06, 0.50, 0.42])) if truth == "ordinary" else 8
    if (terms[0][0] - today).days > -150:
        progress = min(progress, 8)
    # A renewal that is signed before the old term ends stands in the CRM as a line that has not begun.
    last_end = terms[-1][1]
    if (last_end - today).days < 40 and rng.random() < 0.7:
        terms.append((last_end + timedelta(days=1), add_months(last_end + timedelta(days=1), months) - timedelta(days=1)))
    return terms, progress


def _lines(rng: np.random.Generator, product: str, seats: int, currency: str, terms: list[tuple[date, date]], overlap: bool) -> list[Line]:
    """One line per term; with `overlap` the newest begun term is split into a base line and a later, dearer add-on of the same product."""
    list_price = Decimal(round(LIST_PRICE_USD[product] * PRICE_BOOK[currency]))
    discount = Decimal(int(rng.integers(0, 7)) * 5) / 100
    net = (list_price * (1 - discount)).quantize(Decimal("0.01"))
    notice, auto_renew = int(rng.choice([30, 60, 60, 90])), bool(rng.random() < 0.8)
    grown = np.sort(rng.uniform(0.7, 1.0, len(terms) - 1))
    lines = [
        Line(product, max(1, round(seats * share)), list_price, net, currency, start, end, notice, auto_renew)
        for share, (start, end) in zip([*grown, 1.0], terms, strict=True)
    ]
    if overlap and seats >= 10:
        base = lines[-1]
        added = max(2, round(seats * 0.25))
        late_start = base.start + timedelta(days=int(rng.integers(20, 120)))
        own_end = base.end + timedelta(days=int(rng.choice([0, 90, 180])))
        addon_net = (list_price * Decimal("0.95")).quantize(Decimal("0.01"))
        lines[-1] = replace(base, seats=seats - added)
        lines.append(Line(product, added, list_price, addon_net, currency, late_start, own_end, notice, auto_renew))
    return lines


def _level(rng: np.random.Generator, seats: int, clean: bool) -> tuple[int, float]:
    """Adopters and their mean weekly rate. Clean accounts use about 95 % of their seats every week; of the others some do not."""
    if clean:
        return seats, float(rng.uniform(0.955, 0.975))
    low, high = [(0.92, 1.0), (0.75, 0.92), (0.45, 0.75), (0.15, 0.45), (1.02, 1.2)][int(rng.choice(5, p=[0.60, 0.22, 0.10, 0.03, 0.05]))]
    return max(1, round(seats * rng.uniform(low, high))), float(rng.uniform(0.78, 0.95))


def _features(product: str) -> tuple[str, ...]:
    return tuple(feature.name for feature in PRODUCT_FEATURES[product])


def _defect(rng: np.random.Generator, truth: str, today: date, terms: list[tuple[date, date]]) -> Defect:
    """Dates and size of a defect. Drawn for the twin as well and then thrown away, so that what follows is drawn alike."""
    monday = today - timedelta(days=today.weekday())
    begin = terms[0][0]
    days_ago = int(rng.integers(0, 8))
    share = float(rng.uniform(0, 1))
    match truth:
        case "shelfware":
            return Defect(begin, size=0.22 + 0.30 * share)
        case "spiky":
            return Defect(monday - timedelta(weeks=39), size=0.15 + 0.15 * share)
        case "gapped":
            start = today - timedelta(days=70 + days_ago)
            return Defect(start, end=start + timedelta(days=20 + round(share * 5)))
        case "dropping":
            return Defect(monday - timedelta(weeks=4 + days_ago % 3), size=0.40 + 0.15 * share)
        case "ticket_overload":
            return Defect(today - timedelta(days=28), size=5.0 + 3.0 * share)
        case "silence":
            return Defect(monday - timedelta(weeks=12), size=0.25 + 0.10 * share)
        case "sponsor_lost":
            return Defect(today - timedelta(days=25 + 4 * days_ago))
        case "late_first_value":
            return Defect(begin + timedelta(days=75 + days_ago))
        case "notice_served":
            return Defect(today - timedelta(days=12 + 4 * days_ago))
        case "win_back":
            won_back = today - timedelta(days=110 + 6 * days_ago)
            lost = won_back - timedelta(days=100 + round(60 * share))
            return Defect(won_back, lost_on=lost, notice_on=lost - timedelta(days=75))
        case _:
            return Defect(begin)


def _with_defect(rng: np.random.Generator, profile: Profile, today: date) -> Profile:
    """The parts of a defect that change the profile itself; the rest is applied where usage, tickets and texts are made."""
    defect = profile.defect
    if profile.truth == "shelfware":
        core = profile.adoption[0]
        seats = sum(line.seats for line in profile.active_lines(today) if line.product == "core")
        fewer = replace(core, adopters=max(2, round(seats * defect.size)))
        return replace(profile, adoption=(fewer, *profile.adoption[1:]))
    if profile.truth == "unused_features":
        return replace(profile, adoption=tuple(replace(a, features=_narrow(a.product)) for a in profile.adoption))
    if profile.truth == "notice_served":
        lines = tuple(replace(ln, served_on=defect.start, auto_renew=False) if ln.start <= today <= ln.end else ln for ln in profile.lines)
        return replace(profile, lines=lines)
    if profile.truth == "win_back":
        won, lost, notice = defect.start, defect.lost_on, defect.notice_on
        products = [a.product for a in profile.adoption]
        old = [ln for ln in profile.lines if ln.start < notice]
        closed = [replace(ln, end=lost, served_on=notice, auto_renew=False, status="terminated") if ln.end >= notice else ln for ln in old]
        fresh = [
            replace(next(ln for ln in reversed(profile.lines) if ln.product == p), start=won, end=add_months(won, 12) - timedelta(days=1)) for p in products
        ]
        fresh = [replace(ln, seats=sum(x.seats for x in profile.active_lines(today) if x.product == ln.product) or ln.seats) for ln in fresh]
        if not any(ln.status == "terminated" for ln in closed):
            closed = [replace(ln, start=add_months(won, -24), end=lost, served_on=notice, auto_renew=False, status="terminated") for ln in fresh]
        lines = tuple(closed + fresh)
        adoption = tuple(replace(a, spans=tuple((ln.start, ln.end) for ln in lines if ln.product == a.product)) for a in profile.adoption)
        return replace(profile, lines=lines, adoption=adoption, since=min(ln.start for ln in lines), progress=8)
    return profile


def _narrow(product: str) -> tuple[str, ...]:
    """The features an account uses that bought more than it learned: all the plain ones and a single value feature."""
    features = PRODUCT_FEATURES[product]
    first_value = next(feature.name for feature in features if feature.is_value)
    return tuple(feature.name for feature in features if not feature.is_value or feature.name == first_value)


def _with_dirt(profile: Profile, today: date) -> Profile:
    """A faulty line beside the good ones. Conflicting seats are made in the handoff document, not here."""
    base = profile.lines[-1]
    start = max(profile.since, today - timedelta(days=300))
    extra = replace(base, product="automation", seats=10, list_price=Decimal(240), net_price=Decimal(200), start=start, end=add_months(start, 24))
    match profile.truth:
        case "dirty_seats_zero":
            faulty = [replace(extra, seats=0)]
        case "dirty_renewal_before_start":
            faulty = [replace(extra, end=start - timedelta(days=45))]
        case "dirty_unknown_currency":
            faulty = [replace(extra, currency=UNKNOWN_CURRENCY)]
        case _:
            faulty = []
    return replace(profile, lines=(*profile.lines, *faulty))


def _named(parameters: Parameters, profile: Profile) -> Profile:
    """Name and mail domain. The permutation is the seed's: another seed has other customers."""
    offset = int(rng_for(parameters, "identity").integers(0, 2_000))
    name = words.company_name(profile.role.index + offset)
    return replace(profile, name=name, domain=f"{words.slug(name)}.example")


def _headline(parameters: Parameters, role: Role) -> Profile:
    """DESIGN section 1: 200 seats at $300 net, 50 people use them, renewal 240 days after the last complete day."""
    end = parameters.today + timedelta(days=239)
    start = add_months(end + timedelta(days=1), -36)
    line = Line("core", 200, Decimal(360), Decimal(300), "USD", start, end, 60, True)
    adoption = Adoption("core", 50, 1.0, ((start, end),), _features("core"))
    name = HEADLINE_NAME
    return Profile(role, account_key(0), name, f"{words.slug(name)}.example", "enterprise", "tier_1", "USD", start, (line,), (adoption,), 9, 0.5, Defect(start))
