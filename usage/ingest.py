"""The one door through which usage enters.

`record_usage` stores a batch whole or not at all, and returns only after commit. A record is stored once
for ever under (customer, event_id): the same content again is a duplicate, other content is a conflict.
So a sender may repeat any request until it is answered.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction
from msgspec import UNSET

from accounts.models import Customer
from pricing.measures import Measure
from pricing.models import Price
from usage.counting import count_characters
from usage.hours import hold_hours_open, hour_of
from usage.refusals import BadBatch, Conflict, Problem
from usage.reports import UsageReport

OLDEST = dt.timedelta(days=35)
AHEAD = dt.timedelta(minutes=5)
ATTEMPTS = 5
# PostgreSQL ends one of two transactions that wait for each other; the whole of it may be tried again.
_TRY_AGAIN = {"40001", "40P01"}


@dataclass(frozen=True)
class Receipt:
    """How many records of a batch were new, and how many were stored before."""

    accepted: int
    duplicates: int


@dataclass(frozen=True)
class _Row:
    """A usage record as it will be stored; the content is what makes two records the same."""

    customer_id: int
    event_id: str
    service_id: int
    service: str
    occurred_at: dt.datetime
    quantities: tuple[int, ...]

    @property
    def key(self) -> tuple[int, str]:
        return self.customer_id, self.event_id

    def content(self) -> dict[str, Any]:
        measured = dict(zip(map(str, Measure), self.quantities, strict=True))
        return {"service": self.service, "occurred_at": self.occurred_at} | measured


def record_usage(*, reports: Sequence[UsageReport], now: dt.datetime) -> Receipt:
    """Store these reports for ever, whole or not at all; raise BadBatch or Conflict and store nothing."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _record(reports=reports, now=now)
        except OperationalError as error:
            if attempt == ATTEMPTS or getattr(error.__cause__, "sqlstate", None) not in _TRY_AGAIN:
                raise
    raise AssertionError("unreachable")


def _record(*, reports: Sequence[UsageReport], now: dt.datetime) -> Receipt:
    rows = _resolve(reports=reports, now=now)
    distinct = _distinct(rows=rows, reports=reports)
    billing_hours = hold_hours_open(hour_of(row.occurred_at) for row in distinct.values())
    # In the order of the key, so that two batches with the same records never wait for each other.
    ordered = [distinct[key] for key in sorted(distinct)]
    new = _insert(rows=ordered, billing_hours=billing_hours, now=now)
    _refuse_conflicts(rows=[row for row in ordered if row.key not in new], reports=reports, all_rows=rows)
    return Receipt(accepted=len(new), duplicates=len(rows) - len(new))


def _resolve(*, reports: Sequence[UsageReport], now: dt.datetime) -> list[_Row]:
    codes = {report.customer for report in reports}
    customers = dict(Customer.objects.filter(code__in=codes).values_list("code", "id"))
    services = _on_sale({r.service for r in reports})
    rows: list[_Row] = []
    problems: list[Problem] = []
    for index, report in enumerate(reports):
        quantities = _quantities(report)
        problem = (
            _time_problem(report.occurred_at, now)
            or _customer_problem(report.customer, customers)
            or _service_problem(report, quantities, services)
        )
        if problem:
            problems.append(Problem(index, *problem))
        else:
            rows.append(
                _Row(
                    customer_id=customers[report.customer],
                    event_id=report.event_id,
                    service_id=services[report.service].service_id,
                    service=report.service,
                    occurred_at=report.occurred_at.astimezone(dt.UTC),
                    quantities=quantities,
                )
            )
    if problems:
        raise BadBatch(problems)
    return rows


@dataclass(frozen=True)
class _OnSale:
    """A service with its billing items, each since when it has a price for everybody."""

    service_id: int
    since: dict[str, dt.datetime]


def _on_sale(names: Iterable[str]) -> dict[str, _OnSale]:
    prices = Price.objects.for_everybody().filter(billing_item__service__name__in=names)
    found: dict[str, _OnSale] = {}
    for name, service_id, measure, begins_at in prices.order_by("-begins_at").values_list(
        "billing_item__service__name", "billing_item__service_id", "billing_item__measure", "begins_at"
    ):
        found.setdefault(name, _OnSale(service_id, {})).since[measure] = begins_at
    return found


def _quantities(report: UsageReport) -> tuple[int, ...]:
    characters = 0 if report.input_characters is UNSET else report.input_characters
    if report.input_text is not UNSET:
        characters = count_characters(report.input_text)
    measured = {
        Measure.INPUT_TOKENS: report.input_tokens,
        Measure.OUTPUT_TOKENS: report.output_tokens,
        Measure.INPUT_CHARACTERS: characters,
    }
    return tuple(measured[measure] for measure in Measure)


