"""Package products in the admin: their terms, and the pages on which they are sold, ended and cancelled."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from invoices.price_impact.catalogue_admin import PriceButtons, button_to
from invoices.price_impact.price_admin import PriceActionPage, view_of
from pricing.admin import CatalogueViewAdmin
from pricing.admin_filters import ENDED, IN_FORCE, SCHEDULED, STATES, StateFilter, state_of
from pricing.changes.packages.forms import CancelTermsForm, EndTermsForm, SellPackageForm
from pricing.changes.packages.rows import terms_row, with_parts
from pricing.changes.rows import names_text
from pricing.models import PackageTerms, TermsWeight
from pricing.rules.methods import RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from pricing.rules.validity import ValidityUnit
from pricing.words import measure_name, validity_words
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label

MAY_SELL = "pricing.change_packageterms"
ON_SALE = {IN_FORCE: gettext_noop("on sale"), SCHEDULED: SCHEDULED, ENDED: ENDED}
LIST = "admin:pricing_packageterms_changelist"


class PackageTermsAdmin(PriceButtons, CatalogueViewAdmin):
    """What package products held and cost, hold and cost, and will."""

    may_change = MAY_SELL
    list_display = ("product", "method", "covers", "holds", "price", "begins_at", "ends_at", "state")
    list_filter = (StateFilter, ("product__method", TranslatedChoicesFilter), "product")
    search_fields = ("product__name", "services__name", "groups__name")
    search_help_text = _("A product, or a service or group that it covers.")
    fields = (
        "product",
        "method",
        "covers",
        "holds",
        "price",
        "limits",
        "weighs",
        "begins_at",
        "ends_at",
        "state",
    )
    ordering = ("product__name", "begins_at")
    appears_here = _(
        "Quota packages that are on sale, were or will be appear here. Put one on sale with the button."
    )
    actions_list = ("sell_package", "end_terms", "cancel_terms")
    actions_detail = ("sell_this", "end_this", "cancel_this")

    sell_package = button_to("sell_package", _("Put a package on sale"))
    end_terms = button_to("end_terms", _("End a sale"))
    cancel_terms = button_to("cancel_terms", _("Cancel scheduled terms"))
    sell_this = button_to("sell_package", _("Change these terms"), "terms")
    end_this = button_to("end_terms", _("End the sale"), "terms")
    cancel_this = button_to("cancel_terms", _("Cancel these terms"), "terms")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PackageTerms]":
        """With what they cover, read at once."""
        return with_parts(super().get_queryset(request))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """End what is on sale, cancel what is scheduled; what has ended is history."""
        terms = self.get_object(request, object_id)
        useless = {
            IN_FORCE: {"cancel_this"},
            SCHEDULED: {"end_this"},
            ENDED: {"end_this", "cancel_this"},
        }[state_of(terms) if terms else ENDED]
        offered = super().get_actions_detail(request, object_id)
        return [
            one for one in offered if one.action_name.removeprefix("pricing_packageterms_") not in useless
        ]

    @display(description=_("billing method"), ordering="product__method")
    def method(self, terms: PackageTerms) -> str:
        """As the price page words it."""
        return gettext(terms.product.get_method_display())

    @display(description=_("covers"))
    def covers(self, terms: PackageTerms) -> str:
        """Services, and whole groups."""
        row = terms_row(terms)
        return names_text(
            [*row.services, *(gettext("all of %(group)s") % {"group": group} for group in row.groups)]
        )

    @display(description=_("holds"), ordering="tokens")
    def holds(self, terms: PackageTerms) -> str:
        """Tokens for a time, or units by the day or month."""
        if terms.product.method == BillingMethod.TPM_PACKAGE:
            unit = {"tpm": f"{TPM_OF_UNIT:,}", "rpm": RPM_OF_UNIT}
            if terms.validity_unit == ValidityUnit.DAY:
                return gettext("units by the day; a unit is %(tpm)s TPM and %(rpm)s RPM") % unit
            return gettext("units by the month; a unit is %(tpm)s TPM and %(rpm)s RPM") % unit
        validity = validity_words(terms.validity, terms.validity_unit)
        return gettext("%(tokens)s tokens for %(time)s") % {
            "tokens": f"{terms.tokens or 0:,}",
            "time": validity,
        }

    @display(description=_("price"), ordering="list_price")
    def price(self, terms: PackageTerms) -> str:
        """With the list price that an offer undercuts."""
        prices = {"list_price": f"{terms.list_price:,.2f}", "price": f"{terms.price:,.2f}"}
        if terms.offer_price is None:
            return gettext("%(price)s RMB") % prices
        return gettext("%(price)s RMB (list price %(list_price)s)") % prices

    @display(description=_("limits while it lasts"))
    def limits(self, terms: PackageTerms) -> str:
        """Its own, or none of its own."""
        if terms.rpm and terms.tpm:
            return f"{terms.rpm:,} RPM, {terms.tpm:,} TPM"
        return gettext("the usual ones")

    @display(description=_("weights"))
    def weighs(self, terms: PackageTerms) -> str:
        """What takes more or less than a token."""
        return names_text(map(_weight_words, terms.weights.all())) or gettext("1 each")

    @display(description=_("state"), label={ON_SALE[state]: badge for state, badge in STATES.items()})
    def state(self, terms: PackageTerms) -> Label:
        """On sale, scheduled or ended."""
        state = ON_SALE[state_of(terms)]
        return Label(state, gettext(state))


def _weight_words(weight: TermsWeight) -> str:
    item = weight.billing_item
    return f"{item.service}: {measure_name(item.measure)}: {weight.weight.normalize():f}"


def _page(title: Promise, intro: Promise, form: type[Any], **layout: str) -> Any:
    page = PriceActionPage(
        title, intro, form, changes=_("package products"), permission=MAY_SELL, back=LIST, **layout
    )
    return view_of(page)


sell_package = _page(
    _("Put a package on sale"),
    _(
        "A quota package with the terms on which it is sold, at once or from an instant on. Terms of the "
        "same product that are on sale then end there; packages that were sold stay as they are."
    ),
    SellPackageForm,
    fields="admin/package_fields.html",
)
end_terms = _page(
    _("End a sale"),
    _("A package product that is not sold any more. Packages that were sold stay as they are."),
    EndTermsForm,
)
cancel_terms = _page(
    _("Cancel scheduled terms"),
    _("Terms that have not begun are removed; those that they would have superseded continue."),
    CancelTermsForm,
)
