"""What a customer's owners do with packages that they have: dismiss a notice, renew, refund.

The packages of another customer are 404; a viewer gets 403.
"""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.api_keys.customer_access import customer_of_owner, customers_of_person, is_owner
from invoices.models import PackageNotice
from invoices.packages.after_sale.forms import RefundForm, RenewalForm
from invoices.packages.after_sale.notices import dismiss_notice
from invoices.packages.after_sale.refund import refund_shown
from invoices.packages.after_sale.renewal import RenewalRefused, switch_renewal
from pricing.models import QuotaPackage
from sensenova_billing.lib import clock


@never_cache
@login_required
@require_POST
def dismiss(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Show a notice no more, to anybody of the customer."""
    customer = customer_of_owner(person=request.user, code=code)
    notice = get_object_or_404(PackageNotice, pk=pk, package__customer=customer)
    dismiss_notice(notice=notice, by=request.user.get_username(), now=clock.now())
    return redirect("customer_packages", code=customer.code)


@never_cache
@login_required
@require_POST
def set_renewal(request: HttpRequest, number: str) -> HttpResponse:
    """Have the package renewed when it ends, or not."""
    package = _package_of_owner(request, number)
    form = RenewalForm(request.POST)
    if not form.is_valid():
        raise BadRequest("The page was sent incomplete.")
    is_on = form.cleaned_data["renewal"] == "on"
    try:
        switch_renewal(package=package, is_on=is_on, by=request.user.get_username(), now=clock.now())
    except RenewalRefused as refusal:
        messages.error(request, _("Nothing was changed. %(reason)s") % {"reason": refusal})
    else:
        switched = (
            _("The renewal of package %(number)s is on.")
            if is_on
            else _("The renewal of package %(number)s is off.")
        )
        messages.success(request, switched % {"number": package.number})
    return redirect("customer_package", number=package.number)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def refund(request: HttpRequest, number: str) -> HttpResponse:
    """What would be credited, and when the package ends; then the order, if it still is what was shown."""
    package = _package_of_owner(request, number)
    now, status = clock.now(), 200
    form = RefundForm(request.POST if request.method == "POST" else None)
    if form.is_bound:
        status = form.order(package=package, by=request.user.get_username(), now=now)
        if status == 200:
            messages.success(request, _("Package %(number)s is refunded.") % {"number": package.number})
            return redirect("customer_package", number=package.number)
    plan, refusal = refund_shown(package=package, now=now)
    with timezone.override(package.customer.time_zone):
        context = {
            "customer": package.customer,
            "package": package,
            "form": form,
            "plan": plan,
            "refusal": refusal,
        }
        return render(request, "refund_package.html", context, status=status)


def _package_of_owner(request: HttpRequest, number: str) -> QuotaPackage:
    # No number holds a NUL, and PostgreSQL takes no parameter with one.
    found = QuotaPackage.objects.filter(customer__in=customers_of_person(person=request.user))
    package = get_object_or_404(found.select_related("customer"), number=number.replace("\0", ""))
    if not is_owner(person=request.user, customer=package.customer):
        raise PermissionDenied
    return package
