"""A customer's account: balance, statements, and every transaction."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customer_of_person, is_finance
from accounts.customer_page import customer_page
from accounts.models import Customer
from invoices.account.account_page import account_lines, adjustments_ahead, transactions_of
from invoices.account.balance_rules import ruling_of
from invoices.account.transactions import balance_of
from invoices.drilldown.downloads import csv_download_or_page
from invoices.models import OnlinePayment, PaymentDispute, Statement
from invoices.packages.forms import PageForm
from invoices.packages.pagination import newest_first
from pricing.files.csv import Cell
from sensenova_billing.lib import clock

STATEMENTS_SHOWN = 12
ONLINE_PAYMENTS_SHOWN = 5
STATEMENTS_A_PAGE = 60
COLUMNS = (
    "transaction",
    "booked_utc",
    "value_date",
    "kind",
    "reference",
    "reason",
    "amount_rmb",
    "balance_rmb",
)
_BATCH = 2000


@never_cache
@login_required
@require_safe
def customer_account(request: HttpRequest, code: str) -> HttpResponse:
    """The balance, the newest statements and a page of transactions."""
    customer = customer_of_person(person=request.user, code=code)
    form = PageForm(request.GET)
    lines, page = account_lines(customer=customer, **form.keys())
    balance = balance_of(customer)
    statements = list(_with_corrections(customer)[: STATEMENTS_SHOWN + 1])  # one more tells of more
    now = clock.now()
    ruling = ruling_of(customer, now=now)
    context = {
        "balance": balance,
        "owed": -balance,
        "statements": statements[:STATEMENTS_SHOWN],
        "are_more_statements": len(statements) > STATEMENTS_SHOWN,
        "arrears": ruling.arrears,
        "ruling": ruling,
        "now": now,
        "adjustments": adjustments_ahead(customer),
        "online_payments": _with_disputes(customer)[:ONLINE_PAYMENTS_SHOWN],
        "may_pay": bool(settings.PAYMENT_PROVIDER) and is_finance(person=request.user, customer=customer),
        "lines": lines,
        "page": page,
        "form": form,
    }
    return customer_page(request, "account_book.html", customer, context)


@never_cache
@login_required
@require_safe
def customer_statements(request: HttpRequest, code: str) -> HttpResponse:
    """A page of statements."""
    customer = customer_of_person(person=request.user, code=code)
    form = PageForm(request.GET)
    page = newest_first(_with_corrections(customer), size=STATEMENTS_A_PAGE, **form.keys())
    context = {"statements": page.rows, "page": page, "form": form}
    return customer_page(request, "statements.html", customer, context)


def _with_disputes(customer: Customer) -> QuerySet[OnlinePayment]:
    disputes = PaymentDispute.objects.filter(payment=OuterRef("pk"))
    return customer.online_payments.annotate(is_disputed=Exists(disputes))


def _with_corrections(customer: Customer) -> QuerySet[Statement]:
    return customer.statements.select_related("corrects", "corrected_by")


@never_cache
@login_required
@require_safe
def customer_account_csv(request: HttpRequest, code: str) -> HttpResponseBase:
    """Every transaction, oldest first, with the balance after it."""
    customer = customer_of_person(person=request.user, code=code)
    return csv_download_or_page(name=f"account-{customer.code}", head=COLUMNS, rows=_rows(customer))


def _rows(customer: Customer) -> Iterator[list[Cell]]:
    balance = 0
    for one in transactions_of(customer).order_by("pk").iterator(chunk_size=_BATCH):
        balance += one.change  # type: ignore[attr-defined]  # annotated
        yield [
            *(one.pk, f"{one.at:%Y-%m-%dT%H:%M:%SZ}", str(one.value_date), one.get_kind_display()),
            *(one.reference, one.reason, one.change, balance),  # type: ignore[attr-defined]
        ]
