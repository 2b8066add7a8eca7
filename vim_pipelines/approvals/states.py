"""The life of an approval request: which step leads from which state to which. Nothing else in the house changes a state.

Kept as one table so that a reviewer can see at a glance that no step leads from silence, expiry or rejection to a write.
"""

from __future__ import annotations

from vim_pipelines.core.errors import VimError

#: (state, action) -> next state. `None` is the state before the request exists.
TRANSITIONS: dict[tuple[str | None, str], str] = {
    (None, "request"): "pending",
    ("pending", "approve"): "approved",
    # One of two people who are needed: it is on record, and nothing follows from it yet.
    ("pending", "endorse"): "pending",
    ("pending", "reject"): "rejected",
    ("pending", "request_changes"): "changes_requested",
    ("pending", "dismiss"): "dismissed",
    ("pending", "expire"): "expired",
    ("pending", "supersede"): "superseded",
    # A person disputes a fact that the text rests on: the text is held for good, and the night asks with what it then knows.
    ("pending", "dispute"): "superseded",
    ("approved", "dispute"): "superseded",
    ("rejected", "begin_replan"): "replanning",
    ("changes_requested", "begin_replan"): "replanning",
    # No text passed the gates: the question is a note that a person must write. Only a dismissal or a new draft ends it.
    (None, "human_must_write"): "rejected",
    ("rejected", "dismiss"): "dismissed",
    ("rejected", "human_must_write"): "rejected",
    ("changes_requested", "human_must_write"): "rejected",
    ("replanning", "resume_replan"): "replanning",
    ("replanning", "replan_failed"): "rejected",
    ("replanning", "replanned"): "superseded",
    ("approved", "claim"): "executing",
    ("approved", "fail"): "failed",
    ("executing", "resume"): "executing",
    ("executing", "release"): "approved",
    ("executing", "apply"): "applied",
    ("executing", "fail"): "failed",
    ("executing", "conflict"): "conflicted",
    ("applied", "resume"): "applied",
    ("applied", "verify"): "verified",
    ("applied", "fail"): "failed",
    ("failed", "retry"): "approved",
    ("conflicted", "retry"): "approved",
    ("verified", "undo"): "undone",
    ("applied", "undo"): "undone",
    ("failed", "undo"): "undone",
    ("conflicted", "undo"): "undone",
}

#: What a person may answer to a pending request.
DECISIONS = ("approve", "reject", "request_changes", "dismiss")

#: Decisions that mean nothing without a reason: the next draft, or whoever asks why, needs it.
NOTE_NEEDED = ("reject", "request_changes", "dismiss")

TERMINAL = ("dismissed", "expired", "superseded", "undone")


def next_state(state: str | None, action: str) -> str:
    """The state that `action` leads to. Raises VIM-E042 if the request is past that step."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise VimError(
            "VIM-E042", f"The request is {state}: '{action}' is not possible any more", fix="See 'vimotion inbox show' for what happened to it"
        ) from None


def allowed(state: str | None) -> dict[str, str]:
    """Actions that are possible in `state`, and where each leads."""
    return {action: target for (source, action), target in TRANSITIONS.items() if source == state}
