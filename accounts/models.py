"""Customers, the people who act for them, and the keys that programs present.

A *customer* owes for usage. *People* sign in with their e-mail address and see the customers of which
they are members; *staff* use the admin. A *service key* lets a model service report usage. None of
these is ever deleted: bills refer to them. A key is revoked, a person or customer made inactive.
A *webhook endpoint* receives *events*, each by a *delivery* that may take several *attempts*.
Triggers write every change of them, and of the catalogue, into the *audit trail*
(migrations/0004_audited.sql).
"""

import datetime as dt
import json
from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Length, Lower
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.payment_terms import MOST_DAYS, MOST_HOURS
from sensenova_billing.lib.countries import CHINA, COUNTRIES
from sensenova_billing.lib.local_time import time_zones
from sensenova_billing.lib.names import validate_name


def validate_time_zone(name: str) -> None:
    """Refuse a name that the time zone database does not know."""
    if name not in time_zones():
        raise ValidationError(_("%(name)s is not a time zone, such as Asia/Shanghai."), params={"name": name})


def validate_country(code: str) -> None:
    """Refuse a code that names no country."""
    if code not in COUNTRIES:
        raise ValidationError(_("%(code)s is no code of a country, such as CN or DE."), params={"code": code})


class UserManager(BaseUserManager["User"]):
    """Makes people; `createsuperuser` comes through here as well."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Add a person who signs in with this address."""
        if not email:
            raise ValueError("A person signs in with an e-mail address: it may not be empty.")
        user = self.model(email=email.strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Add a person who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find a person whatever the case in which the address was typed."""
        return self.get(email__iexact=username)


class Role(models.TextChoices):
    """What a person may do in the admin; the permissions of each are in sensenova_billing/roles.py."""

    VIEWER = "viewer", gettext_noop("viewer")
    PRICE_EDITOR = "price_editor", gettext_noop("price editor")
    BILLING_ADMIN = "billing_admin", gettext_noop("billing admin")


class Language(models.TextChoices):
    """A language of the pages, by its name in itself."""

    ENGLISH = "en", "English"
    CHINESE = "zh-hans", "简体中文"


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in with an e-mail address."""

    email = models.EmailField("e-mail", validators=[validate_name])
    name = models.CharField(max_length=100, blank=True, validators=[validate_name])
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("may use the admin", default=False)
    role = models.CharField(
        max_length=20,
        choices=Role.choices,
        blank=True,
        default="",
        help_text=_("What the person may do in the admin; empty: only what is permitted below, if anything."),
    )
    language = models.CharField(
        max_length=7,
        choices=Language.choices,
        blank=True,
        default="",
        db_default="",
        help_text=_("Of pages and mail; empty: what the browser asks for."),
    )
    time_zone = models.CharField(
        max_length=64,
        default="Asia/Shanghai",
        db_default="Asia/Shanghai",
        validators=[validate_time_zone],
        help_text=_("The clock by which this person enters and reads times of prices in the admin."),
    )
    date_joined = models.DateTimeField("joined", default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("email",)
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = (
            models.UniqueConstraint(
                Lower("email"),
                name="a_person_has_one_e_mail_whatever_its_case",
                violation_error_message=_("A person with this e-mail address exists already."),
            ),
            models.CheckConstraint(condition=Q(role__in=["", *Role.values]), name="a_role_is_a_known_one"),
            models.CheckConstraint(
                condition=Q(language__in=["", *Language.values]), name="a_person_reads_a_known_language"
            ),
            models.CheckConstraint(
                condition=Q(role="") | Q(is_staff=True),
                name="a_role_is_for_people_who_may_use_the_admin",
                violation_error_message=_("A role is for people who may use the admin: tick that as well."),
            ),
        )

    def __str__(self) -> str:
        return self.email

    @cached_property
    def own_customers(self) -> "list[Customer]":
        """The customers for which the person acts, each with its `own_role`; read once a request."""
        own = Customer.objects.filter(members__user=self)
        return list(own.annotate(own_role=F("members__role")))


class Session(AbstractBaseSession):
    """A browser's session, with the person who is signed in there (sensenova_billing/http/sessions.py)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    signed_in_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(help_text=_("To some minutes."))
    browser = models.CharField(max_length=200, blank=True, default="", help_text=_("As it calls itself."))
    address = models.GenericIPAddressField(null=True, help_text=_("From which the person signed in."))

    class Meta(AbstractBaseSession.Meta):
        pass

    def __str__(self) -> str:
        return f"session of {self.user_id}"

    @classmethod
    def get_session_store_class(cls) -> Any:
        """The store of settings.SESSION_ENGINE."""
        return import_module(settings.SESSION_ENGINE).SessionStore


class PasswordReset(models.Model):
    """A request for a link to set a new password, whether or not there is a person with this address.

    So the answer, and how long it takes, is the same; a worker finds out and mails.
    """

    email = models.EmailField()
    address = models.GenericIPAddressField(null=True, help_text=_("That asked; of IPv6 the network."))
    asked_at = models.DateTimeField()
    mail_after = models.DateTimeField(null=True, help_text=_("When it is to be mailed; empty: done."))

    class Meta:
        indexes = (
            models.Index(Lower("email"), "asked_at", name="resets_of_an_email"),
            models.Index("address", "asked_at", name="resets_of_an_address"),
        )

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M:%S}"


class InvoiceKind(models.TextChoices):
    """Which tax invoice a customer gets of its statements."""

    ORDINARY = "ordinary", gettext_noop("ordinary e-invoice of China")
    SPECIAL = "special", gettext_noop("special VAT e-invoice of China")
    UBL = "ubl", gettext_noop("invoice in UBL 2.1")


class CustomerQuerySet(models.QuerySet["Customer"]):
    def of(self, user: User) -> "CustomerQuerySet":
        """The customers for which this person acts."""
        return self.filter(members__user=user)


class Customer(models.Model):
    """A debtor for usage; `code` names the customer in the API and on bills."""

    code = models.CharField(
        max_length=64,
        validators=[
            RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", _("Letters, digits, dot, dash, underscore."))
        ],
        help_text=_("Names the customer in the API and on bills; never changes."),
    )
    name = models.CharField(max_length=200, validators=[validate_name])
    time_zone = models.CharField(
        max_length=64,
        default="Asia/Shanghai",
        validators=[validate_time_zone],
        help_text=_("The clock of this customer's pages. Billing hours are the same everywhere."),
    )
    is_suspended = models.BooleanField(
        "suspended",
        default=False,
        help_text=_("If set, no call is admitted. Usage that is reported is billed all the same."),
    )
    # Kept apart from the suspension by hand, which no payment lifts.
    suspended_for_arrears_at = models.DateTimeField(
        "suspended for arrears since",
        null=True,
        editable=False,
        help_text=_("Ends by itself when what is overdue is paid."),
    )
    suspended_for_credit_at = models.DateTimeField(
        "suspended for the balance since",
        null=True,
        editable=False,
        help_text=_("Ends by itself when a payment brings the balance back within the credit limit."),
    )
    # What callers are answered; of a customer that pays ahead there is no limit.
    suspended_balance = models.DecimalField(
        "balance then (RMB)", max_digits=50, decimal_places=18, null=True, editable=False
    )
    suspended_limit = models.DecimalField(
        "credit limit then (RMB)", max_digits=14, decimal_places=2, null=True, editable=False
    )
    pays_ahead = models.BooleanField(
        null=True,
        blank=True,
        choices=((None, _("as set for all customers")), (True, _("yes")), (False, _("no"))),
        help_text=_("Whether calls are admitted only until what was paid ahead is used up."),
    )
    credit_limit = models.DecimalField(
        "credit limit (RMB)",
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_(
            "Beyond what is owed, unbilled hours included, no call is admitted; empty: as set for all."
        ),
    )
    notice_days = models.PositiveSmallIntegerField(
        "days of notice",
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_DAYS)],
        help_text=_("Before a suspension for arrears; empty: as set for all customers."),
    )
    low_balance_hours = models.PositiveSmallIntegerField(
        "hours of a low balance",
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_HOURS)],
        help_text=_(
            "A notice is sent when less is left than these last hours cost; 0: none; empty: as set for all."
        ),
    )
    due_days = models.PositiveSmallIntegerField(
        "days to pay",
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_DAYS)],
        help_text=_("From the day on which a statement is issued; empty: as set for all customers."),
    )
    grace_days = models.PositiveSmallIntegerField(
        "days of grace",
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_DAYS)],
        help_text=_("From the due day until calls are no longer admitted; empty: as set for all customers."),
    )
    # What stands on documents as the buyer; the code and the name above are ours.
    legal_name = models.CharField(
        "company name", max_length=200, blank=True, default="", db_default="", validators=[validate_name]
    )
    tax_id = models.CharField(
        "tax number", max_length=50, blank=True, default="", db_default="", validators=[validate_name]
    )
    address = models.TextField(max_length=500, blank=True, default="", db_default="")
    billing_email = models.EmailField(
        "e-mail for bills", blank=True, default="", db_default="", validators=[validate_name]
    )
    country = models.CharField(
        max_length=2,
        default=CHINA,
        db_default=CHINA,
        validators=[validate_country],
        help_text=_("ISO 3166, two letters, such as CN or DE."),
    )
    invoice_kind = models.CharField(
        "tax invoice",
        max_length=8,
        choices=InvoiceKind.choices,
        default=InvoiceKind.ORDINARY,
        db_default=InvoiceKind.ORDINARY,
    )
    phone = models.CharField(max_length=50, blank=True, default="", db_default="", validators=[validate_name])
    bank_name = models.CharField(
        "bank", max_length=100, blank=True, default="", db_default="", validators=[validate_name]
    )
    bank_account = models.CharField(
        "bank account", max_length=60, blank=True, default="", db_default="", validators=[validate_name]
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[models.Manager["Customer"]] = CustomerQuerySet.as_manager()

    class Meta:
        ordering = ("code",)
        constraints = (
            models.UniqueConstraint("code", name="a_customer_code_names_one_customer"),
            models.CheckConstraint(
                condition=Q(code__regex=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"), name="a_customer_code_is_plain"
            ),
            models.CheckConstraint(
                condition=(Q(due_days=None) | Q(due_days__lte=MOST_DAYS))
                & (Q(grace_days=None) | Q(grace_days__lte=MOST_DAYS)),
                name="days_to_pay_and_of_grace_are_ten_years_at_most",
            ),
            models.CheckConstraint(
                condition=(Q(notice_days=None) | Q(notice_days__lte=MOST_DAYS))
                & (Q(low_balance_hours=None) | Q(low_balance_hours__lte=MOST_HOURS)),
                name="notices_are_within_ten_years_and_a_month",
            ),
            models.CheckConstraint(
                condition=Q(credit_limit=None) | Q(credit_limit__gte=0),
                name="a_credit_limit_is_no_less_than_nothing",
            ),
            models.CheckConstraint(
                condition=Q(suspended_for_credit_at=None, suspended_balance=None, suspended_limit=None)
                | Q(suspended_for_credit_at__isnull=False, suspended_balance__isnull=False),
                name="a_suspension_for_the_balance_says_what_it_was",
            ),
            models.CheckConstraint(
                condition=Q(country__regex="^[A-Z]{2}$", invoice_kind__in=InvoiceKind.values),
                name="a_customers_country_and_tax_invoice_are_known",
            ),
            models.CheckConstraint(
                condition=~Q(invoice_kind=InvoiceKind.SPECIAL) | (Q(country=CHINA) & ~Q(tax_id="")),
                name="a_special_invoice_is_for_a_tax_number_of_china",
                violation_error_message=_("A special VAT e-invoice needs a tax number of China."),
            ),
        )

    def __str__(self) -> str:
        return self.code

    @property
    def is_stopped(self) -> bool:
        """Whether no call is admitted, by staff, for arrears or for the balance."""
        return self.is_suspended or self.is_stopped_by_rules

    @property
    def is_stopped_by_rules(self) -> bool:
        """Whether the balance rules admit no call."""
        return self.suspended_for_arrears_at is not None or self.suspended_for_credit_at is not None


class MemberRole(models.TextChoices):
    """What a person may do for a customer; docs/roles.md has the table."""

    VIEWER = "viewer", _("viewer: sees usage, bills and packages")
    FINANCE = "finance", _("finance: as a viewer; edits the billing contact, gets notices by mail")
    OWNER = "owner", _("owner: everything; buys packages, manages keys and people")

    @property
    def word(self) -> str:
        """The role in one word."""
        return str(_ROLE_WORDS[self])


_ROLE_WORDS = {
    MemberRole.VIEWER: _("viewer"),
    MemberRole.FINANCE: _("finance"),
    MemberRole.OWNER: _("owner"),
}


# May change the customer's settings, and get notices by mail.
FINANCE_ROLES = (MemberRole.FINANCE, MemberRole.OWNER)


class Member(models.Model):
    """A person who acts for a customer."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="memberships", verbose_name="person"
    )
    role = models.CharField(
        max_length=7,
        choices=MemberRole.choices,
        default=MemberRole.VIEWER,
        db_default=MemberRole.VIEWER.value,
    )

    class Meta:
        ordering = ("customer", "user")
        constraints = (
            models.UniqueConstraint("customer", "user", name="a_person_is_a_member_of_a_customer_once"),
            models.CheckConstraint(condition=Q(role__in=MemberRole.values), name="a_member_has_a_known_role"),
        )

    def __str__(self) -> str:
        return gettext("%(person)s for %(customer)s") % {"person": self.user, "customer": self.customer}

    @property
    def role_word(self) -> str:
        """The role in one word."""
        return MemberRole(self.role).word


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        """Those that were neither accepted nor withdrawn; they may have expired."""
        return self.filter(accepted_at=None, withdrawn_at=None)


class Invitation(models.Model):
    """A link by which a person becomes a member of a customer, or without one a person who signs in.

    Only the SHA-256 of the link's secret is stored; there is none until a link was made for the mail.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="invitations"
    )
    email = models.EmailField("e-mail", validators=[validate_name])
    role = models.CharField(max_length=7, choices=MemberRole.choices, blank=True, default="")
    invited_by = models.TextField()
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    secret_sha256 = models.BinaryField(max_length=32, null=True, editable=False)
    mail_after = models.DateTimeField(null=True, help_text=_("When it is to be mailed; empty: not, or done."))
    mailed_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                "customer",
                Lower("email"),
                condition=Q(accepted_at=None, withdrawn_at=None),
                nulls_distinct=False,
                name="an_address_has_one_open_invitation_of_a_customer",
            ),
            models.UniqueConstraint("secret_sha256", name="an_invitation_has_its_own_secret"),
            models.CheckConstraint(
                condition=Q(secret_sha256=None) | Q(Exact(Length("secret_sha256"), 32)),
                name="an_invitation_keeps_a_sha_256_only",
            ),
            models.CheckConstraint(
                condition=Q(customer=None, role="") | Q(customer__isnull=False, role__in=MemberRole.values),
                name="an_invitation_of_a_customer_has_a_role",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(withdrawn_at=None),
                name="an_invitation_is_accepted_or_withdrawn",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("invited_at")), name="an_invitation_ends_after_it_began"
            ),
        )

    def __str__(self) -> str:
        words = {"person": self.email, "customer": self.customer}
        return gettext("%(person)s for %(customer)s") % words if self.customer else self.email

    @property
    def role_word(self) -> str:
        """The role in one word; nothing without a customer."""
        return MemberRole(self.role).word if self.role else ""

    def is_open(self, *, at: dt.datetime) -> bool:
        """Whether it can be accepted at this instant."""
        return self.accepted_at is None and self.withdrawn_at is None and at < self.expires_at


class CustomerView(models.Model):
    """A time in which a person of the staff sees a customer's pages as the customer does, read only.

    Under audit: the trail says who looked at which customer, when and why.
    """

    person = models.ForeignKey(User, on_delete=models.PROTECT, db_index=False, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="+")
    began_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text=_("When it ends by itself."))
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-began_at",)
        permissions = (("view_as_customer", gettext_noop("Can see what a customer sees")),)
        constraints = (
            models.UniqueConstraint(
                "person", condition=Q(ended_at=None), name="a_person_views_as_one_customer_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(began_at__lt=F("expires_at"))
                & (Q(ended_at=None) | Q(ended_at__gte=F("began_at"))),
                name="a_view_ends_after_it_begins",
            ),
        )

    def __str__(self) -> str:
        return gettext("%(person)s as %(customer)s") % {"person": self.person, "customer": self.customer}


class Scope(models.TextChoices):
    """What a service key may be used for."""

    USAGE_WRITE = "usage:write", gettext_noop("report usage")
    CALLS_ADMIT = "calls:admit", gettext_noop("ask whether a call is admitted")
    BILLING_READ = "billing:read", gettext_noop("read bills and usage")


def default_scopes() -> list[str]:
    """Return the scopes of a new key unless others are given."""
    return [Scope.USAGE_WRITE]


class ServiceKey(models.Model):
    """A model service's or gateway's key; only the SHA-256 of its secret is stored."""

    name = models.CharField(
        max_length=100, validators=[validate_name], help_text=_("Who holds it, e.g. chat-gateway-1.")
    )
    public_id = models.CharField(max_length=16, editable=False)
    secret_sha256 = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Refused from this instant on; empty: never.")
    )
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text=_("To the minute."))
    scopes = ArrayField(
        models.CharField(max_length=20, choices=Scope.choices),
        default=default_scopes,
        help_text=_("What the key may be used for."),
    )
    is_limited = models.BooleanField(
        "limited to some customers",
        default=False,
        help_text=_("If set, the key may act for the customers below and for nobody else."),
    )
    customers = models.ManyToManyField(
        Customer, blank=True, related_name="+", help_text=_("For whom a limited key may act.")
    )
    # Never changes, and is the only one of `customers`: a trigger (sql/keep_own_key_to_its_customer.sql).
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="own_keys",
        help_text=_("Whose owners made the key and manage it; empty: staff do."),
    )

    class Meta:
        ordering = ("name", "-created_at")
        constraints = (
            models.UniqueConstraint("public_id", name="a_service_key_has_its_own_public_id"),
            models.CheckConstraint(
                condition=Q(Exact(Length("secret_sha256"), 32)), name="a_service_key_keeps_a_sha_256_only"
            ),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values), name="a_service_key_has_known_scopes"
            ),
            models.CheckConstraint(
                condition=Q(customer=None) | Q(is_limited=True), name="a_customers_own_key_is_limited"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def is_live(self, *, at: dt.datetime) -> bool:
        """Whether the key is accepted at this instant."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    @property
    def scopes_in_words(self) -> list[str]:
        """What the key may be used for."""
        return [gettext(Scope(scope).label) for scope in self.scopes]

    @property
    def prefix(self) -> str:
        """The part of the key that may be shown."""
        return f"sk_live_{self.public_id}"

    @property
    def is_authenticated(self) -> bool:
        """A key that was accepted is the request's user, for Django REST framework's permissions."""
        return True


class EventKind(models.TextChoices):
    """What a customer may be notified of; docs/webhooks.md has what each says."""

    BILL_CLOSED = "bill.closed", gettext_noop("an hour was closed with a bill")
    STATEMENT_ISSUED = "statement.issued", gettext_noop("a statement was issued")
    PRICE_CHANGING = "price.changing", gettext_noop("a price is going to change")
    LIMIT_OFTEN_REACHED = "limit.often_reached", gettext_noop("a call limit is reached often")
    BUDGET_REACHED = "budget.reached", gettext_noop("a budget is reached")
    PACKAGE_LOW = "package.low", gettext_noop("a package is used up, or nearly")
    PACKAGE_EXPIRING = "package.expiring", gettext_noop("a package expires soon")
    PAYMENT_RECEIVED = "payment.received", gettext_noop("a payment was received")
    BALANCE_LOW = "balance.low", gettext_noop("the balance is running low")
    ARREARS_BEGAN = "arrears.began", gettext_noop("a payment is overdue")
    SUSPENSION_NEAR = "suspension.near", gettext_noop("a suspension is near")
    CUSTOMER_SUSPENDED = "customer.suspended", gettext_noop("the customer was suspended")
    CUSTOMER_RESUMED = "customer.resumed", gettext_noop("the customer was resumed")
    EINVOICE_ISSUED = "einvoice.issued", gettext_noop("a tax invoice was issued")
    EINVOICE_REFUSED = "einvoice.refused", gettext_noop("a request for a tax invoice was refused")
    EINVOICE_REVERSED = "einvoice.reversed", gettext_noop("a tax invoice was reversed")
    TEST = "webhook.test", gettext_noop("a test")


class DisabledBecause(models.TextChoices):
    """Why nothing is sent to a webhook endpoint any more."""

    OWNER = "owner", gettext_noop("by a person")
    GONE = "gone", gettext_noop("it answered 410 Gone")
    FAILING = "failing", gettext_noop("it failed for 3 days")


class WebhookEndpoint(models.Model):
    """An address of a customer to which events are sent, signed by Standard Webhooks.

    The secrets are stored as they are, as deliveries are signed with them; a removed endpoint has none.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField("address", max_length=500)
    kinds = ArrayField(models.CharField(max_length=30, choices=EventKind.choices), verbose_name="events")
    secret = models.CharField(max_length=80)
    previous_secret = models.CharField(max_length=80, blank=True, default="")
    previous_secret_until = models.DateTimeField(
        null=True, help_text=_("Until then deliveries are signed with both secrets.")
    )
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)
    disabled_because = models.CharField(
        max_length=10, choices=DisabledBecause.choices, blank=True, default=""
    )
    removed_at = models.DateTimeField(null=True)
    mail_after = models.DateTimeField(
        null=True, help_text=_("When mail that it was disabled is due; empty: not, or done.")
    )
    failing_since = models.DateTimeField(null=True, help_text=_("The first failure since the last success."))
    leased_until = models.DateTimeField(null=True, help_text=_("Until then a worker is sending to it."))

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index("mail_after", condition=Q(mail_after__isnull=False), name="webhooks_to_mail"),
        )
        constraints = (
            models.UniqueConstraint(
                "customer",
                "url",
                condition=Q(removed_at=None),
                name="an_address_is_an_endpoint_of_a_customer_once",
            ),
            models.CheckConstraint(
                condition=Q(kinds__contained_by=EventKind.values), name="a_webhook_endpoint_has_known_kinds"
            ),
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_because="")
                | Q(disabled_at__isnull=False, disabled_because__in=DisabledBecause.values),
                name="a_disabled_webhook_endpoint_says_why",
            ),
            models.CheckConstraint(
                condition=Q(previous_secret="", previous_secret_until=None)
                | ~Q(previous_secret="") & Q(previous_secret_until__isnull=False),
                name="a_previous_webhook_secret_ends",
            ),
            models.CheckConstraint(
                condition=Q(removed_at=None) & ~Q(secret="")
                | Q(removed_at__isnull=False, secret="", previous_secret=""),
                name="a_webhook_endpoint_has_a_secret_until_it_is_removed",
            ),
        )

    def __str__(self) -> str:
        return self.url

    @property
    def kinds_in_words(self) -> list[str]:
        """What is sent to it."""
        return [gettext(EventKind(kind).label) for kind in self.kinds]

    @property
    def because_in_words(self) -> str:
        """Why nothing is sent any more."""
        return gettext(str(self.get_disabled_because_display()))

    def secrets_at(self, at: dt.datetime) -> list[str]:
        """The secrets with which deliveries are signed at this instant, the newest first."""
        is_rotating = self.previous_secret_until is not None and at < self.previous_secret_until
        return [self.secret, self.previous_secret] if is_rotating else [self.secret]


class WebhookEvent(models.Model):
    """Something that happened to a customer, written in the transaction that decided it. Never changed."""

    uid = models.UUIDField(db_default=RandomUUID(), editable=False)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="webhook_events"
    )
    kind = models.CharField(max_length=30, choices=EventKind.choices)
    key = models.CharField(max_length=200, help_text=_("What it is about: once for a customer and kind."))
    payload = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint("uid", name="a_webhook_event_has_its_own_id"),
            models.UniqueConstraint("customer", "kind", "key", name="an_event_is_written_once"),
            models.CheckConstraint(
                condition=Q(kind__in=EventKind.values), name="an_event_is_of_a_known_kind"
            ),
        )

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """The id that receivers see, the same for each delivery."""
        return f"evt_{self.uid.hex}"


class CustomerNotice(models.Model):
    """What a customer's people are mailed about its account, written in the transaction that decided it."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="notices")
    kind = models.CharField(max_length=30, choices=EventKind.choices)
    key = models.CharField(max_length=200, help_text=_("The occasion: once for a customer and kind."))
    payload = models.JSONField()
    path = models.CharField(max_length=200, blank=True, help_text="The page that tells more.")
    at = models.DateTimeField()
    mail_after = models.DateTimeField(help_text=_("Later than it was written where the mail was not sent."))
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index("mail_after", condition=Q(mailed_at=None), name="customer_notices_to_mail"),)
        constraints = (
            models.UniqueConstraint(
                "customer", "kind", "key", name="a_customer_has_one_notice_of_an_occasion"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=EventKind.values), name="a_customer_notice_is_of_a_known_kind"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class DeliveryState(models.TextChoices):
    """How far a delivery is."""

    WAITING = "waiting", gettext_noop("waiting")
    DELIVERED = "delivered", gettext_noop("delivered")
    FAILED = "failed", gettext_noop("given up")
    STOPPED = "stopped", gettext_noop("not sent: the endpoint was disabled")


class WebhookDelivery(models.Model):
    """An event on its way to an endpoint; a resend is the same delivery once more."""

    event = models.ForeignKey(
        WebhookEvent, on_delete=models.PROTECT, db_index=False, related_name="deliveries"
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, db_index=False, related_name="deliveries"
    )
    state = models.CharField(max_length=10, choices=DeliveryState.choices)
    failures = models.PositiveSmallIntegerField(
        db_default=0, help_text=_("Failed attempts since it was sent first, or resent by a person.")
    )
    next_attempt_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "webhook deliveries"
        indexes = (
            models.Index(F("endpoint"), F("id").desc(), name="deliveries_of_an_endpoint"),
            models.Index(
                "endpoint", "next_attempt_at", condition=Q(state="waiting"), name="deliveries_that_wait"
            ),
            models.Index("delivered_at", condition=Q(state="delivered"), name="deliveries_that_grow_old"),
        )
        constraints = (
            models.UniqueConstraint("event", "endpoint", name="an_event_goes_to_an_endpoint_once"),
            models.CheckConstraint(
                condition=Q(state=DeliveryState.WAITING, next_attempt_at__isnull=False)
                | Q(
                    state__in=[DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.STOPPED],
                    next_attempt_at=None,
                ),
                name="a_delivery_that_waits_says_until_when",
            ),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.DELIVERED) | Q(delivered_at__isnull=False),
                name="a_delivery_that_is_delivered_says_since_when",
            ),
        )

    def __str__(self) -> str:
        return gettext("%(event)s to %(url)s") % {"event": self.event, "url": self.endpoint}

    @property
    def state_in_words(self) -> str:
        """How far it is."""
        return gettext(str(self.get_state_display()))


