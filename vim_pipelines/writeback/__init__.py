"""From an approved request to a verified CRM record: difference, outbox, apply, reconcile."""
