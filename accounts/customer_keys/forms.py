"""Forms of a customer's own keys."""

import datetime as dt

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.api_keys.new_key_fields import NewKeyForm
from accounts.models import Scope
from sensenova_billing.lib.names import validate_name

LIFETIMES = (
    ("", _("never")),
    ("30", _("after 30 days")),
    ("90", _("after 90 days")),
    ("365", _("after 365 days")),
)
OVERLAPS = (("0", _("at once")), ("24", _("in 24 hours")), ("168", _("in 7 days")))


class MakeKeyForm(NewKeyForm):
    """A key's name, what it may be used for, and how long; no scope is chosen beforehand."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        validators=[validate_name],
        help_text=_("Which program uses it, e.g. chat-gateway-1."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("The key may"),
        choices=[(scope.value, _(scope.label)) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose what the key may be used for.")},
    )
    lasts = forms.TypedChoiceField(
        label=_("Expires"),
        choices=LIFETIMES,
        required=False,
        coerce=lambda days: dt.timedelta(days=int(days)),
        empty_value=None,
    )


class RotateKeyForm(NewKeyForm):
    """How long the old key is accepted beside the new one."""

    overlap = forms.TypedChoiceField(
        label=_("The old key ends"),
        choices=OVERLAPS,
        initial="24",
        coerce=lambda hours: dt.timedelta(hours=int(hours)),
        widget=forms.RadioSelect,
    )


class EndedKeysForm(forms.Form):
    """Which part of the list of ended keys is requested."""

    older_than = forms.RegexField(r"^[1-9][0-9]{0,17}\Z", required=False, strip=False)
