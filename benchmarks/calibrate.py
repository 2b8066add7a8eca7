"""`make calibrate`: the detectors against planted truth over many seeds, and the published false-alarm rates.

Each seed goes simulator -> raw tables -> dbt base models -> signals, the real models and the real rules; only ingestion is skipped
(it has tests of its own, and twenty emulated org exports would take most of the time). `--publish` measures the null rates instead
and writes `vim_pipelines/signals/published_rates.yaml`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.planted import build_base
from vim_pipelines.core.dates import last_complete_day
from vim_pipelines.evaluation.calibrate import Case, judge, rendered
from vim_pipelines.evaluation.detectors import read_claims
from vim_pipelines.settings import Settings


def cases(seeds: range, accounts: int, home: Path) -> Iterator[Case]:
    """One case per seed. One home for all of them: dbt parses its project once."""
    from datetime import datetime, time

    from vim_pipelines.sandbox.simulator import SANDBOX_TODAY, simulate
    from vim_pipelines.signals.run import compute_signals

    as_of = last_complete_day(datetime.combine(SANDBOX_TODAY, time(6)))
    settings = Settings(home=home)
    for seed in seeds:
        settings.warehouse_path.unlink(missing_ok=True)
        simulation = simulate(seed=seed, accounts=accounts)
        truth = home / f"ground_truth_{seed}.parquet"
        home.mkdir(parents=True, exist_ok=True)
        simulation.ground_truth.to_parquet(truth)
        with build_base(settings, simulation, as_of).session() as session:
            compute_signals(session, as_of)
            claims = read_claims(session, as_of)
        print(f"seed {seed}: {len(claims.accounts)} accounts, {len(claims.flagged)} claims", file=sys.stderr, flush=True)
        yield Case(str(seed), truth, claims)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit status 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="number of planted portfolios")
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--accounts", type=int, default=200, help="accounts in each")
    parser.add_argument("--publish", action="store_true", help="measure the null rates and write published_rates.yaml")
    options = parser.parse_args(arguments)
    if options.publish:
        return _publish()
    with tempfile.TemporaryDirectory() as folder:
        verdict = judge(cases(range(options.first_seed, options.first_seed + options.seeds), options.accounts, Path(folder)))
    print(rendered(verdict))
    return 1 if verdict.failures else 0


def _publish() -> int:
    from vim_pipelines import signals
    from vim_pipelines.evaluation.null_rates import publish

    for rate in publish(accounts=5000, seed=20260629, path=Path(signals.__file__).with_name("published_rates.yaml")):
        print(f"{rate.detector:<18}{rate.unit:<44}{rate.rate:>9.4f}  at most {rate.upper_95:.4f}  {rate.condition}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