class AttemptError(models.TextChoices):
    """Why a request got no answer that counts."""

    STATUS = "status", gettext_noop("the answer was not 2xx")
    REFUSED_ADDRESS = "address", gettext_noop("the address is not one that webhooks may be sent to")
    UNKNOWN_HOST = "host", gettext_noop("the host is not known")
    CONNECTION = "connection", gettext_noop("no connection could be made, or it broke")
    TLS = "tls", gettext_noop("the certificate was not accepted")
    TIMEOUT = "timeout", gettext_noop("there was no answer in time")
    PROTOCOL = "protocol", gettext_noop("the answer was not HTTP")


class WebhookAttempt(models.Model):
    """One request of a delivery and what came of it. Never changed."""

    delivery = models.ForeignKey(
        WebhookDelivery, on_delete=models.PROTECT, db_index=False, related_name="attempts"
    )
    at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=10, choices=AttemptError.choices, blank=True)
    answer = models.CharField(max_length=500, blank=True, help_text=_("The beginning of it."))

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(F("delivery"), F("id").desc(), name="attempts_of_a_delivery"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(error="", status__range=(200, 299)) | ~Q(error=""),
                name="an_attempt_without_error_was_answered_2xx",
            ),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def error_in_words(self) -> str:
        """Why it did not succeed."""
        return gettext(str(self.get_error_display()))


