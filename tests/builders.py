"""Things that tests need, made with fixed values; a test names only what matters to it."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from accounts.models import Customer
from invoices.closing.close import close_hour
from pricing.models import BillingItem, Price, Service, ServiceAlias
from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt, record_usage
from usage.models import UsageRecord

# An hour that has ended but is young enough for the API, whatever day the tests run. The clock may pass into
# another hour or day while they run, so what has to lie ahead lies several hours ahead. By the clock of
# customers it is at 20:00 at the latest: no day or month ends in the hours right after it.
_HOUR = dt.timedelta(hours=1)
_THREE_HOURS_AGO = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) - 3 * _HOUR
_LOCAL_HOUR = _THREE_HOURS_AGO.astimezone(ZoneInfo("Asia/Shanghai")).hour
THE_HOUR = _THREE_HOURS_AGO - max(0, _LOCAL_HOUR - 20) * _HOUR


def at(minute: float, *, hour: int = 0) -> dt.datetime:
    """Return an instant of THE_HOUR, or of one so many hours after it."""
    return THE_HOUR + dt.timedelta(hours=hour, minutes=minute)


def report(event_id: str = "call-1", **fields: Any) -> UsageReport:
    """Return a report of one SenseChat-5 call by Acme: 1,000 tokens in, 500 out, ten past THE_HOUR."""
    call: dict[str, Any] = {
        "customer": "acme",
        "service": "SenseChat-5",
        "occurred_at": at(10),
        "input_tokens": 1000,
        "output_tokens": 500,
    }
    return UsageReport(event_id=event_id, **(call | fields))


def as_json(report: UsageReport, **fields: Any) -> dict[str, Any]:
    """Return the report as a sender writes it, with some fields put otherwise."""
    sent = {
        "event_id": report.event_id,
        "customer": report.customer,
        "service": report.service,
        "occurred_at": report.occurred_at.isoformat(),
        "input_tokens": report.input_tokens,
        "output_tokens": report.output_tokens,
    }
    return {name: value for name, value in (sent | fields).items() if value is not None}


def record(*reports: UsageReport, now: dt.datetime | None = None) -> Receipt:
    """Ingest these reports, by default just after the hour."""
    return record_usage(reports=reports or [report()], now=now or at(61))


def item(service: str, measure: str) -> BillingItem:
    """Return a billing item of the catalogue."""
    return BillingItem.objects.get(service__name=service, measure=measure)


def price(service: str, measure: str, unit_price: str, *, begins_at: dt.datetime, **fields: Any) -> Price:
    """Put a price for an item into force from this instant on."""
    return Price.objects.create(
        billing_item=item(service, measure), unit_price=Decimal(unit_price), begins_at=begins_at, **fields
    )


def customer(code: str) -> Customer:
    """Return a customer by code."""
    return Customer.objects.get(code=code)


def raw_record(event_id: str = "raw-1", **fields: Any) -> UsageRecord:
    """Write a usage record past the ingestion, as only a fault of ours could."""
    stored: dict[str, Any] = {
        "customer": Customer.objects.get(code="acme"),
        "service": Service.objects.get(name="SenseChat-5"),
        "occurred_at": at(10),
        "billing_hour": THE_HOUR,
        "received_at": at(11),
    }
    return UsageRecord.objects.create(event_id=event_id, **(stored | fields))


def close(*, hour: int = 0) -> Any:
    """Close THE_HOUR, or one so many hours after it, five minutes after its end."""
    return close_hour(hour=at(0, hour=hour), now=at(65, hour=hour))


def commit() -> None:
    """Check now what the database checks at commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def alias_from_before(alias: str, *, service: Service) -> ServiceAlias:
    """An alias with the name of a service, as a database could hold it before it refused such."""
    trigger = "an_alias_is_not_the_name_of_a_service"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE pricing_servicealias DISABLE TRIGGER {trigger}")
        made = ServiceAlias(alias=alias, service=service)
        made.save()
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(f"ALTER TABLE pricing_servicealias ENABLE TRIGGER {trigger}")
    return made
