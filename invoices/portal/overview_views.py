"""A customer's overview, and the parts of it that the page fetches by itself."""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customer_of_person
from accounts.models import Customer
from invoices.account.balance_rules import ruling_of
from invoices.packages.after_sale.notices import notices_of
from invoices.portal.alerts import alerts_of
from invoices.portal.overview import RUNNING, Overview, overview_of
from invoices.templatetags.amounts import decimals_of, hour_text, series
from invoices.usage_report.charts import Bar, stacked
from sensenova_billing.lib import clock
from sensenova_billing.lib.local_time import start_of_day


@never_cache
@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Lead to the person's only customer; let them choose among several; tell what to do with none."""
    customers = list(Customer.objects.filter(members__user=request.user.pk))
    if len(customers) == 1:
        return redirect("customer_overview", code=customers[0].code)
    if not customers and request.user.is_staff:
        return redirect("admin:index")
    return render(request, "choose_customer.html", {"customers": customers})


@never_cache
@login_required
@require_safe
def customer_overview(request: HttpRequest, code: str) -> HttpResponse:
    """The figures, open hours, the last 24 hours and 30 days, the latest bills."""
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    read = overview_of(customer=customer, now=now)
    with timezone.override(customer.time_zone):
        context = _now(request, customer, read) | {
            "notices": notices_of(customer=customer, at=now),
            "usage_url": reverse("customer_usage", args=[customer.code]),
            "hours_chart": _hours_chart(read),
            "days_chart": _days_chart(read, customer),
            "cell_decimals": decimals_of(cell.amount for row in read.rows for cell in row.cells),
            "day_decimals": decimals_of(cell.amount for row in read.days for cell in row.cells),
            "top_decimals": decimals_of(one.amount for one in read.figures.top),
            "bill_decimals": decimals_of(bill.amount for bill in read.latest_bills),
        }
        return render(request, "overview.html", context)


@never_cache
@login_required
@require_safe
def customer_overview_now(request: HttpRequest, code: str) -> HttpResponse:
    """The part of the overview that changes while it is looked at."""
    customer = customer_of_person(person=request.user, code=code)
    read = overview_of(customer=customer, now=clock.now())
    with timezone.override(customer.time_zone):
        return render(request, "overview_now.html", _now(request, customer, read))


@never_cache
@login_required
@require_safe
def customer_overview_alerts(request: HttpRequest, code: str) -> HttpResponse:
    """What is ahead or needs a look: prices that change, offers that end, limits."""
    customer = customer_of_person(person=request.user, code=code)
    with timezone.override(customer.time_zone):
        now = clock.now()
        context = {
            "customer": customer,
            "alerts": alerts_of(customer=customer, now=now),
            "ruling": ruling_of(customer, now=now),
        }
        return render(request, "overview_alerts.html", context)


def _now(request: HttpRequest, customer: Customer, read: Overview) -> dict[str, Any]:
    hours = [read.running, *reversed(read.closing_soon)]
    charges = [charge for hour in hours for charge in hour.charges]
    today = start_of_day(
        read.running.hour.astimezone(ZoneInfo(customer.time_zone)).date(), ZoneInfo(customer.time_zone)
    )
    return {
        "customer": customer,
        "overview": read,
        "open_hours": hours,
        "parked_today": [one for one in read.parked if one.hour_id >= today],
        "price_decimals": decimals_of(charge.unit_price for charge in charges),
        "amount_decimals": decimals_of(charge.amount for charge in charges),
        "first_call": _first_call(request, customer) if read.is_unused else "",
    }


def _first_call(request: HttpRequest, customer: Customer) -> str:
    return (
        f"curl {request.build_absolute_uri(reverse('api_usage'))} \\\n"
        '  -H "Authorization: Bearer $SENSENOVA_KEY" -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"event_id": "first-call", "customer": "{customer.code}", "service": "SenseChat-5",\n'
        '       "occurred_at": "\'$(date -u +%FT%TZ)\'", "input_tokens": 1000, "output_tokens": 500}\''
    )


def _hours_chart(read: Overview) -> dict[str, Any]:
    rows = read.rows[::-1]
    bars = [
        Bar(
            hour_text(row.hour)[11:16],
            hour_text(row.hour),
            link=reverse("bill", args=[row.bill_number]) if row.bill_number else "",
            is_open=row.state == RUNNING,
        )
        for row in rows
    ]
    services = enumerate(read.services)
    return stacked(
        bars,
        series=[
            (service.name, series(service.pk), [row.cells[place].amount for row in rows])
            for place, service in services
        ],
    )


def _days_chart(read: Overview, customer: Customer) -> dict[str, Any]:
    rows = read.days[::-1]
    usage = reverse("customer_usage", args=[customer.code])
    bars = [
        Bar(
            f"{row.day:%m-%d}",
            f"{row.day:%Y-%m-%d}",
            link=f"{usage}?width=hour&from={row.day}&to={row.day}",
            is_open=row is rows[-1],
        )
        for row in rows
    ]
    services = enumerate(read.day_services)
    return stacked(
        bars,
        series=[
            (service.name, series(service.pk), [row.cells[place].amount for row in rows])
            for place, service in services
        ],
    )
