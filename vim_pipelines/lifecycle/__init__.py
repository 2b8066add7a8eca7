"""The account's place in the eleven phases: requirements, transitions, state."""
