"""Forms for signing in, for people and for service keys."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from unfold.forms import AuthenticationForm as UnfoldAuthenticationForm
from unfold.forms import UserChangeForm, UserCreationForm

from accounts.models import Scope, ServiceKey, User
from accounts.signed_admin import SignedForm, reason_field


class SignInForm(AuthenticationForm):
    """E-mail and password."""

    error_messages = {
        "invalid_login": "No active person has this e-mail and password. Check both and try again.",
        "inactive": "This person may no longer sign in. Ask whoever runs this billing system.",
    }
    username = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    def clean_username(self) -> str:
        """Write the address in one case, so that wrong passwords are counted together whatever was typed."""
        return str(self.cleaned_data["username"]).lower()


class AdminSignInForm(UnfoldAuthenticationForm):  # type: ignore[misc]
    """The same for the admin; its page wears the admin's look."""

    def clean_username(self) -> str:
        """Write the address in one case, so that wrong passwords are counted together whatever was typed."""
        return str(self.cleaned_data["username"]).lower()


class NewPersonForm(UserCreationForm):  # type: ignore[misc]
    """A new person: e-mail, name and a first password."""

    reason = reason_field()

    class Meta:
        model = User
        fields = ("email", "name")


class PersonForm(UserChangeForm):  # type: ignore[misc]
    """A person as they are."""

    reason = reason_field()


class ServiceKeyForm(SignedForm):
    """What a key may be used for, and for whom."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=[Scope.USAGE_WRITE], widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ServiceKey
        fields = ("name", "scopes", "is_limited", "customers", "expires_at")

    def clean(self) -> dict[str, Any]:
        """Refuse a limited key without customers, and customers on a key that is not limited."""
        cleaned = super().clean() or {}
        if cleaned.get("is_limited") and not cleaned.get("customers"):
            self.add_error("customers", "Choose for whom this limited key may act.")
        if not cleaned.get("is_limited") and cleaned.get("customers"):
            self.add_error("is_limited", "Set this, or choose no customers: the key would act for everybody.")
        return cleaned
