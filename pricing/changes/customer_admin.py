"""Customers in the admin, with the way to limits of their own."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.admin import CustomerAdmin
from pricing.models import CallSpecification
from sensenova_billing.lib.admin.decorators import action


class CustomerWithLimitsAdmin(CustomerAdmin):
    """Customers with their members, and a button for call limits."""

    actions_detail = ("give_own_limits",)

    @action(description="Give own limits", permissions=["limits"])
    def give_own_limits(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to a new call specification, for this customer."""
        return redirect(reverse("admin:pricing_callspecification_add", query={"customer": object_id}))

    def has_limits_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the person may add a call specification, as its own page decides."""
        return bool(admin.site.get_model_admin(CallSpecification).has_add_permission(request))
