"""A SaaS vendor's customers, simulated with known ground truth: no public data set has usage, contracts and tickets together.

`simulate` makes them in memory, `ensure_sandbox` on disk; `reveal` and `advance` move the sandbox's clock. The same seed makes
the same customers, bit for bit.
"""

from vim_pipelines.sandbox.simulator.catalog import (
    ACCOUNT_DIRT,
    EVENT_DIRT,
    HEADLINE_KEY,
    HEADLINE_NAME,
    PRODUCT_FEATURES,
    SANDBOX_TODAY,
    TRUTHS,
    Feature,
    is_holiday,
)
from vim_pipelines.sandbox.simulator.files import advance, clear, ensure_sandbox, read_clock, reveal, write_sandbox
from vim_pipelines.sandbox.simulator.generate import Simulation, simulate, simulate_chunks
from vim_pipelines.sandbox.simulator.plan import Parameters

__all__ = [
    "ACCOUNT_DIRT", "EVENT_DIRT", "HEADLINE_KEY", "HEADLINE_NAME", "PRODUCT_FEATURES", "SANDBOX_TODAY", "TRUTHS", "Feature", "Parameters", "Simulation",
    "advance", "clear", "ensure_sandbox", "is_holiday", "read_clock", "reveal", "simulate", "simulate_chunks", "write_sandbox",
]  # fmt: skip
