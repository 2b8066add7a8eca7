"""Dated exchange rates: a random walk on work days, known in the afternoon of their day as central banks publish them."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import numpy as np

from vim_pipelines.sandbox.simulator.catalog import FX_START
from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.rows import Rows


def add_fx_rates(parameters: Parameters, rows: Rows) -> None:
    """US dollars for one euro or pound, from five weeks before the window on. No rate for the dollar itself, none for unknown currencies."""
    window = parameters.window
    days = [window.start + timedelta(days=n) for n in range(-35, (window.end - window.start).days)]
    for number, (currency, start) in enumerate(FX_START.items()):
        rng = rng_for(parameters, "fx", number)
        rates = start * np.exp(np.cumsum(rng.normal(0, 0.0035, len(days))))
        for day, rate in zip(days, rates.tolist(), strict=True):
            if day.weekday() < 5:
                known = datetime.combine(day, time(15))
                rows.add("fx_rates", known, fx_rate_key=f"{currency}:{day.isoformat()}", currency=currency, rate_date=day, rate=round(rate, 4))
