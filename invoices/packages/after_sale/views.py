"""What a customer's people do with packages that they have: dismiss a notice."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.api_keys.customer_access import customer_of_person, is_owner
from accounts.models import Customer
from invoices.models import PackageNotice
from invoices.packages.after_sale.notices import dismiss_notice
from sensenova_billing.lib import clock


@never_cache
@login_required
@require_POST
def dismiss(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Show a notice no more, to anybody of the customer."""
    customer = _customer_of_owner(request, code)
    notice = get_object_or_404(PackageNotice, pk=pk, package__customer=customer)
    dismiss_notice(notice=notice, by=request.user.get_username(), now=clock.now())
    return redirect("customer_packages", code=customer.code)


def _customer_of_owner(request: HttpRequest, code: str) -> Customer:
    customer = customer_of_person(person=request.user, code=code)
    if not is_owner(person=request.user, customer=customer):
        raise PermissionDenied
    return customer
