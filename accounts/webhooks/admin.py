"""Webhooks in the admin: endpoints and deliveries, to read, never to change. Secrets are not shown."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

STATE_COLOURS = {
    DeliveryState.WAITING.label: "default",
    DeliveryState.DELIVERED.label: "success",
    DeliveryState.FAILED.label: "danger",
    DeliveryState.STOPPED.label: "warning",
}


class WebhookEndpointAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every endpoint, the newest first."""

    list_display = ("url", "customer", "disabled_text", "disabled_at", "failing_since", "removed_at")
    list_filter = (("disabled_because", TranslatedChoicesFilter),)
    list_select_related = ("customer",)
    search_fields = ("customer__code__exact",)
    search_help_text = _("The whole code of a customer.")
    list_per_page = 50
    fields = (
        *("customer", "url", "kinds", "created_at", "previous_secret_until"),
        *("disabled_at", "disabled_text", "removed_at", "failing_since", "leased_until"),
    )

    @display(description=_("disabled because"), ordering="disabled_because")
    def disabled_text(self, endpoint: WebhookEndpoint) -> str:
        """Why, if it is disabled."""
        return gettext(endpoint.get_disabled_because_display()) if endpoint.disabled_because else "-"


class WebhookDeliveryAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every delivery, the newest first."""

    list_display = ("public_id", "kind", "customer", "endpoint", "state_text", "failures", "next_attempt_at")
    list_filter = (("state", TranslatedChoicesFilter),)
    list_select_related = ("event__customer", "endpoint")
    search_fields = ("event__customer__code__exact",)
    search_help_text = _("The whole code of a customer.")
    list_per_page = 50
    fields = (
        *("public_id", "kind", "customer", "endpoint", "state_text", "failures"),
        "next_attempt_at",
        "delivered_at",
    )

    @display(description=_("event"))
    def public_id(self, delivery: WebhookDelivery) -> str:
        """As receivers see it."""
        return delivery.event.public_id

    @display(description=_("kind"))
    def kind(self, delivery: WebhookDelivery) -> str:
        """As receivers see it."""
        return delivery.event.kind

    @display(description=_("customer"))
    def customer(self, delivery: WebhookDelivery) -> str:
        """By code."""
        return delivery.event.customer.code

    @display(description=_("state"), ordering="state", label=STATE_COLOURS)
    def state_text(self, delivery: WebhookDelivery) -> Label:
        """How far it is."""
        state = delivery.get_state_display()
        return Label(state, gettext(state))
