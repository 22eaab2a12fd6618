"""The public price page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from pricing.page import default_call_limits, price_page

# Nobody in particular looks, so the page keeps the clock that customers have by default.
CLOCK = "Asia/Shanghai"


@require_safe
def prices(request: HttpRequest) -> HttpResponse:
    """Show what is on sale and the default call limits, for everybody."""
    now = timezone.now()
    context = {"families": price_page(at=now), "call_limits": default_call_limits(at=now), "clock": CLOCK}
    with timezone.override(CLOCK):
        return render(request, "prices.html", context)
