"""Customers, their people and service keys in the admin. Bills refer to them: none is ever deleted."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.admin import StaticDevice
from django_otp.plugins.otp_totp.admin import TOTPDevice
from unfold.forms import AdminPasswordChangeForm

from accounts.api_keys.keys import issue_service_key, revoke_service_key, rotate_service_key
from accounts.api_keys.new_key_fields import SUBMITTED_TWICE, made_at_the_same_time
from accounts.audit.admin import AuditEntryAdmin
from accounts.audit.audited_admin import ReasonForm, UndeletableAdmin
from accounts.audit.context import audit_context, set_audit_context
from accounts.forms import CustomerForm, InvitedPersonForm, PersonForm, SecondKeyForm, ServiceKeyForm
from accounts.models import (
    AuditEntry,
    Customer,
    EventKind,
    Member,
    ServiceKey,
    User,
    WebhookDelivery,
    WebhookEndpoint,
)
from accounts.notices.notices import notify
from accounts.people.invitations import InvitationRefused, invite, link_of
from accounts.permission_words import permission_words
from accounts.sign_in.second_factor import has_second_factor, remove_second_factor
from accounts.webhooks.admin import WebhookDeliveryAdmin, WebhookEndpointAdmin
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import TabularInline
from sensenova_billing.lib.admin.choices import TranslatedChoices
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label

SUSPENDED_FOR_CREDIT = ("suspended_for_credit_at", "suspended_balance", "suspended_limit")
BY_RULES = ("suspended_for_arrears_at", *SUSPENDED_FOR_CREDIT)
KEY_FACTS = ("customer", "prefix", "state", "created_at", "last_used_at", "revoked_at")
KEY_STATE_LABELS = {
    gettext_noop("live"): "success",
    gettext_noop("expired"): "warning",
    gettext_noop("revoked"): "danger",
}
CUSTOMER_STATE_LABELS = {
    gettext_noop("active"): "success",
    gettext_noop("canary"): "info",
    gettext_noop("suspended by staff"): "danger",
    gettext_noop("suspended for arrears"): "danger",
    gettext_noop("suspended for the balance"): "danger",
}

admin.site.index_title = _("Admin")
# People manage their own; staff remove them on a person's page.
admin.site.unregister([StaticDevice, TOTPDevice])
admin.site.unregister(Group)  # permissions are given to people: by a role, or one by one
admin.site.register(AuditEntry, AuditEntryAdmin)
admin.site.register(WebhookEndpoint, WebhookEndpointAdmin)
admin.site.register(WebhookDelivery, WebhookDeliveryAdmin)


class MemberInline(TranslatedChoices, TabularInline):
    """The people who act for a customer."""

    model = Member
    extra = 0
    hide_title = True
    autocomplete_fields = ("user",)
    verbose_name = _("member")
    verbose_name_plural = _("members: they see this customer's usage and bills; owners buy packages too")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the names of both, read at once."""
        return super().get_queryset(request).select_related("user", "customer")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Members are added, not turned into other people."""
        return False


@admin.register(Customer)
class CustomerAdmin(UndeletableAdmin):
    """Customers with their members."""

    list_display = ("code", "name", "time_zone", "state", "created_at")
    list_filter = ("is_suspended",)
    search_fields = ("code", "name")
    fieldsets = (
        (None, {"fields": ("code", "name", "time_zone", "is_suspended")}),
        (_("Payment"), {"fields": ("due_days", "grace_days", "notice_days", "suspended_for_arrears_at")}),
        (
            _("Balance"),
            {"fields": ("pays_ahead", "credit_limit", "low_balance_hours", *SUSPENDED_FOR_CREDIT)},
        ),
        (
            _("Buyer on documents"),
            {
                "fields": (
                    *("country", "legal_name", "tax_id", "address", "billing_email"),
                    *("invoice_kind", "phone", "bank_name", "bank_account"),
                )
            },
        ),
    )
    form = CustomerForm
    inlines = (MemberInline,)

    @display(description=_("state"), label=CUSTOMER_STATE_LABELS)
    def state(self, customer: Customer) -> Label:
        """Whether calls are admitted and why not, and whether they are our own, posted to check bills."""
        if customer.is_suspended:
            state = "suspended by staff"
        elif customer.suspended_for_arrears_at:
            state = "suspended for arrears"
        elif customer.suspended_for_credit_at:
            state = "suspended for the balance"
        else:
            state = "canary" if customer.code in settings.CANARY_CUSTOMERS else "active"
        return Label(state, gettext(state))

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> tuple[str, ...]:
        """The code is on bills and in the API: it stays."""
        return ("code", *BY_RULES) if obj else BY_RULES

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        """Save it, with a notice where it is suspended or resumed."""
        was_suspended = change and _with_rules(obj).is_suspended
        super().save_model(request, obj, form, change)
        if change and obj.is_suspended != was_suspended and not obj.is_stopped_by_rules:
            kind = EventKind.CUSTOMER_SUSPENDED if obj.is_suspended else EventKind.CUSTOMER_RESUMED
            payload, now = {"because": "staff"} if obj.is_suspended else {}, clock.now()
            notify(customer=obj, kind=kind, payload=payload, key=now.isoformat(), now=now)


def _with_rules(customer: Customer) -> Customer:
    """Put what the balance rules have stored meanwhile; return the customer as it is stored, locked."""
    stored = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    for name in BY_RULES:
        setattr(customer, name, getattr(stored, name))
    return stored


@admin.register(User)
class PersonAdmin(UserAdmin, UndeletableAdmin):  # type: ignore[type-arg,misc]
    """People who sign in, whether for a customer or for the admin."""

    form = PersonForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_staff", "role_label", "customers")
    list_filter = ("is_active", "is_staff", ("role", TranslatedChoicesFilter))
    search_fields = ("email", "name")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    actions_detail = ("remove_second_factor",)
    fieldsets = (
        (None, {"fields": ("email", "name", "language", "time_zone", "password", "is_active")}),
        (_("Admin"), {"fields": ("is_staff", "role", "is_superuser", "user_permissions")}),
        (_("Since"), {"fields": ("date_joined", "last_login")}),
    )
    # Django's own fields of a new person are not ours, and the page that adds one is an invitation.
    add_form = PersonForm
    add_fieldsets = fieldsets

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the customers of each person, read at once."""
        return super().get_queryset(request).prefetch_related("memberships__customer")

    @display(description=_("role"), ordering="role")
    def role_label(self, person: User) -> str:
        """What the person may do in the admin."""
        return gettext(person.get_role_display()) if person.role else ""

    @display(description=_("customers"))
    def customers(self, person: User) -> str:
        """For whom the person acts."""
        return ", ".join(member.customer.code for member in person.memberships.all())

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only superusers change people who use the admin: a new password would give their permissions."""
        may: bool = super().has_change_permission(request, obj)
        return may and (request.user.is_superuser or obj is None or not (obj.is_staff or obj.is_superuser))

    def has_change_them_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """The same for actions on a person's page, which know the person by number only."""
        return self.has_change_permission(request, self.get_object(request, object_id) if object_id else None)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Name permissions in the language of the page."""
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.name == "user_permissions":
            field.label_from_instance = permission_words
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only superusers give permissions, so that people cannot give them to themselves."""
        fields = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fields
        return (*fields, "is_staff", "role", "is_superuser", "user_permissions")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Invite a person, who chooses a password: staff never know it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = InvitedPersonForm(request.POST or None, initial={"customer": request.GET.get("customer")})
        context = {"form": form, "title": gettext("Invite a person"), "opts": self.opts}
        if request.method == "POST" and form.is_valid():
            cleaned = form.cleaned_data
            try:
                context["invitation"], token = invite(
                    **cleaned, by=request.user.get_username(), now=clock.now()
                )
                context["link"] = link_of(request, token) if token else ""
            except InvitationRefused as refusal:
                form.add_error(None, str(refusal))
        return render(request, "admin/invite.html", {**self.admin_site.each_context(request), **context})

    @action(description=_("Remove the second factor"), url_path="second-factor", permissions=["change_them"])
    def remove_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first; then let a person who has lost phone and codes sign in with the password alone."""
        person = self.get_object(request, object_id)
        if person is None:
            raise Http404
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        form = ReasonForm(request.POST if request.method == "POST" else None)
        change_url = reverse("admin:accounts_user_change", args=[person.pk])
        if request.method == "POST" and form.is_valid():
            remove_second_factor(person, by=request.user.get_username(), reason=form.cleaned_data["reason"])
            messages.success(
                request, gettext("%(person)s signs in with the password alone.") % {"person": person}
            )
            return redirect(change_url)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Remove the second factor of %(person)s") % {"person": person},
            "person": person,
            "is_on": has_second_factor(person),
            "form": form,
            "change_url": change_url,
            "opts": self.opts,
        }
        return render(request, "admin/remove_second_factor.html", context)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Set the audit context; Django opens no transaction here."""
        set_audit_context(by=request.user.get_username())
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        return answer


