"""The rules by which requirements are proven, one module a phase. phases.yaml names them."""

from __future__ import annotations

from vim_pipelines.lifecycle.rules import (
    activation,
    advocacy,
    churn,
    diagnostic,
    growth,
    kickoff,
    observability,
    orchestration,
    realization,
    risk,
    transition,
)
from vim_pipelines.lifecycle.rules.proof import Rule

MODULES = (transition, diagnostic, kickoff, activation, orchestration, observability, risk, realization, growth, advocacy, churn)
RULES: dict[str, Rule] = {name: rule for module in MODULES for name, rule in module.RULES.items()}
