"""Forms of a customer's webhook endpoints."""

import datetime as dt

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.webhooks.addresses import LONGEST_URL
from accounts.webhooks.events import OFFERED

OVERLAPS = (("0", _("at once")), ("24", _("in 24 hours")), ("168", _("in 7 days")))


class KindsForm(forms.Form):
    """Which events are sent."""

    kinds = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[(kind.value, format_lazy("{}: {}", kind.value, _(kind.label))) for kind in OFFERED],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one event.")},
    )


class EndpointForm(KindsForm):
    """Where events are sent, and which."""

    url = forms.CharField(
        label=_("Address"),
        max_length=LONGEST_URL,
        help_text=_("Where your program takes events, e.g. https://example.com/webhooks."),
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )


class RotateSecretForm(forms.Form):
    """How long deliveries are signed with the old secret too."""

    overlap = forms.TypedChoiceField(
        label=_("The old secret ends"),
        choices=OVERLAPS,
        initial="24",
        coerce=lambda hours: dt.timedelta(hours=int(hours)),
        widget=forms.RadioSelect,
    )


class DeliveriesForm(forms.Form):
    """Which part of the delivery log is requested."""

    older_than = forms.RegexField(r"^[1-9][0-9]{0,17}\Z", required=False, strip=False)
