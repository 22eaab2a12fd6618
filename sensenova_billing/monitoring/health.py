"""For supervisors and load balancers: does the process answer, and can it do its work?"""

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View

from invoices.monitoring.alarms import Level, state_of_closing
from sensenova_billing.checks import check_durability
from sensenova_billing.lib.database.dedicated_connection import separate_connection
from sensenova_billing.lib.database.time_limits import Work
from usage.billing_hours import database_now
from usage.distribution.cluster import is_distributed

PROBES_AT_ONCE = 2
SECONDS_FOR_A_TURN = 2


class HealthView(View):
    """200 while the process answers; depends on nothing else."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("ok\n", content_type="text/plain")


class ReadyView(View):
    """200 while the database answers and its commits are durable, else 503; and the alarms, in words.

    An alarm never makes it 503. Where hours are not closed, usage still has to be taken: a load balancer that
    took the web servers away because the closing is late would turn a delay into lost reports. Nor does a
    worker of Citus that is lost: usage of the customers of all other workers goes on.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask the database whether what it commits survives a crash, and how the closing stands."""
        try:
            with probe():
                errors = check_durability(databases=["default"])
                alarms = _alarms(now=database_now())
        except DatabaseError as error:
            return JsonResponse({"ready": False, "database": type(error).__name__}, status=503)
        if errors:
            names = [error.id for error in errors]
            return JsonResponse({"ready": False, "database": names, "alarms": alarms}, status=503)
        return JsonResponse({"ready": True, "alarms": alarms})


def _alarms(*, now: dt.datetime) -> dict[str, dict[str, str]]:
    try:
        alarms = state_of_closing(now=now).alarms
    except DatabaseError:
        if not is_distributed():
            raise
        return {"worker": {"level": Level.ALARM, "text": "A worker of Citus does not answer."}}
    return {alarm.name: {"level": alarm.level, "text": alarm.text} for alarm in alarms}


@contextmanager
def probe() -> Iterator[None]:
    """Let a health check ask the database within its time limits, over a connection of its own.

    The pool may be used up by what waits for a lock. Raise OperationalError if other probes take too long.
    """
    if not _TURNS.acquire(timeout=SECONDS_FOR_A_TURN):
        raise OperationalError("Earlier health checks are still waiting for the database.")
    try:
        with separate_connection(Work.HEALTH):
            yield
    finally:
        _TURNS.release()


_TURNS = threading.BoundedSemaphore(PROBES_AT_ONCE)
