"""Mirror writes: the project's own fields on the CRM account (phase, band, score, waste), computed by code, no text.

Asking a person 200 times a night whether a number may be shown would teach people to press yes. So these run under one standing
approval: a signed list of fields under one policy version. A field that is not on it, or a policy that changed, stops the mirror until
somebody signs again. Values of the mirror are ours: what somebody typed over them is overwritten, and recorded as `before`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from vim_pipelines.approvals.events import standing_sha256
from vim_pipelines.approvals.policy import Policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.store.engine import Store
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import OutboxEntry, StandingApproval
from vim_pipelines.warehouse.base import chunks
from vim_pipelines.writeback.modes import may_write, stop_if_switched_off
from vim_pipelines.writeback.plan import FieldChange, changes
from vim_pipelines.writeback.targets.base import CrmTarget

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.warehouse.base import Session as WarehouseSession

#: Whom the standing approval was signed for, where nobody says otherwise.
DEFAULT_TARGET = "salesforce"


@dataclass(frozen=True)
class MirrorReport:
    """What one mirror run did. `changes` is filled in a dry run only."""

    accounts: int
    unchanged: int = 0
    written: int = 0
    failed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mode: str = "live"
    changes: tuple[tuple[str, FieldChange], ...] = ()

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        return {
            "accounts": self.accounts,
            "unchanged": self.unchanged,
            "written": self.written,
            "failed": len(self.failed),
            "missing": len(self.missing),
            "mode": self.mode,
        }

    def lines(self) -> list[str]:
        """For the command line: counts, then in a dry run every difference, else every failure."""
        if self.mode == "dry_run":
            head = f"{self.accounts} accounts: {len({key for key, _ in self.changes})} would change (dry run: nothing was sent), {len(self.missing)} not in the CRM"
            return [head, *(f"  {key}  {change}" for key, change in self.changes)]
        head = f"{self.accounts} accounts: {self.written} written, {self.unchanged} unchanged, {len(self.failed)} failed, {len(self.missing)} not in the CRM"
        return [head, *(f"  {line}" for line in self.failed)]


def sign_standing_approval(
    store: Store, policy: Policy, *, actor: str, role: str, now: datetime, fields: Sequence[str] | None = None, target: str = DEFAULT_TARGET
) -> str:
    """Allow mirror writes of `fields` (default: all that the policy lists) to the CRM `target` under this policy version; returns its id.

    VIM-E043 without the role, VIM-E046 for a field that the policy does not list.

    Signing again replaces what was signed before for this CRM. `revoke_standing_approval` ends it.
    """
    wanted = sorted(policy.mirror.fields if fields is None else fields)
    outside = sorted(set(wanted) - set(policy.mirror.fields))
    if policy.rank(role) < policy.rank(policy.mirror.approver_role):
        raise VimError(
            "VIM-E043",
            f"{actor} ({role}) may not sign the mirror's approval",
            why=f"It needs the role {policy.mirror.approver_role}",
            fix=f"Ask a {policy.mirror.approver_role}",
        )
    if outside or not wanted:
        raise VimError("VIM-E046", f"The policy lists no mirror field {', '.join(outside)}", fix="Sign fields that mirror.fields names")
    sha256 = standing_sha256(target, wanted, policy.version)
    with store.session() as session:
        signed_before = session.scalar(select(func.count()).select_from(StandingApproval)) or 0  # the same person may sign twice in one second
        standing_id = f"std-{sha256_json([sha256, now, actor, signed_before])[:16]}"
        for row in session.scalars(select(StandingApproval).where(StandingApproval.target == target, StandingApproval.revoked_at.is_(None))):
            row.revoked_at = now
        session.add(
            StandingApproval(
                standing_id=standing_id,
                target=target,
                fields=wanted,
                policy_version=policy.version,
                sha256=sha256,
                approved_by=actor,
                approved_role=role,
                approved_at=now,
                revoked_at=None,
            )
        )
    return standing_id


def revoke_standing_approval(store: Store, *, now: datetime, target: str = DEFAULT_TARGET) -> int:
    """End the standing approval for the CRM `target`; returns how many stood."""
    with store.session() as session:
        rows = session.scalars(select(StandingApproval).where(StandingApproval.target == target, StandingApproval.revoked_at.is_(None))).all()
        for row in rows:
            row.revoked_at = now
        return len(rows)


def current_standing(store: Store, policy: Policy, target: str = DEFAULT_TARGET) -> StandingApproval:
    """The standing approval for the CRM `target` that covers this policy version; VIM-E044 if there is none, or it was edited."""
    with store.session() as session:
        row = session.scalar(
            select(StandingApproval)
            .where(StandingApproval.target == target, StandingApproval.revoked_at.is_(None))
            .order_by(StandingApproval.approved_at.desc())
            .limit(1)
        )
    fix = f"Let a {policy.mirror.approver_role} run: vimotion write-back sign (in the sandbox: vimotion write-back sign --as {policy.mirror.approver_role})"
    if row is None:
        raise VimError("VIM-E044", f"Nobody has signed the mirror's fields for {target}", why="Mirror writes need a standing approval", fix=fix)
    if row.policy_version != policy.version:
        raise VimError("VIM-E044", "The mirror's approval was signed under another policy", why=f"By {row.approved_by} on {row.approved_at:%Y-%m-%d}", fix=fix)
    if policy.rank(row.approved_role) < policy.rank(policy.mirror.approver_role):
        raise VimError("VIM-E044", "The mirror's approval bears a role that may not give it", why=f"{row.approved_by} ({row.approved_role})", fix=fix)
    if row.sha256 != standing_sha256(row.target, row.fields, row.policy_version):
        raise VimError("VIM-E044", "The mirror's approval was edited after it was signed", fix=fix)
    return row


def mirror_fields(signals: Mapping[str, Any], state: Mapping[str, Any] | None, assessed_at: datetime) -> dict[str, Any]:
    """The mirror's fields of one account, from a row of `fct_account_signals` and one of `fct_account_state`. Unknown stays empty, never zero."""
    phase = None if not state or state.get("phase") is None else f"{state['phase']} {state.get('phase_name') or ''}".strip()
    return {
        "VIM_Phase__c": phase,
        "VIM_Risk_Band__c": signals.get("risk_band"),
        "VIM_Risk_Score__c": _number(signals.get("lean_risk")),
        "VIM_Muda_Waste__c": _number(signals.get("waste_annual")) if signals.get("money_status") == "ok" else None,
        "VIM_Assessed_At__c": assessed_at.isoformat(timespec="seconds") + "Z",
    }


