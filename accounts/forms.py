"""Forms for signing in, for people and for service keys."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm as UnfoldAuthenticationForm
from unfold.forms import UserChangeForm
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.api_keys.new_key_fields import NewKeyForm, new_id_field, refuse_if_used
from accounts.audit.audited_admin import OptionalReasonForm, ReasonForm, reason_field
from accounts.key_fields import RowField
from accounts.models import Customer, MemberRole, Scope, ServiceKey
from accounts.preferences.forms import TaxDataForm
from accounts.sign_in.second_factor import has_second_factor
from accounts.sign_in.steps import SecondFactorDue
from sensenova_billing.lib.admin.choices import translated
from sensenova_billing.lib.names import validate_name


class CustomerForm(TaxDataForm, OptionalReasonForm):
    """A customer in the admin, with the reason for its change."""


class SignInForm(AuthenticationForm):
    """E-mail and password."""

    error_messages = {
        "invalid_login": _("Incorrect email or password."),
        "inactive": _("This account is inactive. Ask your SenseNova contact."),
    }
    username = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    def clean_username(self) -> str:
        """Write the address in one case, so that wrong passwords are counted together whatever was typed."""
        return str(self.cleaned_data["username"]).lower()


class AdminSignInForm(UnfoldAuthenticationForm):  # type: ignore[misc]
    """The same for the admin; its page wears the admin's look."""

    username = UsernameField(max_length=254, widget=forms.TextInput(attrs={"autofocus": True}))

    def confirm_login_allowed(self, user: Any) -> None:
        """Raise SecondFactorDue where a code is required: the page signs in each person who passes here."""
        super().confirm_login_allowed(user)
        if has_second_factor(user):
            raise SecondFactorDue(user)

    def clean_username(self) -> str:
        """Write the address in one case, so that wrong passwords are counted together whatever was typed."""
        return str(self.cleaned_data["username"]).lower()


class InvitedPersonForm(ReasonForm):
    """Who gets a link to sign up with; for a customer in a role, or for none."""

    email = forms.EmailField(
        label=_("E-mail"), max_length=254, validators=[validate_name], widget=UnfoldAdminTextInputWidget
    )
    customer = RowField(
        Customer.objects.all(),
        label=_("Customer"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Whose usage and bills the person sees; empty for people who use the admin only."),
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=lambda: [("", gettext("none")), *translated(MemberRole.choices)],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    def clean(self) -> dict[str, Any]:
        """A customer's people have a role there, and others none."""
        cleaned = super().clean() or {}
        if cleaned.get("customer") and not cleaned.get("role"):
            self.add_error("role", gettext("Choose what the person may do for the customer."))
        if cleaned.get("role") and not cleaned.get("customer") and "customer" not in self.errors:
            self.add_error("customer", gettext("Choose for which customer."))
        return cleaned


class PersonForm(UserChangeForm):  # type: ignore[misc]
    """A person as they are."""

    reason = reason_field()


class ServiceKeyForm(OptionalReasonForm):
    """What a key may be used for, and for whom; nothing is chosen beforehand."""

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=lambda: translated(Scope.choices),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What the key may be used for."),
        error_messages={"required": _("Choose what the key may be used for.")},
    )
    is_limited = forms.TypedChoiceField(
        label=_("Acts for"),
        choices=(
            (False, _("all customers, and those that are added later")),
            (True, _("the customers chosen below")),
        ),
        coerce=lambda chosen: chosen == "True",
        empty_value=None,
        widget=UnfoldAdminRadioSelectWidget,
        error_messages={"required": _("Choose for which customers the key may act.")},
    )
    new_id = new_id_field()

    class Meta:
        model = ServiceKey
        fields = ("name", "scopes", "is_limited", "customers", "expires_at")

    def clean(self) -> dict[str, Any]:
        """Refuse a choice that contradicts itself, and a form that made a key before."""
        cleaned = super().clean() or {}
        refuse_if_used(self)
        if cleaned.get("is_limited") and not cleaned.get("customers"):
            error = gettext("Choose at least one customer, or let the key act for all.")
            self.add_error("customers", error)
        if cleaned.get("is_limited") is False and cleaned.get("customers"):
            error = gettext("Choose no customers here, or let the key act for these only.")
            self.add_error("customers", error)
        return cleaned


class SecondKeyForm(NewKeyForm, ReasonForm):
    """Asks for the reason of a second key."""
