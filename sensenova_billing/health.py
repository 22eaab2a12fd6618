"""For supervisors and load balancers: does the process answer, and can it do its work?"""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View


class HealthView(View):
    """200 while the process answers; asks nobody else."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("ok\n", content_type="text/plain")


class ReadyView(View):
    """200 while the database answers as well, else 503."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask the database for one row."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError as error:
            return JsonResponse({"ready": False, "database": type(error).__name__}, status=503)
        return JsonResponse({"ready": True})