def current_rows(session: WarehouseSession, assessed_at: datetime) -> tuple[date | None, dict[str, dict[str, Any]]]:
    """The newest as-of date of the marts and, for each of its accounts, the mirror's fields. An account that a gate held is left as it is."""
    signals = session.rows(
        "select account_key, as_of_date, risk_band, lean_risk, waste_annual, money_status, hold_reason from marts.fct_account_signals_current"
    )
    states = {row["account_key"]: row for row in session.rows("select account_key, phase, phase_name from marts.fct_account_state_current")}
    rows = {row["account_key"]: mirror_fields(row, states.get(row["account_key"]), assessed_at) for row in signals if row["hold_reason"] is None}
    return (signals[0]["as_of_date"] if signals else None), rows


def write_mirror(
    store: Store, crm: CrmTarget, rows: Mapping[str, Mapping[str, Any]], policy: Policy, *, as_of: date, settings: Settings, now: datetime
) -> MirrorReport:
    """Bring the mirror's fields of the accounts in `rows` (account key -> fields) up to date, where they differ from the CRM.

    A difference of the stamp alone is written only when the one in the CRM is older than the policy's `stamp_days`. Raises VIM-E050,
    E052, E044 (no standing approval, or a field outside it), E042 (another process is at it), E113 (switched off). Approval and switch are
    looked at before every request; what was sent before stays. An account that fails does not stop the others; killing this and
    starting again writes each account's values once more at most, to the same effect.
    """
    may_write(settings, crm)
    standing = current_standing(store, policy, crm.name)
    outside = sorted({name for fields in rows.values() for name in fields} - set(standing.fields))
    if outside:
        raise VimError(
            "VIM-E044", f"The standing approval does not cover {', '.join(outside)}", fix=f"Let a {policy.mirror.approver_role} run: vimotion write-back sign"
        )
    with exclusive(store, "write_back:mirror") as taken:
        if not taken:
            raise VimError("VIM-E042", "Another process writes the mirror", fix="Wait for it to end")
        report = MirrorReport(len(rows), mode=settings.write_mode)
        for keys in chunks(sorted(rows), crm.mirror_batch):
            report = _chunk(store, crm, {key: dict(rows[key]) for key in keys}, standing, policy, as_of, settings, now, report)
    return report


