"""Forms for packages that were bought."""

from django import forms

from pricing.changes.base_form import UtcInstantField


class RenewalForm(forms.Form):
    """Whether a package is renewed when it ends."""

    renewal = forms.ChoiceField(choices=[("on", "on"), ("off", "off")])


class RefundForm(forms.Form):
    """A refund as it was shown: when the package ends."""

    ends_at = UtcInstantField(widget=forms.HiddenInput)
