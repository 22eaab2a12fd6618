"""Forms for packages that were bought."""

from django import forms


class RenewalForm(forms.Form):
    """Whether a package is renewed when it ends."""

    renewal = forms.ChoiceField(choices=[("on", "on"), ("off", "off")])