def finish_mirror(store: Store, crm: CrmTarget, *, now: datetime) -> list[str]:
    """Settle mirror writes whose answer is missing: what the CRM shows decides. A write that did not arrive is left to the next night's mirror."""
    with store.session() as session:
        wanted = select(OutboxEntry).where(OutboxEntry.kind == "mirror", OutboxEntry.target == crm.name, OutboxEntry.state.in_(("sending", "unknown")))
        entries = session.scalars(wanted).all()
    settled = []
    for part in chunks(entries, crm.mirror_batch):
        current = crm.read_many([entry.account_key for entry in part], sorted({name for entry in part for name in entry.proposed}))
        with store.session() as session:
            for entry in part:
                row, found = session.get_one(OutboxEntry, entry.entry_id), current.get(entry.account_key)
                is_there = found is not None and not changes(found, entry.proposed)
                row.state, row.updated_at = "verified" if is_there else "failed", now
                row.after, row.error = found, None if is_there else "not in the CRM after a lost answer; the next mirror run proposes it again"
                settled.append(f"{entry.account_key}: {row.state}")
    return settled


def _chunk(
    store: Store,
    crm: CrmTarget,
    rows: dict[str, dict[str, Any]],
    standing: StandingApproval,
    policy: Policy,
    as_of: date,
    settings: Settings,
    now: datetime,
    report: MirrorReport,
) -> MirrorReport:
    stamp = next(iter(crm.mirror_fields({policy.mirror.stamp: None})))
    rows = {key: crm.mirror_fields(fields) for key, fields in rows.items()}
    names = list(crm.mirror_fields(dict.fromkeys(standing.fields)))
    current = crm.read_many(list(rows), names)
    missing = tuple(key for key in rows if key not in current)
    differing = {
        key: fields for key, fields in rows.items() if key in current and _is_worth_writing(current[key], fields, stamp, policy.mirror.stamp_days, now)
    }
    report = MirrorReport(
        report.accounts,
        report.unchanged + len(rows) - len(missing) - len(differing),
        report.written,
        report.failed,
        (*report.missing, *missing),
        report.mode,
        report.changes,
    )
    if settings.write_mode == "dry_run":
        seen = tuple((key, change) for key, fields in differing.items() for change in changes(current[key], fields))
        return MirrorReport(report.accounts, report.unchanged, 0, (), report.missing, "dry_run", (*report.changes, *seen))
    if not differing:
        return report
    stop_if_switched_off(store)
    current_standing(store, policy, crm.name)
    ids = _outbox(store, crm, differing, current, standing, as_of, now)
    results = crm.update_many(differing)
    after = crm.read_many(list(differing), names)
    failed = []
    with store.session() as session:
        for key in differing:
            result = results[key]
            entry = session.get_one(OutboxEntry, ids[key])
            is_there = key in after and not changes(after[key], differing[key])
            entry.state, entry.after, entry.record_id, entry.updated_at = (
                "verified" if is_there else "unknown" if result.outcome == "unknown" else "failed",
                after.get(key),
                key,
                now,
            )
            if not is_there:
                entry.error = result.error or "the CRM shows other values"
                failed.append(f"{key}: {entry.error}")
    return MirrorReport(
        report.accounts, report.unchanged, report.written + len(differing) - len(failed), (*report.failed, *failed), report.missing, report.mode, report.changes
    )


def _is_worth_writing(current: Mapping[str, Any], proposed: Mapping[str, Any], stamp: str, stamp_days: int, now: datetime) -> bool:
    difference = {change.field for change in changes(current, proposed)}
    if difference != {stamp}:
        return bool(difference)
    text = str(current.get(stamp) or "")[:19]
    return not text or now - datetime.fromisoformat(text) >= timedelta(days=stamp_days)


def _outbox(
    store: Store,
    crm: CrmTarget,
    rows: Mapping[str, dict[str, Any]],
    before: Mapping[str, dict[str, Any]],
    standing: StandingApproval,
    as_of: date,
    now: datetime,
) -> dict[str, str]:
    """One row for each account, committed as `sending` before the call."""
    ids = {}
    with store.session() as session:
        for key, fields in rows.items():
            idempotency = sha256_json([standing.sha256, key, as_of, fields, before[key]])
            ids[key] = f"out-{idempotency[:24]}"
            entry = session.get(OutboxEntry, ids[key])
            if entry is None:
                entry = OutboxEntry(
                    entry_id=ids[key],
                    idempotency_key=idempotency,
                    request_id=None,
                    standing_id=standing.standing_id,
                    account_key=key,
                    kind="mirror",
                    action="crm_fields",
                    target=crm.name,
                    object_name=crm.mirror_object,
                    external_id=key,
                    proposed=fields,
                    before=before[key],
                    after=None,
                    approved_sha256=standing.sha256,
                    state="sending",
                    attempts=0,
                    record_id=None,
                    error=None,
                    was_created=False,
                    created_at=now,
                    updated_at=now,
                )
                session.add(entry)
            entry.state, entry.attempts, entry.updated_at = "sending", entry.attempts + 1, now
    return ids


def _number(value: Any) -> Any:
    if value is None or value != value:
        return None
    number = Decimal(str(value))
    return int(number) if number == number.to_integral_value() else float(number)
