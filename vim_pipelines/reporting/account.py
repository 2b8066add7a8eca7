"""One account from the published copy: what the last night found, for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.money import format_money
from vim_pipelines.reporting.reading import reading_marts

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

PARTS = {
    "signals": "select * from marts.fct_account_signals_current where account_key = ?",
    "state": "select * from marts.fct_account_state_current where account_key = ?",
    "requirements": "select * from marts.fct_requirements_current where account_key = ? order by phase, requirement_id",
    "health": "select * from marts.fct_health_scores_current where account_key = ?",
    "contributions": "select * from marts.fct_health_contributions_current where account_key = ? order by contribution desc nulls last, measure",
    "actions": "select * from marts.fct_next_best_actions_current where account_key = ? order by account_rank nulls last, requirement_id",
    "risks": "select * from marts.fct_risks_current where account_key = ? order by rule_id",
    "waste": "select * from marts.fct_license_waste_current where account_key = ? order by product, opt_out_date, contract_line_key",
}

#: What stands behind a risk that the team does not take up, or that is no claim.
CUT_MARKS = {"false_discovery": "   [held back: may be chance]", "capacity": "   [beyond this week's capacity]"}


def read_account(settings: Settings, account_key: str) -> dict[str, Any]:
    """Rows of the newest as-of date by part. VIM-E024 if nothing was published or the account is not in it."""
    with reading_marts(settings) as session:
        found: dict[str, Any] = {part: session.rows(sql, [account_key]) for part, sql in PARTS.items()}
        if not found["signals"]:
            near = nearest_account(account_key, session.rows("select account_key, account_name from marts.fct_account_signals_current order by account_key"))
            fix = f"Did you mean {near}?" if near else "Find the key in the book (vimotion book --open), or in marts.dim_accounts"
            raise VimError("VIM-E024", f"The published copy has no account {account_key}", fix=fix)
    return found


def nearest_account(asked: str, accounts: Sequence[Mapping[str, Any]]) -> str:
    """The account that was probably meant, by its key or its name, as `KEY (name)`; empty if none is near."""
    from difflib import get_close_matches

    words = asked.strip().casefold()
    keys = {str(row["account_key"]).casefold(): row for row in accounts}
    names = {str(row["account_name"]).casefold(): row for row in accounts}
    row = keys.get(words) or names.get(words) or next((one for name, one in names.items() if len(words) > 2 and name.startswith(words)), None)
    if row is None:
        close = get_close_matches(words, [*keys, *names], n=1, cutoff=0.8)
        row = (keys.get(close[0]) or names.get(close[0])) if close else None
    return f"{row['account_key']} ({row['account_name']})" if row else ""


def account_lines(found: dict[str, Any]) -> list[str]:
    """The account as text: signals, waste by contract line, the score with what it is made of and why it changed, risks, phase with what blocks it."""
    signals = found["signals"][0]
    currency = signals["portfolio_currency"]
    state = found["state"][0] if found["state"] else {}
    waste = [
        f"  {line['product']:<12} {line['seats']:>5} seats at {format_money(line['net_unit_price_annual'], line['currency'])} net"
        f"   unused {_shown(line['unused_seats'])} = {format_money(line['unused_value_annual'], line['currency'])}"
        f"   right-size gap {_shown(line['shelfware_seats'])} = {format_money(line['waste_annual'], line['currency'])}"
        f" (range {format_money(line['waste_low'], line['currency'])} to {format_money(line['waste_high'], line['currency'])})"
        f"   renews {_shown(line['renewal_date'])}{'' if line['status'] == 'ok' else '   ' + str(line['status_reason'] or line['status'])}"
        for line in found["waste"]
    ]
    phase = state.get("phase")
    open_requirements = [row for row in found["requirements"] if row["phase"] == phase and row["status"] != "met"]
    return [
        f"{signals['account_name']} ({signals['account_key']}), {signals['tier'] or 'no tier'}, as of {signals['as_of_date']}",
        f"ARR {format_money(signals['arr_amount'], signals['currency'])}   CSM {signals['csm_name'] or 'unknown'}   renewal {_shown(signals['next_renewal_date'])}   opt-out {_shown(signals['next_opt_out_date'])}",
        *([f"Unknown tonight, {signals['hold_reason']} (the rows stand in raw.quarantine)"] if signals["hold_reason"] else []),
        "",
        f"Muda (waste)        {_shown(signals['active_users_28d'])} of {_shown(signals['seats_contracted'])} seats used in 28 days; unused {format_money(signals['unused_value_annual'], currency)} a year,"
        f" right-size gap {format_money(signals['waste_annual'], currency)} a year",
        *waste,
        f"Mura (adoption)     variation {_shown(signals['cv_robust'])}, p = {_shown(signals['dispersion_p'])}, gap {_shown(signals['gap_days'])} business days ({signals['usage_status']})",
        f"Muri (tickets)      {_shown(signals['tickets_28d'])} in 28 days, {_shown(signals['tickets_open'])} open, spike {_shown(signals['spike_level'])} ({signals['ticket_status']})",
        f"Risk                {signals['risk_band']}, score {_shown(signals['lean_risk'])}, with {_share(signals['coverage'])} of the measures known",
        *[f"  why      {row['why']}" for row in found["health"]],
        *[f"  points   {_points(row)}" for row in found["contributions"] if row["contribution"] or row["change"] or row["status"] != "ok"],
        *[f"  {risk['severity']:<8} {risk['rule_id']:<16} {risk['summary']}{CUT_MARKS.get(risk['cut_reason'], '')}" for risk in found["risks"]],
        f"Phase               {_shown(phase)} {state.get('phase_name', '')}, first seen there on {_shown(state.get('entered_on'))}",
        *[f"  {row['status']:<8} {row['requirement_id']:<28} {row['evidence'] or ''}" for row in open_requirements],
        *action_lines(found["actions"]),
    ]


#: Actions of an account that are shown with their reasons; the others are a number.
ACTIONS_SHOWN = 5


def action_lines(actions: list[dict[str, Any]]) -> list[str]:
    """What to do next, best first, each with the factors of its place; then what waits or rests."""
    ranked = sorted((row for row in actions if row["account_rank"] is not None), key=lambda row: int(row["account_rank"]))
    lines = []
    for row in ranked[:ACTIONS_SHOWN]:
        value = format_money(row["value_ranked"], row["portfolio_currency"]) + (
            "" if row["value_basis"] == "known" else f" ({row['value_basis'].replace('_', ' ')})"
        )
        lines += [
            f"  {row['account_rank']}. {row['action']}   [{row['requirement_id']}, {row['effort_hours']:g} h]{CUT_MARKS['capacity'] if row['status'] == 'cut' else ''}",
            f"     {format_money(row['score'], row['portfolio_currency'])} = {value} x {row['stake_share']:g} at stake x {row['urgency']:.2f} urgency"
            f" x {row['chance']:.2f} chance; place {row['queue_rank']} in the queue of {row['queue_owner']}"
            + (f", due {row['due_on']}" if row["due_on"] else ""),
            f"     why: {row['why']}",
        ]
    others = [f"{row['requirement_id']} {row['status']} ({row['status_reason']})" for row in actions if row["account_rank"] is None]
    return [
        f"Next best actions   {len(ranked)} to do, {sum(row['status'] == 'open' for row in ranked)} of them in this week's hours",
        *lines,
        *([f"  and {len(ranked) - ACTIONS_SHOWN} more"] if len(ranked) > ACTIONS_SHOWN else []),
        *[f"  not now: {text}" for text in others],
    ]


def _points(row: dict[str, Any]) -> str:
    """A measure with its points and their change; why it has none where it was not measured."""
    moved = f" ({row['change']:+.1f})" if row["change"] else ""
    points = "not measured: " + str(row["status"]) if row["status"] != "ok" else f"{row['contribution'] or 0.0:.1f}{moved}"
    return f"{row['dimension']:<5} {row['measure']:<13} {points}{'   ' + row['detail'] if row['detail'] else ''}"


def _share(value: Any) -> str:
    return "an unknown part" if value is None else f"{float(value):.0%}"


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
