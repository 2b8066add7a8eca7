"""The command line, `vimotion NOUN [VERB]`: a module for each noun, `shared` for what they have in common.

Only click and the standard library are imported here: `--help` must answer in half a second, and dagster alone takes longer.
Every command is a thin door to a function that a page or a sensor calls too.
"""

from vim_pipelines.cli import (
    account,
    audit,
    audit_trail,
    benchmarks,
    demo,
    digest,
    drafts,
    evaluation,
    inbox,
    llm,
    person,
    publishing,
    retention,
    sandbox,
    setup,
    switches,
    write_back,
)
from vim_pipelines.cli.root import main

__all__ = [
    "account",
    "audit",
    "audit_trail",
    "benchmarks",
    "demo",
    "digest",
    "drafts",
    "evaluation",
    "inbox",
    "llm",
    "main",
    "person",
    "publishing",
    "retention",
    "sandbox",
    "setup",
    "switches",
    "write_back",
]
