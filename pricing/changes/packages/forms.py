"""The forms of package products: put terms on sale, end them, cancel scheduled ones."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.datastructures import MultiValueDict
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from pricing.changes.base_form import PriceActionForm, Text, instant_field, is_key
from pricing.changes.packages.commands import cancel_terms, end_terms, sell_package
from pricing.changes.packages.rows import terms_row, with_parts
from pricing.changes.rows import AT_ONCE, PackageRow, cells_of, read_weights
from pricing.models import (
    AMOUNT_DIGITS,
    AMOUNT_PLACES,
    PackageTerms,
    Service,
    ServiceGroup,
    in_force,
    moment_text,
)
from pricing.rules.methods import PACKAGE_METHODS, RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from pricing.rules.validity import ValidityUnit
from pricing.stored_words import stored_in_words
from pricing.words import a_unit_words, package_price_words
from sensenova_billing.lib.admin.number_fields import PlainDecimalField, WholeNumberField

TERMS = "terms"
_LONGEST_WEIGHTS = 5000


def _number_field(label: Text, help_text: Text, *, required: bool = False) -> WholeNumberField:
    return WholeNumberField(
        label=label,
        required=required,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )


def _amount_field(label: Text, help_text: Text, *, required: bool = True) -> PlainDecimalField:
    return PlainDecimalField(
        label=label,
        required=required,
        help_text=help_text,
        max_digits=AMOUNT_DIGITS,
        decimal_places=AMOUNT_PLACES,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


class SellPackageForm(PriceActionForm):
    """A product with the terms on which it is sold; `terms` in the query fills in those of this key."""

    several = ("services", "groups")
    names: ClassVar[tuple[str, ...]] = ("product", "method")

    product = forms.CharField(
        label=_("Product"),
        max_length=100,
        help_text=_("As customers see it, e.g. SenseChat-5 10M. A product of this name gets new terms."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    method = forms.ChoiceField(
        label=_("Billing method"),
        choices=[(method.value, _(method.label)) for method in reversed(PACKAGE_METHODS)],
        help_text=_("A product keeps its billing method."),
        widget=UnfoldAdminSelectWidget,
    )
    services = forms.ModelMultipleChoiceField(Service.objects.all(), required=False)
    groups = forms.ModelMultipleChoiceField(ServiceGroup.objects.all(), required=False)
    tokens = _number_field(_("Tokens"), _("Of a Tokens product."))
    validity = _number_field(
        _("Valid for"), _("1 for a TPM product: it is priced by the unit."), required=True
    )
    validity_unit = forms.ChoiceField(
        label=_("Days or months"),
        choices=[(unit, _(label)) for unit, label in ValidityUnit.choices()],
        initial=ValidityUnit.MONTH.value,
        widget=UnfoldAdminSelectWidget,
    )
    list_price = _amount_field(
        _("List price (RMB)"),
        format_lazy(
            _("Of a TPM product: of a unit for a day or month; a unit is {tpm} TPM and {rpm} RPM."),
            tpm=f"{TPM_OF_UNIT:,}",
            rpm=RPM_OF_UNIT,
        ),
    )
    offer_price = _amount_field(
        _("Offer price (RMB)"), _("Not above the list price; empty: none."), required=False
    )
    rpm = _number_field(
        "RPM", _("Limits while a Tokens package lasts, both or neither; empty: the usual ones.")
    )
    tpm = _number_field("TPM", _("Tokens per minute while it lasts."))
    weights = forms.CharField(
        label=_("Weights"),
        required=False,
        max_length=_LONGEST_WEIGHTS,
        help_text=_(
            "How many tokens of the package a token takes, with commas between, such as "
            "SenseChat-5/output_tokens: 2. What is not named takes 1."
        ),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    begins_at = instant_field(
        _("From"), _("In the future; empty: at once. Terms on sale then end there."), required=False
    )
    ends_at = instant_field(
        _("Until"),
        _("End (exclusive); then the terms that they superseded resume. Empty: no end."),
        required=False,
    )

    def __init__(self, params: MultiValueDict[str, str] | None = None, **options: Any) -> None:
        super().__init__(params, **options)
        if not (params and "begins_at" in params):
            self.initial.pop("begins_at")  # at once, unless something else is said
        key = str(self.initial.get(TERMS, ""))
        held = with_parts(PackageTerms.objects.filter(pk=key)).first() if is_key(key) else None
        if held is not None and not self.is_bound:
            self.initial = {**_known(held), **self.initial}

    def head_fields(self) -> list[forms.BoundField]:
        """Return the fields that name the product."""
        return [self[name] for name in self.names]

    def plain_fields(self) -> list[forms.BoundField]:
        """Return the fields that neither name the product nor choose what it covers."""
        return [field for field in self if field.name not in {*self.several, *self.names}]

    def sections(self) -> list[dict[str, Any]]:
        """Return the checkboxes of the page: groups and their services."""
        ticked = {name: self.chosen(name) for name in self.several}
        return [
            {
                "group": group,
                "ticked": str(group.pk) in ticked["groups"],
                "services": [
                    {"service": one, "ticked": str(one.pk) in ticked["services"]}
                    for one in group.services.all()
                ],
            }
            for group in ServiceGroup.objects.prefetch_related("services")
        ]

    def clean_weights(self) -> Any:
        """Read the weights as files hold them."""
        try:
            return read_weights(self.cleaned_data["weights"])
        except ValueError as error:
            raise ValidationError(stored_in_words(str(error))) from error

    def rows(self) -> list[PackageRow]:
        """The terms, and the changes to those that they supersede."""
        data = self.cleaned_data
        new = PackageRow(
            product=data["product"],
            method=BillingMethod(data["method"]),
            services=tuple(sorted(one.name for one in data["services"])),
            groups=tuple(sorted(one.name for one in data["groups"])),
            tokens=data["tokens"],
            validity=data["validity"],
            validity_unit=ValidityUnit(data["validity_unit"]),
            list_price=data["list_price"],
            offer_price=data["offer_price"],
            rpm=data["rpm"],
            tpm=data["tpm"],
            weights=data["weights"],
            begins_at=data["begins_at"] or AT_ONCE,
            ends_at=data["ends_at"],
        )
        return sell_package(new=new, now=self.now)

    def summary(self) -> str:
        """E.g. `Sell SenseChat-5 10M for 400.00 RMB from 2026-12-01 00:00 UTC`."""
        data = self.cleaned_data
        is_tpm = data["method"] == BillingMethod.TPM_PACKAGE
        price = package_price_words(data["list_price"], data["offer_price"])
        if is_tpm:
            price = a_unit_words(price, data["validity_unit"])
        words = {"product": data["product"], "price": price, "begin": _begin(data["begins_at"])}
        if data["ends_at"] is None:
            return gettext("Sell %(product)s for %(price)s %(begin)s") % words
        words["end"] = moment_text(data["ends_at"])
        return gettext("Sell %(product)s for %(price)s %(begin)s until %(end)s") % words


class EndTermsForm(PriceActionForm):
    """Terms on sale that end, at once or later."""

    terms = forms.ModelChoiceField(
        PackageTerms.objects.none(), label=_("Product"), widget=UnfoldAdminSelectWidget
    )
    ends_at = instant_field(
        _("Ends"),
        _("End (exclusive); empty: at once. Packages that were sold stay as they are."),
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        on_sale = PackageTerms.objects.filter(in_force(at=self.now))
        _field(self, TERMS).queryset = with_parts(on_sale)

    def rows(self) -> list[PackageRow]:
        """Their end."""
        data = self.cleaned_data
        return end_terms(terms=data["terms"], ends_at=data["ends_at"], now=self.now)

    def summary(self) -> str:
        """E.g. `End the sale of SenseChat-5 10M at 2026-12-01 00:00 UTC`."""
        ends_at = self.cleaned_data["ends_at"]
        words = {"product": self.cleaned_data["terms"].product}
        if ends_at is None:
            return gettext("End the sale of %(product)s at once") % words
        return gettext("End the sale of %(product)s at %(at)s") % {**words, "at": moment_text(ends_at)}


class CancelTermsForm(PriceActionForm):
    """Scheduled terms that are cancelled; those that they had superseded resume."""

    terms = forms.ModelChoiceField(
        PackageTerms.objects.none(), label=_("Scheduled terms"), widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scheduled = PackageTerms.objects.filter(Q(begins_at__gt=self.now))
        _field(self, TERMS).queryset = with_parts(scheduled)

    def rows(self) -> list[PackageRow]:
        """Their removal."""
        return cancel_terms(terms=self.cleaned_data["terms"], now=self.now)

    def summary(self) -> str:
        """E.g. `Cancel the terms of SenseChat-5 10M from 2026-12-01 00:00 UTC on`."""
        terms = self.cleaned_data["terms"]
        words = {"product": terms.product, "at": moment_text(terms.begins_at)}
        return gettext("Cancel the terms of %(product)s from %(at)s on") % words


def _field(form: forms.Form, name: str) -> Any:
    return form.fields[name]


def _begin(begins_at: Any) -> str:
    return gettext("from %(at)s") % {"at": moment_text(begins_at)} if begins_at else gettext("at once")


def _known(terms: PackageTerms) -> dict[str, Any]:
    """Return the fields that these terms fill in: all but when they begin and end."""
    cells = cells_of(terms_row(terms))
    known = {name: text for name, text in cells.items() if name not in {"begins_at", "ends_at", "remove"}}
    return known | {
        "services": [one.pk for one in terms.services.all()],
        "groups": [one.pk for one in terms.groups.all()],
    }
