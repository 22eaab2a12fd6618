"""A customer's pages: the overview, the bills, a bill. Nobody sees another customer's: 404."""

import csv
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import clock
from accounts.acting import customer_of_person
from accounts.models import Customer
from invoices.forms import KEY_FORMAT, BillsForm
from invoices.models import ChargeLine, HourlyBill
from invoices.overview import Overview, overview_of
from invoices.templatetags.amounts import decimals_of, exact, hour_text, series
from pricing.amounts import exact_sum, plain
from usage.models import UsageRecord

BILLS_A_PAGE = 50
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
    """This hour so far, the last 24 hours, the latest bills."""
    customer = customer_of_person(person=request.user, code=code)
    read = overview_of(customer=customer, now=clock.now())
    with timezone.override(customer.time_zone):
        hours = [read.running, *reversed(read.closing_soon)]
        charges = [charge for hour in hours for charge in hour.charges]
        context = {
            "customer": customer,
            "overview": read,
            "open_hours": hours,
            "chart": _chart(read),
            "price_decimals": decimals_of(charge.unit_price for charge in charges),
            "amount_decimals": decimals_of(charge.amount for charge in charges),
            "cell_decimals": decimals_of(cell.amount for row in read.rows for cell in row.cells),
            "bill_decimals": decimals_of(bill.amount for bill in read.latest_bills),
        }
        return render(request, "overview.html", context)


@never_cache
@login_required
@require_safe
def customer_bills(request: HttpRequest, code: str) -> HttpResponse:
    """The customer's bills, newest first, by page or by day."""
    customer = customer_of_person(person=request.user, code=code)
    form = BillsForm(request.GET)
    page = _bills_page(customer=customer, form=form)
    with timezone.override(customer.time_zone):
        context = {
            "customer": customer,
            "form": form,
            "page": page,
            "amount_decimals": decimals_of(bill.amount for bill in page.bills),
            "query": request.GET.urlencode(),
        }
        return render(request, "bills.html", context, status=200 if form.is_valid() else 400)


@never_cache
@login_required
@require_safe
def customer_bills_csv(request: HttpRequest, code: str) -> HttpResponse:
    """The table that `customer_bills` shows for the same query."""
    customer = customer_of_person(person=request.user, code=code)
    page = _bills_page(customer=customer, form=BillsForm(request.GET))
    head = ["bill", "hour_utc", "issued_at", "records", "amount_rmb"]
    rows = (
        [bill.number, bill.hour_id.isoformat(), bill.issued_at.isoformat(), bill.records, bill.amount]
        for bill in page.bills
    )
    return _csv(f"bills-{customer.code}", head, rows)


@never_cache
@login_required
@require_safe
def bill(request: HttpRequest, number: str) -> HttpResponse:
    """A bill with its lines, grouped by service."""
    found = _own_bill(request, number)
    lines = _lines(found)
    reversals = _reversals(found) if any(line.correction for line in lines) else 0
    with timezone.override(found.customer.time_zone):
        context = {
            "customer": found.customer,
            "bill": found,
            "sections": _sections(lines),
            "price_decimals": decimals_of(line.unit_price for line in lines),
            "amount_decimals": decimals_of([found.amount, *(line.amount for line in lines)]),
            "has_late_lines": any(line.is_late for line in lines),
            "has_corrections": any(line.correction for line in lines),
            "reversals": reversals,
            "calls": found.records - reversals,
        }
        return render(request, "bill.html", context)


@never_cache
@login_required
@require_safe
def bill_csv(request: HttpRequest, number: str) -> HttpResponse:
    """A bill's lines."""
    found = _own_bill(request, number)
    head = ["bill", "hour_utc", "usage_hour_utc", "service", "billing_item", "records", "quantity"]
    head += ["unit_price_rmb", "unit_size", "price_kind", "own_price", "amount_rmb"]
    head += ["correction", "corrected_bill"]
    return _csv(found.number, head, (_line_cells(found, line) for line in _lines(found)))


def _line_cells(found: HourlyBill, line: ChargeLine) -> list[Any]:
    return [
        found.number,
        found.hour_id.isoformat(),
        line.usage_hour.isoformat(),
        line.service_name,
        line.measure,
        line.records,
        line.quantity,
        line.unit_price,
        line.unit_size,
        line.price_kind,
        "yes" if line.is_own_price else "no",
        line.amount,
        line.correction,
        line.corrects.bill.number if line.corrects else "",
    ]


