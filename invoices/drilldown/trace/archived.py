"""Where the records behind a line, or a call, are archived."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import Customer
from invoices.models import ChargeLine, Correction, HourlyBill
from sensenova_billing.lib.api.errors import ApiError
from usage.archive.files import archive_of, path_of
from usage.models import HOUR, ArchivedEvent, UsageArchive


class RecordsArchived(ApiError):
    """The records are no longer in the database; `details` name the bill."""

    def __init__(self, message: str, *, number: str | None, hour: dt.datetime) -> None:
        super().__init__("archived", message, [{"bill": number, "billing_hour": hour.isoformat()}])


@dataclass(frozen=True)
class ArchivedCall:
    """A call of which only the identity is left here: when it was made, and where it is billed."""

    event: ArchivedEvent
    archive: UsageArchive | None
    bill: HourlyBill | None


def archive_behind(line: ChargeLine, *, found: Sequence[Any]) -> UsageArchive | None:
    """Return an archive with records behind this line, of which some were found here, or none."""
    # An hour's records are all here or none: only what a line corrects may be elsewhere.
    return None if found and line.corrects is None else archive_of_line(line)


def archive_of_line(line: ChargeLine) -> UsageArchive | None:
    """Return an archive with records behind this line, if any of them is archived."""
    first = line.corrects.bill.hour_id if line.corrects else line.bill.hour_id
    last = line.bill.hour_id
    if line.correction == Correction.REVERSAL:
        return archive_of(first) or archive_of(last)
    # Of a re-rating, reversals in the hours between are left out.
    return UsageArchive.objects.filter(
        from_hour__lt=last + HOUR, until_hour__gt=first, restored_at__isnull=True
    ).first()


def require_records(line: ChargeLine) -> None:
    """Raise RecordsArchived if records behind this line are archived."""
    if archive_of_line(line) is not None:
        raise RecordsArchived(
            "The usage records behind this line are archived; they can be restored.",
            number=line.bill.number,
            hour=line.bill.hour_id,
        )


def find_archived(*, customer: Customer, event_id: str) -> ArchivedCall | None:
    """Return an archived call of this customer by its id, or what reverses that; None if there is none."""
    events = ArchivedEvent.objects.filter(customer=customer)
    event = events.filter(event_id=event_id).first() or events.filter(reverses=event_id).first()
    if event is None:
        return None
    bill = HourlyBill.objects.filter(customer=customer, hour=event.billing_hour).first()
    return ArchivedCall(event, archive_of(event.billing_hour), bill)


def refuse_archived(*, customer: Customer, event_id: str) -> None:
    """Raise RecordsArchived if this call is archived."""
    if found := find_archived(customer=customer, event_id=event_id):
        raise RecordsArchived(
            "The usage record is archived; it can be restored.",
            number=found.bill.number if found.bill else None,
            hour=found.event.billing_hour,
        )


def is_file_there(archive: UsageArchive) -> bool:
    """Whether this machine has the file of an archive."""
    return path_of(archive).is_file()
