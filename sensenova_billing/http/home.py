"""The root of the site."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Lead people who are signed in to their overview, and all others to the prices."""
    return redirect("overview" if request.user.is_authenticated else "prices")
