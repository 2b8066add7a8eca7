"""A channel that keeps what it is given, and fails as it is told to: for the rules of `deliveries`. The real ones have servers of their own."""

from __future__ import annotations

from vim_pipelines.approvals.channels.base import FOR_COLLEAGUES


class Box:
    """Reaches whoever has an e-mail address. `fail`: errors by delivery in the order of the calls; `lost`: sent, but the answer never came."""

    def __init__(self, name="mail", kinds=FOR_COLLEAGUES, *, lists=True, changes=True):
        self.name, self.kinds, self.lists, self.changes = name, kinds, lists, changes
        self.sent, self.settled, self.looked_for, self.fail, self.lost = [], [], [], [], []

    def address(self, person):
        return person.email

    def send(self, message, person):
        if self.fail and self.fail[0] is not None:
            raise self.fail.pop(0)
        if self.fail:
            self.fail.pop(0)
        self.sent.append((message, person.login))
        if self.lost:
            raise self.lost.pop(0)
        return {"id": message.delivery_id}

    def find(self, message, person):
        self.looked_for.append(message.delivery_id)
        return next(({"id": sent.delivery_id} for sent, _ in self.sent if sent.delivery_id == message.delivery_id), None)

    def settle(self, message, person, reference):
        self.settled.append((message, person.login, reference))

    def close(self):
        """Nothing to close."""