@admin.register(ServiceKey)
class ServiceKeyAdmin(UndeletableAdmin):
    """Service keys; the whole key is shown once, when it is made."""

    form = ServiceKeyForm
    list_display = (
        "name",
        "prefix",
        "state",
        "customer",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    search_fields = ("name", "public_id", "customer__code")
    autocomplete_fields = ("customers",)
    actions_detail = ("rotate", "revoke")

    def get_fields(self, request: HttpRequest, obj: ServiceKey | None = None) -> tuple[str, ...]:
        """Ask for the scopes of a new key; show the parts of an existing one."""
        chosen = ("name", "scopes", "is_limited", "customers", "expires_at")
        return (*chosen, *KEY_FACTS) if obj else (*chosen, "new_id")

    def get_readonly_fields(self, request: HttpRequest, obj: ServiceKey | None = None) -> tuple[str, ...]:
        """What a key is cannot be changed, nothing of a revoked one, and for whom a customer's own acts."""
        fixed: tuple[str, ...] = KEY_FACTS
        if obj and obj.customer_id:
            fixed = (*fixed, "is_limited", "customers")
        return (*fixed, "expires_at") if obj and obj.revoked_at else fixed

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the customer of each, read at once."""
        return super().get_queryset(request).select_related("customer")

    @display(description=_("key begins with"))
    def prefix(self, key: ServiceKey) -> str:
        """The part that may be shown."""
        return key.prefix

    @display(description=_("state"), label=KEY_STATE_LABELS)
    def state(self, key: ServiceKey) -> Label:
        """Whether the key is accepted."""
        if key.revoked_at:
            state = "revoked"
        else:
            state = "live" if key.is_live(at=clock.now()) else "expired"
        return Label(state, gettext(state))

    def save_model(self, request: HttpRequest, obj: ServiceKey, form: Any, change: bool) -> None:
        """Make a new key by the one function that makes keys; response_add shows its text."""
        if change:
            super().save_model(request, obj, form, change)
            return
        made, text = issue_service_key(
            name=obj.name,
            expires_at=obj.expires_at,
            scopes=obj.scopes,
            customers=form.cleaned_data["customers"] if obj.is_limited else None,
            public_id=form.cleaned_data["new_id"],
        )
        vars(obj).update(vars(made), text=text)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Refuse a form that is sent twice at the same time, as the form itself does afterwards."""
        try:
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
        except IntegrityError as error:
            return self._refuse_twice(request, error)
        return answer

    def response_add(
        self, request: HttpRequest, obj: ServiceKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the text of the new key in this answer, which alone has it."""
        return self._show_once(request, obj, vars(obj)["text"])

    @action(description=_("Make a second key"), url_path="rotate", permissions=["change"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first; then make a key with the same scopes, while this one stays live until it is revoked."""
        key = self.get_object(request, object_id)
        if key is None:
            raise Http404
        form = SecondKeyForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                with audit_context(by=request.user.get_username(), reason=form.cleaned_data["reason"]):
                    made, text = rotate_service_key(key=key, public_id=form.cleaned_data["new_id"])
            except IntegrityError as error:
                return self._refuse_twice(request, error)
            self.log_addition(request, made, f"Rotates {key.prefix}.")
            return self._show_once(request, made, text)
        return self._ask(
            request,
            key,
            form,
            template="admin/rotate_key.html",
            title=gettext("A second key for %(name)s") % {"name": key.name},
        )

    @action(description=_("Revoke this key"), url_path="revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first, naming the consequence; then refuse the key from now on."""
        key = self.get_object(request, object_id)
        if key is None:
            raise Http404
        form = ReasonForm(request.POST if request.method == "POST" else None)
        change_url = reverse("admin:accounts_servicekey_change", args=[key.pk])
        if request.method == "POST" and form.is_valid():
            with audit_context(by=request.user.get_username(), reason=form.cleaned_data["reason"]):
                revoke_service_key(key=key, now=clock.now())
            self.log_change(request, key, "Revoked.")
            done = gettext("%(key)s is revoked: requests with it are refused from now on.")
            messages.success(request, done % {"key": key.prefix})
            return redirect(change_url)
        return self._ask(
            request,
            key,
            form,
            template="admin/revoke_key.html",
            title=gettext("Revoke %(key)s") % {"key": key},
        )

    def _show_once(self, request: HttpRequest, key: ServiceKey, text: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("The new key of %(name)s") % {"name": key.name},
            "key": key,
            "text": text,
            "change_url": reverse("admin:accounts_servicekey_change", args=[key.pk]),
            "opts": self.opts,
        }
        return render(request, "admin/new_key.html", context)

    def _refuse_twice(self, request: HttpRequest, error: IntegrityError) -> HttpResponse:
        if not made_at_the_same_time(error):
            raise error
        messages.error(request, str(SUBMITTED_TWICE))
        return redirect("admin:accounts_servicekey_changelist")

    def _ask(
        self, request: HttpRequest, key: ServiceKey, form: ReasonForm, *, template: str, title: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "key": key,
            "scopes": gettext(", ").join(key.scopes_in_words) or gettext("nothing"),
            "customers": _customers_in_words(key),
            "form": form,
            "change_url": reverse("admin:accounts_servicekey_change", args=[key.pk]),
            "opts": self.opts,
        }
        return render(request, template, context)


def _customers_in_words(key: ServiceKey) -> str:
    if not key.is_limited:
        return gettext("all customers, and those that are added later")
    codes = key.customers.values_list("code", flat=True)
    return gettext(", ").join(codes) or gettext("no customer")


@transaction.atomic
def own_password(request: HttpRequest) -> HttpResponse:
    """The admin's page for one's own new password, under audit; it stands before that page in urls.py."""
    set_audit_context(by=request.user.get_username())
    if request.method == "POST" and isinstance(request.user, User):
        # Django saves every column of the person: none may be changed by another meanwhile.
        request.user.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))
    answer: HttpResponse = admin.site.password_change(request)
    return answer