def _time_problem(occurred_at: dt.datetime, now: dt.datetime) -> tuple[str, str] | None:
    if occurred_at < now - OLDEST:
        return "occurred_at", f"is more than {OLDEST.days} days ago"
    if occurred_at > now + AHEAD:
        return "occurred_at", f"is more than {AHEAD.seconds // 60} minutes ahead"
    return None


def _customer_problem(code: str, customers: dict[str, int]) -> tuple[str, str] | None:
    return None if code in customers else ("customer", "there is no such customer")


def _service_problem(
    report: UsageReport, quantities: tuple[int, ...], services: dict[str, _OnSale]
) -> tuple[str, str] | None:
    service = services.get(report.service)
    if service is None:
        return "service", "there is no such service"
    for measure, quantity in zip(Measure, quantities, strict=True):
        if quantity and measure not in service.since:
            return measure.value, f"{report.service} does not charge for {measure.label.lower()}"
        if quantity and report.occurred_at < service.since[measure]:
            return "occurred_at", f"{report.service} did not charge for {measure.label.lower()} yet"
    if report.occurred_at < min(service.since.values()):
        return "occurred_at", f"{report.service} was not on sale yet"
    return None


def _distinct(*, rows: Sequence[_Row], reports: Sequence[UsageReport]) -> dict[tuple[int, str], _Row]:
    distinct: dict[tuple[int, str], _Row] = {}
    differences = []
    for index, row in enumerate(rows):
        first = distinct.setdefault(row.key, row)
        differences += _differences(
            index=index, report=reports[index], stored=first.content(), sent=row.content()
        )
    if differences:
        raise Conflict(differences)
    return distinct


def _insert(
    *, rows: Sequence[_Row], billing_hours: dict[dt.datetime, dt.datetime], now: dt.datetime
) -> set[tuple[int, str]]:
    """Store the rows that are new and return their keys; waits for a twin that is on its way."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            {
                "now": now,
                "customers": [row.customer_id for row in rows],
                "event_ids": [row.event_id for row in rows],
                "services": [row.service_id for row in rows],
                "instants": [row.occurred_at for row in rows],
                "hours": [billing_hours[hour_of(row.occurred_at)] for row in rows],
                **{
                    measure.value: [row.quantities[place] for row in rows]
                    for place, measure in enumerate(Measure)
                },
            },
        )
        return set(cursor.fetchall())


_MEASURES = ", ".join(Measure)
# Only the names of our own measures are put into the text.
_INSERT = f"""
INSERT INTO usage_usagerecord
       (customer_id, event_id, service_id, occurred_at, billing_hour, received_at, {_MEASURES})
SELECT customer_id, event_id, service_id, occurred_at, billing_hour, %(now)s, {_MEASURES}
  FROM unnest(%(customers)s::bigint[], %(event_ids)s::text[], %(services)s::bigint[],
              %(instants)s::timestamptz[], %(hours)s::timestamptz[],
              {", ".join(f"%({measure})s::bigint[]" for measure in Measure)})
       AS sent (customer_id, event_id, service_id, occurred_at, billing_hour, {_MEASURES})
    ON CONFLICT DO NOTHING
RETURNING customer_id, event_id
"""  # noqa: S608


def _refuse_conflicts(
    *, rows: Sequence[_Row], reports: Sequence[UsageReport], all_rows: Sequence[_Row]
) -> None:
    if not rows:
        return
    index_of = {row.key: index for index, row in reversed(list(enumerate(all_rows)))}
    stored = _stored(rows)
    differences = []
    for row in rows:
        index = index_of[row.key]
        differences += _differences(
            index=index, report=reports[index], stored=stored[row.key], sent=row.content()
        )
    if differences:
        raise Conflict(differences)


def _stored(rows: Sequence[_Row]) -> dict[tuple[int, str], dict[str, Any]]:
    """Return what is stored under the keys of these rows, as `content` has it."""
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [[row.customer_id for row in rows], [row.event_id for row in rows]])
        columns = ("service", "occurred_at", *map(str, Measure))
        return {
            (customer_id, event_id): dict(zip(columns, content, strict=True))
            for customer_id, event_id, *content in cursor.fetchall()
        }


_STORED = f"""
SELECT record.customer_id, record.event_id, service.name, record.occurred_at, {_MEASURES}
  FROM unnest(%s::bigint[], %s::text[]) AS sent (customer_id, event_id)
  JOIN usage_usagerecord AS record USING (customer_id, event_id)
  JOIN pricing_service AS service ON service.id = record.service_id
"""  # noqa: S608


def _differences(
    *, index: int, report: UsageReport, stored: dict[str, Any], sent: dict[str, Any]
) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "event_id": report.event_id,
            "field": field,
            "stored": _shown(stored[field]),
            "sent": _shown(value),
        }
        for field, value in sent.items()
        if stored[field] != value
    ]


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else value
