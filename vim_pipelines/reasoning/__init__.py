"""From facts to drafts: fact sheets, playbooks, providers, gates, ledger."""