def _own_bill(request: HttpRequest, number: str) -> HourlyBill:
    bills = HourlyBill.objects.filter(customer__members__user=request.user.pk)
    return get_object_or_404(bills.select_related("customer"), number=number)


def _lines(found: HourlyBill) -> list[ChargeLine]:
    by_service = ("service__group__position", "service__position", "service_id")
    # What is reversed, then what is taken back, then what is charged anew instead.
    corrections_last = (F("corrects").asc(nulls_first=True), F("rerating").asc(nulls_first=True))
    lines = list(
        found.lines.select_related("corrects__bill").order_by(
            *by_service, "-usage_hour", "billing_item_id", "price_id", *corrections_last, "-correction"
        )
    )
    for line in lines:
        line.bill = found  # so that no line reads its bill again
    return lines


def _reversals(found: HourlyBill) -> int:
    """Return how many of the bill's records take others back."""
    records = UsageRecord.objects.filter(customer_id=found.customer_id, billing_hour=found.hour_id)
    return records.filter(reverses__isnull=False).count()


@dataclass(frozen=True)
class Section:
    """The lines of one service on a bill."""

    service: str
    service_id: int
    lines: list[ChargeLine]
    amount: Decimal
    is_free_trial: bool


def _sections(lines: list[ChargeLine]) -> list[Section]:
    by_service = groupby(lines, key=lambda line: (line.service_name, line.service_id))
    return [_section(service, service_id, list(group)) for (service, service_id), group in by_service]


def _section(service: str, service_id: int, lines: list[ChargeLine]) -> Section:
    return Section(
        service=service,
        service_id=service_id,
        lines=lines,
        amount=exact_sum(line.amount for line in lines),
        is_free_trial=all(line.is_free_trial for line in lines),
    )


@dataclass(frozen=True)
class BillsPage:
    """Some bills, newest first, and the keys of the pages next to them."""

    bills: list[HourlyBill]
    newer_than: str | None
    older_than: str | None


def _bills_page(*, customer: Customer, form: BillsForm) -> BillsPage:
    if not form.is_valid():
        return BillsPage([], None, None)
    bills = HourlyBill.objects.filter(customer=customer)
    day, older, newer = (form.cleaned_data[name] for name in ("day", "older_than", "newer_than"))
    if day:
        begin = dt.datetime.combine(day, dt.time(), tzinfo=ZoneInfo(customer.time_zone))
        end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=begin.tzinfo)
        bills = bills.filter(hour_id__gte=begin, hour_id__lt=end)
    if newer:
        # One more than a page holds tells whether there is another page beyond it.
        found = list(bills.filter(hour_id__gt=newer).order_by("hour_id")[: BILLS_A_PAGE + 1])
        shown = found[:BILLS_A_PAGE][::-1]
        has_newer, has_older = len(found) > BILLS_A_PAGE, bool(shown)
    else:
        bills = bills.filter(hour_id__lt=older) if older else bills
        found = list(bills.order_by("-hour_id")[: BILLS_A_PAGE + 1])
        shown = found[:BILLS_A_PAGE]
        has_newer, has_older = bool(older and shown), len(found) > BILLS_A_PAGE
    return BillsPage(
        bills=shown,
        newer_than=f"{shown[0].hour_id:{KEY_FORMAT}}" if has_newer else None,
        older_than=f"{shown[-1].hour_id:{KEY_FORMAT}}" if has_older else None,
    )


def _chart(read: Overview) -> dict[str, Any]:
    """Return what overview.js draws, oldest hour first; amounts as text, so that none loses a digit."""
    rows = read.rows[::-1]
    return {
        "hours": [hour_text(row.hour) for row in rows],
        "totals": [exact(row.amount) for row in rows],
        "services": [
            {
                "name": service.name,
                "series": series(service.pk),
                "amounts": [plain(row.cells[place].amount) for row in rows],
            }
            for place, service in enumerate(read.services)
        ],
    }


def _csv(name: str, head: list[str], rows: Iterable[list[Any]]) -> HttpResponse:
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
    writer = csv.writer(answer)
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return answer


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)  # below 0 it begins with a minus, and is no formula
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
