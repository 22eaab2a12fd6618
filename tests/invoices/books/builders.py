"""Four closed hours in which everything happens that can happen, and a superuser who alters them."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models import Customer
from invoices.books.verify import verify_books
from invoices.closing.close import close_due_hours
from invoices.closing.parking import parked_hours, release
from invoices.closing.seal import seal_of
from invoices.models import HourSeal, Rerating
from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, commit, item, price, record, report
from usage.ingest.reversals import reverse_record

IN, OUT = Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS
BY = "operator@sensenova.example"


def keep_busy_books(*, acme: Customer, globex: Customer) -> None:
    """Fill and close THE_HOUR and the three after it; an hour may come to 10 RMB, or it is parked."""
    price("SenseChat", IN, "0.009", begins_at=at(30), kind=Kind.LIMITED_TIME_OFFER)
    price("SenseChat", OUT, "0.5", begins_at=at(0), customer=acme)
    record(*(report(f"at {minute}", service="SenseChat", occurred_at=at(minute)) for minute in (29, 30, 31)))
    record(report("vision", service="SenseChat-Vision"), report("1"), report("2"), report("3"))
    record(report(customer="globex", input_tokens=275_000))
    close()  # parks Globex
    record(report("late", occurred_at=at(50)), report("next", occurred_at=at(70)), now=at(71))
    _reverse(acme, "1", hour=1)
    _reverse(globex, "call-1", hour=1)
    _rerate("0.03", hour=1)
    close(hour=1)  # parks Globex's reversal as well, for it corrects what is parked
    _reverse(acme, "2", hour=2)
    _rerate("0.05", hour=2)
    for parked in parked_hours():
        release(parked=parked, reason="Looked at.", by=BY, now=at(30, hour=2))
    close(hour=2)
    record(
        report("much", customer="globex", input_tokens=275_000, occurred_at=at(5, hour=3)), now=at(6, hour=3)
    )
    _reverse(acme, "3", hour=3)
    close(hour=3)  # parks Globex, which stays so
    commit()


def keep_books(*, hours: int = 2) -> None:
    """Close so many hours from THE_HOUR on, with one call of Acme in each."""
    for hour in range(hours):
        record(report(f"call-{hour}", occurred_at=at(10, hour=hour)), now=at(11, hour=hour))
    close_due_hours(now=at(5, hour=hours))
    commit()


def alter(table: str, change: str, *, where: str = "true", without: str = "") -> None:
    """Alter rows behind the table's back, as only its owner can, and leave no trace but what was altered."""
    behind_its_back(table, f"UPDATE {table} SET {change} WHERE {where}", without=without)  # noqa: S608


def delete(table: str, *, where: str = "true") -> None:
    """Delete rows likewise."""
    behind_its_back(table, f"DELETE FROM {table} WHERE {where}")  # noqa: S608


def behind_its_back(table: str, statement: str, *, without: str = "") -> None:
    """Run a statement that the table's triggers do not see, and that a constraint no longer refuses."""
    with connection.cursor() as cursor:
        cursor.execute(_APPEND_ONLY, [table])
        triggers = [name for (name,) in cursor.fetchall()]
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        if without:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {without}")
        cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
        for name in triggers:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def seal_anew() -> None:
    """Give every hour the seal that it would have now."""
    for seal in HourSeal.objects.select_related("hour").order_by("hour_id"):
        sha256 = seal_of(hour=seal.hour_id, previous=seal.hour.previous_id).hex()
        alter("invoices_hourseal", f"sha256 = '\\x{sha256}'", where=f"hour_id = '{seal.hour_id}'")


def found(**span: Any) -> list[tuple[str, str, str]]:
    """What is found, by name, with where it is and in words."""
    findings = verify_books(**span).findings
    assert findings.count == len(findings.first)
    return [(one.what, one.bill or one.customer, one.text) for one in findings.first]


def kinds(**span: Any) -> set[str]:
    """What is found, by name only."""
    return {what for what, *_ in found(**span)}


def _reverse(customer: Customer, event_id: str, *, hour: int) -> None:
    reverse_record(customer=customer, event_id=event_id, reason="A test run.", by=BY, now=at(30, hour=hour))


def _rerate(unit_price: str, *, hour: int) -> None:
    # Past the verb, which refuses while an hour is parked: what is there has to be verified all the same.
    Rerating.objects.create(
        price=Price.objects.get(billing_item=item("SenseChat-5", IN), customer=None, ends_at=None),
        from_hour=THE_HOUR,
        until_hour=THE_HOUR + dt.timedelta(hours=1),
        unit_price=Decimal(unit_price),
        reason="The price list said so.",
        ordered_by=BY,
        ordered_at=at(30, hour=hour),
        billing_hour=at(0, hour=hour),
    )


_APPEND_ONLY = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled = 'A'"
