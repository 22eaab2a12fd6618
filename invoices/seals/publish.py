"""Publishing seals: each closed hour's is stored outside the database, once, in the order of the hours.

The place says what it has, so nothing is lost or stored twice if a process ends half-way, and a new place
gets every seal from the first. Before anything is added, its last seal is compared with the database's.
"""

import datetime as dt
from collections.abc import Iterator

from django.db import transaction
from django.db.models.functions import Coalesce

from invoices.models import HourSeal, SealPublication
from invoices.seals.seal_list import ListedSeal, hour_text
from invoices.seals.stores import SealStore, configured_store, place_of_seals

AT_ONCE = 1000
_LONGEST_ERROR = 500


class SealDiffers(Exception):
    """The database has another seal, or none, for the last hour that is published."""


def publish_seals(*, now: dt.datetime) -> int:
    """Store all new seals in the place that the settings name, and return how many those are.

    Raises SealDiffers, or what the place raises; either is stored first, for the alarm.
    """
    place, store = place_of_seals(), configured_store()
    if store is None:
        return 0
    SealPublication.objects.get_or_create(place=place)
    try:
        return _publish(place=place, store=store)
    except Exception as error:
        _store_failure(place=place, error=error, now=now)
        raise


@transaction.atomic
def _publish(*, place: str, store: SealStore) -> int:
    publication = SealPublication.objects.select_for_update().get(place=place)  # one process at a time
    last = store.last(newest_first=_hours_newest_first())
    if last is not None:
        _compare(last)
    added = 0
    while new := _seals_after(last):
        store.add(new)
        last = new[-1]
        added += len(new)
    reached = last and last.hour
    if publication.error or publication.last_hour != reached:
        publication.last_hour, publication.error, publication.failed_since = reached, "", None
        publication.save()
    return added


def _hours_newest_first() -> Iterator[dt.datetime]:
    yield from HourSeal.objects.order_by("-hour_id").values_list("hour_id", flat=True).iterator(AT_ONCE)


def _compare(last: ListedSeal) -> None:
    stored = HourSeal.objects.filter(hour_id=last.hour).first()
    if stored is None:
        raise SealDiffers(f"The hour {hour_text(last.hour)} has a seal there and none in the database.")
    if str(stored) != last.sha256:
        raise SealDiffers(f"The hour {hour_text(last.hour)} has another seal there than in the database.")


def _seals_after(last: ListedSeal | None) -> list[ListedSeal]:
    seals = HourSeal.objects.order_by("hour_id")
    if last is not None:
        seals = seals.filter(hour_id__gt=last.hour)
    return [ListedSeal(seal.hour_id, str(seal)) for seal in seals[:AT_ONCE]]


def _store_failure(*, place: str, error: Exception, now: dt.datetime) -> None:
    text = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    failing = SealPublication.objects.filter(place=place)
    failing.update(error=text, failed_since=Coalesce("failed_since", now))
