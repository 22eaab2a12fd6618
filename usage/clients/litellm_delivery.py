"""Stores a delivery of LiteLLM's: each payload by itself, and what cannot be stored in quarantine."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from accounts.api_keys.keys import customer_codes
from accounts.models import Customer, ServiceKey
from usage.clients.litellm import Delivery, LiteLLMItem
from usage.clients.schemas import LiteLLMReceipt
from usage.ingest.errors import InvalidUsage, UsageConflict
from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt, record_each
from usage.models import RefusalReason
from usage.quarantine.keep import BadUsage, keep
from usage.refused.counters import RefusedRequest, count_refused
from usage.refused.errors import RecordProblem, UsageError

KEPT = " It is kept in quarantine: staff can mend and store it."


def store_delivery(delivery: Delivery, *, key: ServiceKey, path: str, now: dt.datetime) -> LiteLLMReceipt:
    """Store each payload or keep it in quarantine; raise UsageError if not one is stored."""
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
        if not stored:
            raise _refusal(errors, bad)
        records = Counter((one.reason, one.customer_code) for one in bad.values())
        count_refused(RefusedRequest(key=key, path=path, at=now, records=records))
    return LiteLLMReceipt(
        sum(one.accepted for one in stored), sum(one.duplicates for one in stored), delivery.skipped, len(bad)
    )


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
        if item.report is None:
            problem = item.problem
            errors[item.index] = _invalid(problem.field if problem else "", str(problem))
        elif found:
            reports[item.index] = structs.replace(item.report, customer=found[0])
        else:
            errors[item.index] = _no_customer(item.customers, is_limited=allowed is not None)
    return reports, errors


def _no_customer(names: tuple[str, ...], *, is_limited: bool) -> InvalidUsage:
    if not names:
        return _invalid("customer", "no end user, user or team is given")
    if is_limited:
        # Also for a customer that does not exist, so that a key learns nothing about other customers.
        text = "this key may not report for this customer"
        return _invalid("customer", text, RefusalReason.CUSTOMER_NOT_OF_KEY)
    return _invalid("customer", "unknown customer", RefusalReason.UNKNOWN_CUSTOMER)


def _invalid(field: str, text: str, reason: RefusalReason = RefusalReason.INVALID_VALUE) -> InvalidUsage:
    return InvalidUsage([RecordProblem(0, field, text, reason)])


def _bad(item: LiteLLMItem, report: UsageReport | None, error: UsageError) -> BadUsage:
    first = error.details[0] if error.details else {}
    return BadUsage(
        report=report or item.report,
        customer_code=report.customer if report else next(iter(item.customers), ""),
        sent=item.sent,
        field=str(first.get("field", "")),
        problem=str(first.get("reason", "differs from the record that is stored under this event id")),
        reason=error.reasons.get(0, RefusalReason.CONFLICTING_USAGE),
        occurred_at=item.ended_at,
    )


def _refusal(errors: Mapping[int, UsageError], bad: Mapping[int, BadUsage]) -> UsageError:
    """Return one error for a delivery of which nothing is stored, with the indexes of the delivery."""
    kind = UsageConflict if all(isinstance(one, UsageConflict) for one in errors.values()) else InvalidUsage
    error = kind([])
    error.details = [
        detail | {"index": index} for index, one in sorted(errors.items()) for detail in one.details
    ]
    error.reasons = {index: one.reason for index, one in bad.items()}
    error.customers = {index: one.customer_code for index, one in bad.items()}
    error.message = _counted(bad) + KEPT
    return error


def _counted(bad: Iterable[int]) -> str:
    number = len(list(bad))
    return "1 call was not stored." if number == 1 else f"{number:,} calls were not stored."
