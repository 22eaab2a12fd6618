"""Decides on usage in quarantine: stores it, as it is or mended, or dismisses it."""

import datetime as dt
from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext
from msgspec import UNSET, structs

from accounts.api_keys.keys import customer_codes
from sensenova_billing.lib.api.strict_json import BadItem
from usage.ingest.errors import UsageConflict
from usage.ingest.payload import report_of
from usage.ingest.record import record_each
from usage.models import QuarantinedUsage, QuarantineState
from usage.quarantine.words import field_in_words, reason_in_words
from usage.refused.errors import UsageError


class NotStored(Exception):
    """The usage still cannot be stored, or somebody has decided on it already."""


@transaction.atomic
def store_quarantined(
    *,
    pk: int,
    by: str,
    reason: str,
    now: dt.datetime,
    customer: str | None = None,
    service: str | None = None,
    quantities: Mapping[str, int] | None = None,
) -> QuarantinedUsage:
    """Store this usage, with what is given in place of what was sent; raise NotStored.

    It counts as received when it was: age is no obstacle, and an hour that is closed makes it late.
    """
    held = _waiting(pk)
    before = _stated(held)
    held.customer_code = held.customer_code if customer is None else customer
    held.service_name = held.service_name if service is None else service
    held.quantities = held.quantities if quantities is None else dict(quantities)
    allowed = customer_codes(key=held.key)
    if allowed is not None and held.customer_code not in allowed:
        text = gettext("The key %(key)s may not report for the customer %(customer)s.")
        raise NotStored(text % {"key": held.key, "customer": repr(held.customer_code)})
    try:
        report = report_of(
            {
                "event_id": held.event_id,
                "customer": held.customer_code,
                "service": held.service_name,
                "occurred_at": held.occurred_at.isoformat(),
                **held.quantities,
                **({"outcome": held.outcome} if held.outcome else {}),
            }
        )
    except BadItem as problem:
        text = f"{field_in_words(problem.field)}: {reason_in_words(problem.reason)}"
        raise NotStored(gettext("%(problem)s.") % {"problem": text}) from problem
    # Not limited as a sender's metadata is: it may hold an id of any length.
    report = structs.replace(report, metadata=held.metadata or UNSET)
    (outcome,) = record_each(reports=[report], now=held.received_at)
    if isinstance(outcome, UsageError):
        raise NotStored(_words(outcome))
    if _stated(held) != before:
        reason = f"{reason} Before: {before}."
    return _decide(held, QuarantineState.STORED, by=by, reason=reason, now=now)


@transaction.atomic
def dismiss_quarantined(*, pk: int, by: str, reason: str, now: dt.datetime) -> QuarantinedUsage:
    """Leave this usage unbilled for good; raise NotStored if it does not wait."""
    return _decide(_waiting(pk), QuarantineState.DISMISSED, by=by, reason=reason, now=now)


def _waiting(pk: int) -> QuarantinedUsage:
    held = QuarantinedUsage.objects.select_for_update(of=("self",)).select_related("key").get(pk=pk)
    if held.state != QuarantineState.WAITING:
        text = gettext("It is %(state)s already, by %(by)s.")
        raise NotStored(text % {"state": gettext(held.get_state_display()), "by": held.decided_by})
    return held


def _decide(
    held: QuarantinedUsage, state: QuarantineState, *, by: str, reason: str, now: dt.datetime
) -> QuarantinedUsage:
    held.state, held.decided_at, held.decided_by, held.decision = state, now, by, reason
    held.save()
    return held


def _stated(held: QuarantinedUsage) -> str:
    quantities = ", ".join(f"{name} {used}" for name, used in held.quantities.items()) or "no quantities"
    return f"customer {held.customer_code or '-'}, service {held.service_name or '-'}, {quantities}"


def _words(error: UsageError) -> str:
    if isinstance(error, UsageConflict):
        return gettext(
            "Another call is stored under this event id; where this one was sent twice, dismiss it."
        )
    return "; ".join(
        f"{field_in_words(detail['field'])}: {reason_in_words(detail['reason'])}" for detail in error.details
    )
