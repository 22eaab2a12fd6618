"""Render a customer's page: its times are by the customer's clock."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import Customer


def customer_page(
    request: HttpRequest, template: str, customer: Customer, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render the template with the customer and this context."""
    with timezone.override(customer.time_zone):
        return render(request, template, {"customer": customer, **context}, status=status)
