"""From source systems to raw row versions: append-only, deduplicated by content, bad rows set aside with a reason."""
