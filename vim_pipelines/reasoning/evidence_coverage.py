"""Whether every fact that a draft was written from can be traced to rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vim_pipelines.core.verdicts import Verdict


def evidence_verdict(drafts: Sequence[Mapping[str, Any]]) -> Verdict:
    """`drafts`: draft_id, account_key, document, facts and evidence as the ledger keeps them. A fact that is unknown needs no rows."""
    missing, facts = [], 0
    for draft in drafts:
        shown = {handle for source in draft["evidence"] if source["rows"] for handle in source["fact_ids"]}
        known = [fact for fact in draft["facts"] if fact["status"] == "ok"]
        facts += len(known)
        lacking = [fact for fact in known if fact["handle"] not in shown and not fact["source_table"]]
        missing += [
            {"account": draft["account_key"], "document": draft["document"], "fact": fact["label"], "draft": draft["draft_id"][:12]} for fact in lacking
        ]
    covered = 1 - len(missing) / facts if facts else None
    return Verdict(
        what="Every fact of every draft names the table or the rows that it comes from",
        passed=not missing,
        why=f"{len(missing)} of {facts} facts name none",
        fix="Give the fact a source in reasoning/facts.py; until then a reader cannot check the sentence",
        rows=missing,
        figures={"drafts": len(drafts), "facts": facts, "evidence_coverage": None if covered is None else round(covered, 4)},
    )
