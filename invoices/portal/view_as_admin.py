"""*View as customer*: staff see what a customer sees, read only, and the audit trail has it."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.api_keys.customer_access import may_view
from accounts.audit.audited_admin import ReasonForm
from accounts.customer_views import LASTS, ActsForCustomer, end_view, start_view
from accounts.models import User
from pricing.changes.limit_admin import CustomerWithLimitsAdmin
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.decorators import action


class ViewedCustomerAdmin(CustomerWithLimitsAdmin):
    """Customers with a button that shows their pages, and one for new customers."""

    actions_list = ("onboard",)
    actions_detail: tuple[str, ...] = ("view_as", *CustomerWithLimitsAdmin.actions_detail)

    @action(description=_("Onboard a customer"), url_path="onboard", permissions=["add"])
    def onboard(self, request: HttpRequest) -> HttpResponse:
        """Lead to the page that makes a customer with all that it begins with."""
        return redirect("onboard_customer")

    @action(description=_("View as customer"), url_path="view-as", permissions=["view_as"])
    def view_as(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what it means and ask for the reason; then lead to the customer's overview."""
        customer = self.get_object_or_404(request, object_id)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                start_view(
                    person=_person(request),
                    customer=customer,
                    reason=form.cleaned_data["reason"],
                    now=clock.now(),
                )
            except ActsForCustomer:
                messages.info(
                    request,
                    gettext("You are a member of %(customer)s: these are your own pages of it.")
                    % {"customer": customer},
                )
            return redirect("customer_overview", code=customer.code)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("View as %(customer)s") % {"customer": customer},
            "customer": customer,
            "form": form,
            "minutes": LASTS.seconds // 60,
            "change_url": reverse("admin:accounts_customer_change", args=[customer.pk]),
            "opts": self.opts,
        }
        return render(request, "admin/view_as.html", context)

    def has_view_as_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the person may see what customers see."""
        return may_view(person=request.user)


@require_POST
def end_customer_view(request: HttpRequest) -> HttpResponse:
    """End the view and lead back to the customer in the admin, or to the admin's first page without one."""
    view = end_view(person=_person(request), now=clock.now())
    if view is None:
        return redirect("admin:index")
    messages.success(
        request,
        gettext("You no longer view %(customer)s as the customer does.") % {"customer": view.customer},
    )
    return redirect("admin:accounts_customer_change", view.customer_id)


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)  # the admin lets nobody in without a sign-in
