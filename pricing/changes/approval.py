"""Price changes that need a second person: proposed by one, applied when another approves."""

import datetime as dt
from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from accounts.audit.context import audit_context, set_audit_context
from pricing.changes.apply import ChangesRefused, StalePreview, apply_rows, dry_run, is_refused
from pricing.changes.checks.steep import Unconfirmed
from pricing.changes.rows import Row, cells_of, row_of
from pricing.models import Decision, Proposal


def submit_rows(
    *,
    action: str,
    rows: Sequence[Row],
    seen: str,
    by: str,
    reason: str,
    now: dt.datetime,
    confirmed: bool = False,
) -> Proposal | None:
    """Change the catalogue by these rows, or propose it where a second person has to approve.

    Returns the proposal, or None if the change was made. Raises ChangesRefused, StalePreview if the
    fingerprint `seen` is not that of these rows now, and Unconfirmed for steep changes not `confirmed`.
    """
    if not settings.PRICE_CHANGES_NEED_APPROVAL:
        apply_rows(rows=rows, by=by, reason=reason, now=now, seen=seen, confirmed=confirmed)
        return None
    with dry_run(rows=rows, now=now) as outcome:
        pass
    if seen != outcome.fingerprint:
        raise StalePreview
    if is_refused(outcome.changes):
        raise ChangesRefused(outcome.changes)
    if outcome.steep and not confirmed:
        raise Unconfirmed(outcome.steep)
    with audit_context(by=by, reason=reason):
        return Proposal.objects.create(
            deed=action,
            rows=[{"sheet": row.sheet, **cells_of(row)} for row in rows],
            reason=reason,
            proposed_by=by,
            proposed_at=now,
        )


def rows_of(proposal: Proposal) -> list[Row]:
    """Return the rows that a proposal would apply."""
    return [row_of(cells["sheet"], cells) for cells in proposal.rows]


@transaction.atomic
def decide_proposal(
    *,
    proposal: Proposal,
    decision: Decision,
    by: str,
    now: dt.datetime,
    seen: str = "",
    confirmed: bool = False,
) -> Proposal:
    """Approve, refuse or withdraw a proposal that waits; approving it applies it as it was seen.

    Raises ValidationError if this person may not decide or it was decided already, StalePreview if an
    approval would have another result than the one seen, ChangesRefused if the rows no longer fit, and
    Unconfirmed if the approval confirms no steep changes.
    """
    held = Proposal.objects.select_for_update().get(pk=proposal.pk)
    if held.decision:
        raise ValidationError(
            gettext("This proposal was %(decision)s by %(person)s already.")
            % {"decision": gettext(held.get_decision_display()), "person": held.decided_by}
        )
    if (decision == Decision.WITHDRAWN) != (by == held.proposed_by):
        raise ValidationError(
            gettext("Only the proposer can withdraw it; another person approves or refuses it.")
        )
    set_audit_context(by=by, reason=held.reason)
    if decision == Decision.APPROVED:
        why = f"{held.reason} (proposed by {held.proposed_by})"
        apply_rows(rows=rows_of(held), by=by, reason=why, now=now, seen=seen, confirmed=confirmed)
    held.decision, held.decided_by, held.decided_at = decision, by, now
    held.save()
    return held
