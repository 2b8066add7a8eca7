"""What happens to some ordinary customers beside the planted truths: they leave, buy a further product, lose and replace a sponsor, or are kept badly.

A planted account must have one defect and its twin none, so these things happen to ordinary accounts only. They are drawn from a stream
of their own: an account without a story is what it was before there were any.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from vim_pipelines.sandbox.simulator.catalog import LIST_PRICE_USD, PRICE_BOOK, PRODUCT_FEATURES, PRODUCTS, add_months
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Adoption, Line, Profile, Story

#: Share of the ordinary accounts that have a story, and days after which a customer counts as grown.
STORY_SHARE, GROWN_DAYS = 0.40, 420


def with_story(parameters: Parameters, profile: Profile) -> Profile:
    """The profile with its story, if it has one."""
    if profile.role.kind != "ordinary":
        return profile
    rng = rng_for(parameters, "story", profile.role.index)
    if rng.random() >= STORY_SHARE:
        return profile
    possible = _possible(parameters, profile)
    if len(possible) == 1 and rng.random() < 0.6:
        return profile  # young accounts would nearly all have an open escalation
    kind = possible[int(rng.integers(0, len(possible)))]
    day = parameters.today - timedelta(days=int(rng.integers(40, 160)))
    detail = str(rng.choice(["notice_days", "seats", "auto_renew"]))
    told = replace(profile, story=Story(kind, day, detail))
    if kind == "churned":
        return _churned(told, day)
    if kind == "new_product" and any(abs((line.start - day).days) <= 10 for line in profile.lines):
        return profile  # two orders within days of each other: nobody could say which paper is about which
    return _with_product(told, day, parameters.today) if kind == "new_product" else told


def _possible(parameters: Parameters, profile: Profile) -> list[str]:
    today = parameters.today
    found = ["escalation_open"]
    lines = profile.active_lines(today)
    is_grown = (today - profile.since).days > GROWN_DAYS and profile.progress >= 8
    if profile.progress >= 4 and lines:
        found += ["crm_gap", "paper_conflict", "follow_ups_late"]
    if is_grown and lines:
        found += ["churned", "churned", "sponsor_replaced"]
        if len(profile.adoption) < len(PRODUCTS):
            found.append("new_product")
    if is_grown and profile.progress >= 9:
        found.append("ebr_overdue")
    if lines and 20 <= (max(line.end for line in lines) - today).days <= 150 and not any(line.start > today for line in profile.lines):
        found.append("renewal_late")
    return found


def _churned(profile: Profile, lost: date) -> Profile:
    """Notice 75 days before the last day; what was to begin later never did."""
    notice = lost - timedelta(days=75)
    lines = tuple(
        replace(line, end=lost, served_on=notice, auto_renew=False, status="terminated") if line.end >= notice else line
        for line in profile.lines
        if line.start < notice
    )
    spans = {a.product: tuple((line.start, line.end) for line in lines if line.product == a.product) for a in profile.adoption}
    return replace(profile, lines=lines, adoption=tuple(replace(a, spans=spans[a.product]) for a in profile.adoption if spans[a.product]))


def _with_product(profile: Profile, start: date, today: date) -> Profile:
    product = next(product for product in PRODUCTS if product not in {a.product for a in profile.adoption})
    base = next(line for line in profile.active_lines(today) if line.product == "core")
    price = type(base.list_price)(round(LIST_PRICE_USD[product] * PRICE_BOOK[profile.currency]))
    end = add_months(start, 12) - timedelta(days=1)
    line = Line(product, max(5, base.seats // 2), price, price, profile.currency, start, end, base.notice_days, base.auto_renew)
    features = tuple(feature.name for feature in PRODUCT_FEATURES[product])
    return replace(
        profile, lines=(*profile.lines, line), adoption=(*profile.adoption, Adoption(product, max(2, round(line.seats * 0.8)), 0.85, ((start, end),), features))
    )
