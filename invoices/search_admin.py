"""One search over customers, people, keys, services, bills, packages and event ids, for who may see each."""

from collections.abc import Callable
from typing import NamedTuple

from django.contrib import admin
from django.db import connection
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.cache import never_cache

from accounts.models import Customer, ServiceKey, User
from invoices.models import HourlyBill
from invoices.templatetags.amounts import instant_text, rmb
from pricing.models import QuotaPackage, Service
from sensenova_billing.lib.database.statements import load_statement

MOST = 10  # of each kind
LONGEST = 255


class Hit(NamedTuple):
    """Something that was found."""

    text: str
    more: str
    href: str


class Kind(NamedTuple):
    """A kind of thing that is searched, with the permission to see it."""

    title: str
    permission: str
    find: Callable[[str], list[Hit]]


@never_cache
def admin_search(request: HttpRequest) -> HttpResponse:
    """Search by what is given and list what this person may see, each with a link."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    kinds = [kind for kind in _KINDS if text and request.user.has_perm(kind.permission)]
    found = [(gettext(kind.title), hits) for kind in kinds if (hits := kind.find(text))]
    context = {**admin.site.each_context(request), "title": gettext("Search"), "text": text, "found": found}
    return render(request, "admin/search.html", context)


def _customers(text: str) -> list[Hit]:
    found = Customer.objects.filter(Q(code__icontains=text) | Q(name__icontains=text))
    return [Hit(one.code, one.name, _page(one)) for one in found[:MOST]]


def _people(text: str) -> list[Hit]:
    found = User.objects.filter(Q(email__icontains=text) | Q(name__icontains=text))
    return [Hit(one.email, one.name, _page(one)) for one in found[:MOST]]


def _keys(text: str) -> list[Hit]:
    # Of a key that somebody has pasted only the part that may be shown is looked at.
    public_id = text.removeprefix("sk_live_").partition("_")[0]
    found = ServiceKey.objects.filter(Q(name__icontains=text) | Q(public_id=public_id))
    return [Hit(one.name, one.prefix, _page(one)) for one in found[:MOST]]


def _services(text: str) -> list[Hit]:
    return [Hit(one.name, "", _page(one)) for one in Service.objects.filter(name__icontains=text)[:MOST]]


def _bills(text: str) -> list[Hit]:
    # By the whole number, which an index finds among millions.
    found = HourlyBill.objects.filter(number=text)
    return [Hit(one.number, f"{one.customer_name}, {rmb(one.amount)}", _page(one)) for one in found]


def _packages(text: str) -> list[Hit]:
    found = QuotaPackage.objects.filter(number=text).select_related("customer")
    return [Hit(one.number, f"{one.product_name}, {one.customer}", _page(one)) for one in found]


def _records(text: str) -> list[Hit]:
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"event_id": text, "most": MOST})
        rows = cursor.fetchall()
    return [
        Hit(
            event_id,
            f"{code}, {instant_text(occurred_at)} UTC",
            f"{reverse('usage_record')}?{urlencode({'customer': code, 'event_id': event_id})}",
        )
        for code, event_id, occurred_at in rows
    ]


def _page(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


_EVENTS = load_statement("search_events.sql", beside=__file__)
_KINDS: tuple[Kind, ...] = (
    Kind(gettext_noop("Customers"), "accounts.view_customer", _customers),
    Kind(gettext_noop("Bills"), "invoices.view_hourlybill", _bills),
    Kind(gettext_noop("Usage records"), "usage.view_usagerecord", _records),
    Kind(gettext_noop("Packages"), "pricing.view_quotapackage", _packages),
    Kind(gettext_noop("Services"), "pricing.view_service", _services),
    Kind(gettext_noop("People"), "accounts.view_user", _people),
    Kind(gettext_noop("Service keys"), "accounts.view_servicekey", _keys),
)
