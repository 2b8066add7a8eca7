"""Whether an address is this machine: the sandbox may serve nothing else, and live sandbox writes may reach nothing else."""

from __future__ import annotations

import re
from ipaddress import ip_address

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL_ADDRESS = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")


def is_mail_address(text: str) -> bool:
    """Whether `text` is one mail address and nothing else: no name, no second address, no line end. The form that HTML's input type 'email' takes."""
    return len(text) <= 254 and _MAIL_ADDRESS.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its loopback address or the name localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
