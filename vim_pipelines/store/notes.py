"""What a person wrote, as it is kept."""

from __future__ import annotations


def clean_note(note: str | None) -> str | None:
    """`note` without NUL bytes (PostgreSQL takes none) and without space around it; None if nothing is left."""
    return (note or "").replace("\x00", "").strip() or None
