"""Resolves the names in reports to ids and validates them; returns records and problems."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from django.conf import settings
from msgspec import UNSET

from pricing.catalogue.service_names import service_by_name_sql
from pricing.rules.characters import count_characters
from pricing.rules.measures import TPM_MEASURES, WHOLE_OF, Measure, parts_beyond_whole
from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement
from usage.ingest.payload import ArrivalReport, UsageReport
from usage.limits.settlement import UsedCall
from usage.models import Outcome, RefusalReason
from usage.refused.errors import RecordProblem

MEASURES = tuple(Measure)  # going through an enum is slow
_tokens = itemgetter(*(MEASURES.index(measure) for measure in TPM_MEASURES))
_CACHED = MEASURES.index(Measure.CACHED_INPUT_TOKENS)
_CHARACTERS = MEASURES.index(Measure.INPUT_CHARACTERS)
_parts = itemgetter(*(MEASURES.index(part) for part in WHOLE_OF))


class ResolvedRecord(NamedTuple):
    """A usage record to be stored."""

    customer_id: int
    event_id: str
    service_id: int
    service: str
    occurred_at: dt.datetime
    hour: dt.datetime
    quantities: tuple[int, ...]
    metadata: dict[str, str] | None
    call_id: str | None
    outcome: Outcome | None
    is_charged: bool | None  # None: it is charged

    @property
    def key(self) -> tuple[int, str]:
        """The unique key of the record."""
        return self.customer_id, self.event_id

    def content(self) -> dict[str, Any]:
        """The content; two records with the same key and content are duplicates."""
        measured = dict(zip(map(str, Measure), self.quantities, strict=True))
        return {
            "service": self.service,
            "occurred_at": self.occurred_at,
            **measured,
            "metadata": self.metadata,
            "outcome": self.outcome,
        }

    def claims(self) -> dict[str, Any]:
        """The content that the sender gave, which a repeated report has to repeat."""
        return self.content()


class ArrivalRecord(ResolvedRecord):
    """The record of a report without a time: its instant is its arrival, which differs when it is resent."""

    def claims(self) -> dict[str, Any]:
        """The content without the instant."""
        return {field: value for field, value in self.content().items() if field != "occurred_at"}


def used_call(record: ResolvedRecord) -> UsedCall:
    """Return what the call limits need of a record."""
    quantities = record.quantities
    return UsedCall(
        record.customer_id,
        record.service_id,
        record.call_id,
        sum(_tokens(quantities)),
        quantities[_CACHED],
        record.occurred_at,
    )


@dataclass(frozen=True)
class ChargedService:
    """A service, and since when it charges for each measure (None: never), in the order of Measure."""

    service_id: int
    service: str
    since: tuple[dt.datetime | None, ...]

    @property
    def on_sale_since(self) -> dt.datetime:
        """The first time at which it charged for any measure."""
        return min(since for since in self.since if since)

    @cached_property
    def complete_since(self) -> dt.datetime:
        """Since when it charges for all of its measures."""
        return max(since for since in self.since if since)

    @cached_property
    def uncharged(self) -> tuple[int, ...]:
        """The indexes of the measures for which it never charges; a part is charged as its whole."""
        return tuple(
            place
            for place, since in enumerate(self.since)
            if since is None and MEASURES[place] not in WHOLE_OF
        )


def resolve(
    *, reports: Sequence[UsageReport], now: dt.datetime
) -> tuple[dict[int, ResolvedRecord], list[RecordProblem]]:
    """Return the record of each valid report by index, and the problems of the others."""
    customers, services = _look_up(
        codes={report.customer for report in reports}, names={report.service for report in reports}
    )
    oldest, newest = now - settings.USAGE_OLDEST, now + settings.USAGE_AHEAD
    records: dict[int, ResolvedRecord] = {}
    problems: list[RecordProblem] = []
    for index, report in enumerate(reports):
        occurred_at, quantities = report.occurred_at, _quantities(report)
        customer_id = customers.get(report.customer)
        service = services.get(report.service)
        if not oldest <= occurred_at <= newest:
            problems.append(RecordProblem(index, *_time_problem(occurred_at, now)))
        elif customer_id is None:
            problems.append(RecordProblem(index, *UNKNOWN_CUSTOMER))
        elif service is None:
            problems.append(RecordProblem(index, *_NO_SERVICE))
        elif problem := _service_problem(occurred_at, quantities, service):
            problems.append(RecordProblem(index, *problem))
        else:
            occurred_at = occurred_at.astimezone(dt.UTC)
            record_type = ArrivalRecord if isinstance(report, ArrivalReport) else ResolvedRecord
            records[index] = record_type(
                customer_id,
                report.event_id,
                service.service_id,
                service.service,
                occurred_at,
                occurred_at.replace(minute=0, second=0, microsecond=0),
                quantities,
                report.metadata or None,
                report.call_id or None,
                report.outcome or None,
                False if report.outcome and not settings.CHARGE_FAILED_CALLS else None,
            )
    return records, problems


def _look_up(*, codes: set[str], names: set[str]) -> tuple[dict[str, int], dict[str, ChargedService]]:
    """Return the ids of these customers and the services of these names, with one query."""
    customers: dict[str, int] = {}
    found: dict[str, tuple[int, str, dict[str, dt.datetime]]] = {}
    for name, found_id, service, measure, since in fetch_all(_LOOK_UP, list(codes), list(names)):
        if service is None:
            customers[name] = found_id
        else:
            found.setdefault(name, (found_id, service, {}))[2][measure] = since
    return customers, {
        name: ChargedService(service_id, service, tuple(map(since.get, MEASURES)))
        for name, (service_id, service, since) in found.items()
    }


_LOOK_UP = load_statement(
    "look_up_names.sql", beside=__file__, service_by_name=service_by_name_sql(called="names.called")
)


_measured = attrgetter(*map(str, Measure))  # a member of an enum is a slower name


def _quantities(report: UsageReport) -> tuple[int, ...]:
    """Return how much was used of each measure, in the order of Measure."""
    quantities = [quantity or 0 for quantity in _measured(report)]
    if report.input_text is not UNSET:
        quantities[_CHARACTERS] = count_characters(report.input_text)
    return tuple(quantities)


# A field, what is wrong with it, and the reason under which it is counted.
_Invalid = tuple[str, str, RefusalReason]
UNKNOWN_CUSTOMER = ("customer", "unknown customer", RefusalReason.UNKNOWN_CUSTOMER)
_NO_SERVICE = ("service", "unknown service", RefusalReason.UNKNOWN_SERVICE)


def _time_problem(occurred_at: dt.datetime, now: dt.datetime) -> _Invalid:
    if occurred_at < now:
        days = settings.USAGE_OLDEST.days
        return "occurred_at", f"is more than {days} days ago", RefusalReason.TOO_OLD
    minutes = settings.USAGE_AHEAD.seconds // 60
    return "occurred_at", f"is more than {minutes} minutes ahead", RefusalReason.TOO_FAR_AHEAD


def _service_problem(
    occurred_at: dt.datetime, quantities: tuple[int, ...], service: ChargedService
) -> _Invalid | None:
    if any(_parts(quantities)) and (
        beyond := parts_beyond_whole(dict(zip(MEASURES, quantities, strict=True)))
    ):
        part, text = beyond
        return part.value, text, RefusalReason.INVALID_VALUE
    if occurred_at >= service.complete_since and not any(map(quantities.__getitem__, service.uncharged)):
        return None  # the usual case
    for measure, quantity, since in zip(MEASURES, quantities, service.since, strict=True):
        if not quantity or measure in WHOLE_OF:
            continue
        name = measure.label.lower()
        if since is None:
            text = f"{service.service} does not charge for {name}"
            return measure.value, text, RefusalReason.NOT_CHARGED
        if occurred_at < since:
            text = f"{service.service} did not charge for {name} yet"
            return "occurred_at", text, RefusalReason.NOT_ON_SALE_YET
    if not any(quantities) and occurred_at < service.on_sale_since:
        text = f"{service.service} was not on sale yet"
        return "occurred_at", text, RefusalReason.NOT_ON_SALE_YET
    return None
