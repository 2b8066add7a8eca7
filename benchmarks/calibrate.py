"""`make calibrate`: how often the detectors ring on nothing and how much they find, beside the budget; exit status 1 if a bar is missed.

Four parts. METRICS.md's simulated numbers, reproduced before anything is built on them. Simulated account-years, null and planted, at
the real weekly cadence, per clause and for the union (`evaluation/null_rates.py`, `evaluation/budget.py`). Planted portfolios: each seed
goes simulator -> raw tables -> dbt base models -> signals, the real models and the real rules, the lifecycle's state with them; only ingestion is skipped (it has tests
of its own, and twenty emulated org exports would take most of the time). And portfolios in which plans change nothing, or something
known, to see whether the estimator of plans' effects says so (`evaluation/plan_effect_study.py`). `--publish` writes what the second part measured to
`vim_pipelines/signals/published_rates.yaml`; `--real` runs the detectors on real counts instead.
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
from vim_pipelines.evaluation.lifecycle_truths import read_state_claims
from vim_pipelines.settings import Settings

PARTS = ("metrics", "account-years", "planted", "effect")
SEED = 20260629


def cases(seeds: range, accounts: int, home: Path) -> Iterator[Case]:
    """One case per seed. One home for all of them: dbt parses its project once."""
    from datetime import datetime, time

    from vim_pipelines.lifecycle.handoff_run import audit_handoffs
    from vim_pipelines.lifecycle.run import fold_states
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
        lifecycle = home / f"lifecycle_truth_{seed}.parquet"
        simulation.lifecycle_truth.to_parquet(lifecycle)
        with build_base(settings, simulation, as_of).session() as session:
            audit_handoffs(session, as_of)
            compute_signals(session, as_of)
            claims = read_claims(session, as_of)
            fold_states(session, [], as_of)
            states = read_state_claims(session, as_of)
        print(f"seed {seed}: {len(claims.accounts)} accounts, {len(claims.flagged)} claims", file=sys.stderr, flush=True)
        yield Case(str(seed), truth, claims, lifecycle, states)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit status 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure (default: all)")
    parser.add_argument("--account-years", type=int, default=2000, help="simulated account-years of each of the hardest nulls")
    parser.add_argument("--seeds", type=int, default=20, help="number of planted portfolios")
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--accounts", type=int, default=200, help="accounts in each")
    parser.add_argument("--effect-seeds", type=int, default=200, help="portfolios of each kind of the part effect")
    parser.add_argument("--publish", action="store_true", help="measure account-years and write published_rates.yaml")
    parser.add_argument("--real", type=Path, metavar="DATA", help="folder with servicenow_incidents and oss_company_activity_nova: run on real counts")
    options = parser.parse_args(arguments)
    if options.real:
        return _real(options.real)
    parts = ["account-years"] if options.publish else options.parts
    failed = False
    if "metrics" in parts:
        from vim_pipelines.evaluation.metrics_study import rendered_study

        print(rendered_study(4000, SEED), end="\n\n", flush=True)
    if "account-years" in parts:
        failed |= _account_years(options.account_years, options.publish)
    if "planted" in parts:
        with tempfile.TemporaryDirectory() as folder:
            verdict = judge(cases(range(options.first_seed, options.first_seed + options.seeds), options.accounts, Path(folder)))
        print(rendered(verdict))
        failed |= bool(verdict.failures)
    if "effect" in parts:
        failed |= _effect(options.effect_seeds)
    return 1 if failed else 0


def _effect(seeds: int) -> bool:
    """Whether a bar is missed."""
    from vim_pipelines.evaluation.plan_effect_study import PLANTED, SCENARIOS, rendered, study

    studies = [study(range(seeds), planted=planted, scenario=scenario) for scenario in SCENARIOS for planted in PLANTED]
    print(rendered(studies))
    return any(row.failures for row in studies)


def _account_years(accounts: int, writes: bool) -> bool:
    """Whether a bar is missed."""
    from vim_pipelines import signals
    from vim_pipelines.evaluation import budget
    from vim_pipelines.evaluation.null_rates import measure, publish

    measurement = measure(accounts, SEED)
    if writes:
        publish(measurement, accounts, SEED, Path(signals.__file__).with_name("published_rates.yaml"))
    print(budget.rendered(measurement), end="\n\n", flush=True)
    return not all(finding.holds for finding in budget.judge([*measurement.nulls, *measurement.power]))


def _real(data: Path) -> int:
    from vim_pipelines.evaluation.real_counts import rendered_counts, study

    print(rendered_counts(study(data, SEED)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
