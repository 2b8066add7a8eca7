"""Many drafts at once at half the price: submitted to Claude's Message Batches, collected when they are done.

A batch has no idempotency key and takes up to a day, so what was meant is in the operations store before anything is sent, and what
came back is in the ledger before a draft is made of it. A process may die anywhere in between: nothing is lost, nothing is paid twice.
"""
