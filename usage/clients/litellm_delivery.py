"""Stores a delivery of LiteLLM's: each payload by itself, and what cannot be stored in quarantine."""

import datetime as dt
from collections.abc import Mapping, Sequence

from msgspec import structs

from accounts.api_keys.keys import customer_codes
from accounts.models import Customer, ServiceKey
from sensenova_billing.lib.api.strict_json import BadItem
from usage.clients.litellm import Delivery, LiteLLMItem
from usage.clients.schemas import LiteLLMReceipt
from usage.ingest.authorise import NOT_OF_KEY
from usage.ingest.errors import InvalidUsage, UsageConflict
from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt, record_each
from usage.ingest.resolve import UNKNOWN_CUSTOMER
from usage.models import RefusalReason
from usage.quarantine.keep import BadUsage, keep
from usage.refused.errors import RecordProblem, UsageError

KEPT = " It is kept in quarantine: staff can mend and store it."


def store_delivery(
    delivery: Delivery, *, key: ServiceKey, now: dt.datetime
) -> tuple[LiteLLMReceipt, UsageError | None]:
    """Store each payload or keep it in quarantine; return what was done, and why not all were stored."""
    reports, errors = _with_customers(delivery.items, key=key)
    outcomes = record_each(reports=list(reports.values()), now=now) if reports else []
    stored: list[Receipt] = []
    for index, outcome in zip(reports, outcomes, strict=True):
        if isinstance(outcome, Receipt):
            stored.append(outcome)
        else:
            errors[index] = outcome
    bad = {item.index: _bad(item, reports.get(item.index), errors[item.index])
           for item in delivery.items if item.index in errors}  # fmt: skip
    if bad:
        keep(usage=list(bad.values()), key=key, now=now)
    receipt = LiteLLMReceipt(
        sum(one.accepted for one in stored), sum(one.duplicates for one in stored), delivery.skipped, len(bad)
    )
    return receipt, _refusal(errors, bad) if bad else None


def _with_customers(
    items: Sequence[LiteLLMItem], *, key: ServiceKey
) -> tuple[dict[int, UsageReport], dict[int, UsageError]]:
    """Return the report of each readable item for the first of its names that is a customer of the key."""
    names = {name for item in items for name in item.customers}
    known = set(Customer.objects.filter(code__in=names).values_list("code", flat=True)) if names else set()
    allowed = customer_codes(key=key)
    reports: dict[int, UsageReport] = {}
    errors: dict[int, UsageError] = {}
    for item in items:
        found = [name for name in item.customers if name in known and (allowed is None or name in allowed)]
        if isinstance(item.report, BadItem):
            errors[item.index] = _invalid(item.report.field, str(item.report))
        elif found:
            reports[item.index] = structs.replace(item.report, customer=found[0])
        elif not item.customers:
            errors[item.index] = _invalid("customer", "no end user, user or team is given")
        else:
            errors[item.index] = _invalid(*(UNKNOWN_CUSTOMER if allowed is None else NOT_OF_KEY))
    return reports, errors


def _invalid(field: str, text: str, reason: RefusalReason = RefusalReason.INVALID_VALUE) -> InvalidUsage:
    return InvalidUsage([RecordProblem(0, field, text, reason)])


def _bad(item: LiteLLMItem, report: UsageReport | None, error: UsageError) -> BadUsage:
    first = error.details[0]
    read = None if isinstance(item.report, BadItem) else item.report
    return BadUsage(
        report=report or read,
        customer_code=report.customer if report else next(iter(item.customers), ""),
        sent=item.sent,
        field=first["field"],
        problem=first.get("reason", "differs from the record that is stored under this event id"),
        reason=error.reasons[0],
        occurred_at=item.ended_at,
    )


def _refusal(errors: Mapping[int, UsageError], bad: Mapping[int, BadUsage]) -> UsageError:
    """Return one error for all that is not stored, with the indexes of the delivery."""
    kind = UsageConflict if all(isinstance(one, UsageConflict) for one in errors.values()) else InvalidUsage
    error = kind([])
    error.details = [
        detail | {"index": index} for index, one in sorted(errors.items()) for detail in one.details
    ]
    error.reasons = {index: one.reason for index, one in bad.items()}
    error.customers = {index: one.customer_code for index, one in bad.items()}
    not_stored = "1 call was" if len(bad) == 1 else f"{len(bad):,} calls were"
    error.message = f"{not_stored} not stored.{KEPT}"
    return error