class AuditAction(models.TextChoices):
    """The kind of a change of a row; the column that holds it is named `deed`."""

    ADDED = "added", gettext_noop("added")
    CHANGED = "changed", gettext_noop("changed")
    REMOVED = "removed", gettext_noop("removed")


class ExactDecoder(json.JSONDecoder):
    """Reads fractions as the text that the database wrote, to the digit."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"parse_float": str}))


class AuditReference(Func):
    """The row to which a column of an entry refers, as text; null where the row has no such column."""

    template = "(COALESCE(after, before) ->> '%(column)s')"
    output_field = models.TextField()

    def __init__(self, column: str) -> None:
        super().__init__(column=column)


# Columns by which entries are found that are about a row of another table.
REFERENCES = ("customer_id", "service_id", "billing_item_id")


class AuditEntry(models.Model):
    """One change of one row: author, time, reason, before and after. Written by triggers, never changed."""

    at = models.DateTimeField()
    transaction = models.BigIntegerField(
        null=True,
        help_text=_("What was changed by one deed has one; entries from before there was one have none."),
    )
    by = models.TextField(help_text=_("Who signed the change; else the role in the database that made it."))
    reason = models.TextField()
    deed = models.CharField(max_length=10, choices=AuditAction.choices)
    table = models.CharField(max_length=63)
    row = models.TextField(help_text=_("The row's primary key."))
    before = models.JSONField(null=True, decoder=ExactDecoder)
    after = models.JSONField(null=True, decoder=ExactDecoder)

    class Meta:
        ordering = ("-id",)  # of one row the order of its changes, which a clock could not promise
        verbose_name_plural = "audit trail"
        indexes = (
            models.Index(F("row"), F("id").desc(), name="entries_of_a_row"),
            models.Index(F("table"), F("id").desc(), name="entries_of_a_table"),
            models.Index(F("by"), F("id").desc(), name="entries_of_a_person"),
            models.Index(F("transaction"), name="entries_of_a_transaction"),
            models.Index(F("deed"), F("id").desc(), name="entries_of_a_deed"),
            *(
                models.Index(
                    AuditReference(column),
                    F("id").desc(),
                    condition=Q(models.lookups.IsNull(AuditReference(column), False)),
                    name=f"entries_by_{column}",
                )
                for column in REFERENCES
            ),
            models.Index(F("at").desc(), name="entries_of_a_time"),
        )
        constraints = (
            models.CheckConstraint(condition=~Q(by=""), name="an_audit_entry_says_who"),
            models.CheckConstraint(
                condition=Q(deed=AuditAction.ADDED, before__isnull=True, after__isnull=False)
                | Q(deed=AuditAction.REMOVED, before__isnull=False, after__isnull=True)
                | Q(deed=AuditAction.CHANGED, before__isnull=False, after__isnull=False),
                name="an_audit_entry_holds_what_its_deed_leaves",
            ),
        )

    def __str__(self) -> str:
        words = {
            "action": gettext(self.get_deed_display()),
            "person": self.by,
            "at": f"{self.at:%Y-%m-%d %H:%M:%S}",
        }
        return gettext("%(action)s by %(person)s, %(at)s") % words
