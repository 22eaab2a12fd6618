"""For supervisors and load balancers: does the process answer, and can it do its work?"""

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View

from sensenova_billing.checks import check_durability


class HealthView(View):
    """200 while the process answers; asks nobody else."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("ok\n", content_type="text/plain")


class ReadyView(View):
    """200 while the database answers as well and keeps what it is told, else 503."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask the database whether what it commits survives a crash."""
        try:
            errors = check_durability(databases=["default"])
        except DatabaseError as error:
            return JsonResponse({"ready": False, "database": type(error).__name__}, status=503)
        if errors:
            return JsonResponse({"ready": False, "database": [error.id for error in errors]}, status=503)
        return JsonResponse({"ready": True})
