"""Query parameters of the catalogue, and the form of the calculator on the price page."""

import datetime as dt
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from pricing.catalogue.estimates import EstimatedUsage
from pricing.catalogue.offering import Catalog
from pricing.rules.characters import count_characters
from pricing.rules.measures import MAX_QUANTITY, WHOLE_OF, Measure, parts_beyond_whole
from pricing.words import measure_name
from sensenova_billing.lib.admin.number_fields import WholeNumberField
from sensenova_billing.lib.api.query_params import OptionalCustomerQuery
from sensenova_billing.lib.api.strict_json import TOO_FINE, Instant

LONGEST_TEXT = 200_000


class Rfc3339Field(forms.Field):
    """An instant in RFC 3339, with an offset."""

    def to_python(self, value: str | None) -> dt.datetime | None:
        """Read it in UTC, or refuse it."""
        if not value:
            return None
        try:
            return msgspec.convert(TOO_FINE.sub(r"\1", value, count=1), Instant).astimezone(dt.UTC)
        except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as error:
            raise ValidationError(
                "is not an instant in RFC 3339 with an offset; in an address + is written %2B"
            ) from error


class CatalogQuery(OptionalCustomerQuery):
    """The catalogue at an instant; without one, now. With a customer, its own prices as well."""

    at = Rfc3339Field(required=False)


class QuantityField(WholeNumberField):
    """How many tokens or characters."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(
            required=False,
            max_value=MAX_QUANTITY,
            error_messages={
                "max_value": _("Give %(limit_value)s or less."),
            },
            widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
            **fields,
        )


class CalculatorForm(forms.Form):
    """A service and what is used of it; what the service does not charge for is ignored."""

    service = forms.ChoiceField(
        label=_("Service"),
        error_messages={"invalid_choice": _("This service is not on sale. Choose another.")},
    )
    input_text = forms.CharField(
        label=_("Or the text itself"),
        required=False,
        strip=False,
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_(
            "Its characters are counted; it is not stored. In SSML, which begins with <speak, tags "
            "and comments are not charged."
        ),
    )

    def __init__(self, data: QueryDict | None, *, catalog: Catalog) -> None:
        super().__init__(data)
        self.services = {service.name: service for group in catalog.groups for service in group.services}
        self.fields["service"].choices = [  # type: ignore[attr-defined]
            (group.name, [(service.name, service.name) for service in group.services])
            for group in catalog.groups
        ]
        chosen = self.services.get(str(self["service"].value()), next(iter(self.services.values()), None))
        self.charged = {item.measure for item in chosen.items} if chosen else set()
        # A script shows these when another service is chosen; browsers do not send disabled fields.
        for measure in Measure:
            self.fields[measure.value] = QuantityField(
                label=measure_name(measure), disabled=measure not in self.charged
            )
        self.fields["input_text"].disabled = not self.takes_text

    @property
    def takes_text(self) -> bool:
        """Whether text may be pasted; it must not be in a URL, so the form is posted."""
        return Measure.INPUT_CHARACTERS in self.charged

    @property
    def quantities(self) -> list[forms.BoundField]:
        """The fields for numbers, in the order of the measures."""
        return [self[measure.value] for measure in Measure]

    def clean(self) -> dict[str, Any]:
        """Refuse characters that are given twice, and parts that are more than their whole."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("input_text") and cleaned.get("input_characters") is not None:
            self.add_error("input_text", _("Give either the number of characters or the text, not both."))
        beyond = parts_beyond_whole({measure: cleaned.get(measure) or 0 for measure in Measure})
        if beyond:
            part = Measure(beyond[0])
            refusal = _("This is part of %(whole)s, and cannot be more.")
            self.add_error(part, refusal % {"whole": measure_name(WHOLE_OF[part])})
        return cleaned

    def usage(self) -> EstimatedUsage | None:
        """Return what is to be priced; None if no quantity is given."""
        cleaned = self.cleaned_data
        data = {str(one): cleaned[one] for one in Measure if cleaned.get(one) is not None}
        if cleaned.get("input_text"):
            data[Measure.INPUT_CHARACTERS.value] = count_characters(cleaned["input_text"])
        return EstimatedUsage(service=cleaned["service"], **data) if data else None
