"""Who writes a draft: Claude, OpenAI in its place, or the offline drafter, behind one interface."""
