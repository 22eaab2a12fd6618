"""Forms for signing in and for adding people."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from unfold.forms import AuthenticationForm as UnfoldAuthenticationForm
from unfold.forms import UserCreationForm

from accounts.models import User


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

    class Meta:
        model = User
        fields = ("email", "name")
