"""For supervisors and load balancers: does the process answer, and can it do its work?"""

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View

from invoices.watching import state_of_closing
from sensenova_billing.checks import check_durability
from usage.hours import database_now


class HealthView(View):
    """200 while the process answers; asks nobody else."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("ok\n", content_type="text/plain")


class ReadyView(View):
    """200 while the database answers as well and keeps what it is told, else 503; and the alarms, in words.

    An alarm never makes it 503. Where hours are not closed, usage still has to be taken: a load balancer that
    took the web servers away because the closing is late would turn a delay into lost reports.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask the database whether what it commits survives a crash, and how the closing stands."""
        try:
            errors = check_durability(databases=["default"])
            state = state_of_closing(now=database_now())
        except DatabaseError as error:
            return JsonResponse({"ready": False, "database": type(error).__name__}, status=503)
        alarms = {alarm.name: {"level": alarm.level, "text": alarm.text} for alarm in state.alarms}
        if errors:
            names = [error.id for error in errors]
            return JsonResponse({"ready": False, "database": names, "alarms": alarms}, status=503)
        return JsonResponse({"ready": True, "alarms": alarms})
