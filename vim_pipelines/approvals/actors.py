"""Who sits at the command line: the operating system's user, mapped to a role by the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vim_pipelines.approvals.policy import Policy, load_policy
from vim_pipelines.approvals.policy import resolve_actor as resolve

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings


def resolve_actor(settings: Settings, *, acting_as: str | None = None, policy: Policy | None = None, os_user: str | None = None) -> tuple[str, str]:
    """Name and role of the person at the command line. The user id decides, not $USER, which anyone can set."""
    actor = resolve(os_user or login_name(), policy or load_policy(), act_as=acting_as, is_sandbox=settings.is_sandbox)
    return actor.name, actor.role


def login_name() -> str:
    """Login of the user this process runs as."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's random user id has no entry
        return f"uid-{os.getuid()}"
