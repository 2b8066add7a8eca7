"""Who writes a draft: Claude, or the offline drafter, behind one interface."""
