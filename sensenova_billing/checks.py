"""System checks: settings under which a promise would not hold, and how to fix them."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import DatabaseError, connections

from accounts.payment_terms import MOST_DAYS, MOST_HOURS
from accounts.webhooks.retention import FEWEST_DAYS
from invoices.packages.after_sale.refund_rule import REFUNDS
from invoices.payments.provider_names import FAKE, STRIPE
from sensenova_billing.dev_server.secret_key import HOW_TO_CHOOSE, fault_of
from sensenova_billing.lib.client_address import is_network
from sensenova_billing.lib.countries import COUNTRIES
from sensenova_billing.lib.database.dedicated_connection import separate_connection
from sensenova_billing.lib.database.time_limits import Work
from usage.distribution.cluster import find_problems, is_migrated, read_cluster
from usage.limits.stores.choice import WITHOUT_REDIS, is_address

_TAX_CODE = re.compile("[0-9]{19}")
POOLING_HINT = (
    "Set DATABASE_TRANSACTION_POOLING=1 where it is PgBouncer in transaction mode (docs/scaling.md), or "
    "connect to PostgreSQL itself."
)
# PgBouncer's words for the time limits with which a connection is opened.
REFUSED_BY_POOLER = "unsupported startup parameter"
# A record is acknowledged after its commit; with any of these off, a commit can be lost in a crash.
MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit")


@register()
def check_isolation(**kwargs: Any) -> list[CheckMessage]:
    """Closing an hour needs READ COMMITTED, PostgreSQL's default (docs/architecture.md, "The barrier")."""
    if "isolation_level" not in settings.DATABASES["default"].get("OPTIONS", {}):
        return []
    return [
        Error(
            "The database's isolation level is set; closing an hour needs READ COMMITTED.",
            hint="Remove isolation_level from the options of DATABASE_URL.",
            id="billing.E001",
        )
    ]


@register()
def check_grace(**kwargs: Any) -> list[CheckMessage]:
    """An hour may not be closed before its end."""
    if dt.timedelta(0) <= settings.CLOSING_GRACE:
        return []
    return [
        Error(
            "CLOSING_GRACE_MINUTES is negative: hours would be closed before their end.",
            hint="Set it to 0 or more; 5 is the default.",
            id="billing.E002",
        )
    ]


@register()
def check_alarms(**kwargs: Any) -> list[CheckMessage]:
    """An alarm that is always on is ignored."""
    if settings.ALARM_UNCLOSED_AFTER > settings.CLOSING_GRACE:
        return []
    return [
        Warning(
            "ALARM_UNCLOSED_AFTER_MINUTES is not more than CLOSING_GRACE_MINUTES: it would be on each hour.",
            hint="Set it to more than the grace; 30 is the default.",
            id="billing.W001",
        )
    ]


@register()
def check_clock(**kwargs: Any) -> list[CheckMessage]:
    """Only tests may let the clock run fast, or off."""
    if settings.CLOCK_MAY_BE_WRONG or (settings.CLOCK_SPEED == 1 and not settings.CLOCK_OFFSET):
        return []
    return [
        Error(
            "CLOCK_SPEED or CLOCK_OFFSET_SECONDS is set: usage would be billed in hours that never were.",
            hint="Remove both; they are for tests.",
            id="billing.E004",
        )
    ]


@register()
def check_tax(**kwargs: Any) -> list[CheckMessage]:
    """A rate in per cent would divide a bill into a seventh and six sevenths of tax."""
    if 0 <= settings.TAX_RATE < 1:
        return []
    return [
        Error(
            "TAX_RATE is not between 0 and 1.",
            hint="Write 6 % as 0.06; 0 shows no tax.",
            id="billing.E009",
        )
    ]


@register()
def check_einvoices(**kwargs: Any) -> list[CheckMessage]:
    """A tax bureau refuses the whole batch for a code that is none, a reader of UBL the whole invoice."""
    found = []
    if settings.SELLER_COUNTRY not in COUNTRIES:
        hint = "Write the two letters of ISO 3166; CN is the default."
        found.append(
            Error(f"SELLER_COUNTRY is {settings.SELLER_COUNTRY!r}, no country.", hint=hint, id="billing.E015")
        )
    if not _TAX_CODE.fullmatch(settings.EINVOICE_TAX_CODE):
        hint = "Write the 19 digits of the classification for tax; 3040203000000000000 is the default."
        found.append(
            Error(f"EINVOICE_TAX_CODE is {settings.EINVOICE_TAX_CODE!r}.", hint=hint, id="billing.E016")
        )
    return [*found]


@register()
def check_refunds(**kwargs: Any) -> list[CheckMessage]:
    """A word that is not known would refund nothing, in silence."""
    if settings.PACKAGE_REFUNDS in REFUNDS and settings.PACKAGE_REFUND_DAYS >= 0:
        return []
    return [
        Error(
            f"PACKAGE_REFUNDS is {settings.PACKAGE_REFUNDS!r}, for {settings.PACKAGE_REFUND_DAYS} days.",
            hint="Set it to none, the default, or to unused; the days to 0 or more.",
            id="billing.E008",
        )
    ]


@register()
def check_alarm_mail(**kwargs: Any) -> list[CheckMessage]:
    """An address that is none would keep every alarm from being mailed."""
    wrong = [address for address in settings.ALARM_MAIL if not _is_address(address)]
    if not wrong:
        return []
    hint = "Write e-mail addresses with commas between."
    return [Error(f"ALARM_MAIL holds {', '.join(map(repr, wrong))}.", hint=hint, id="billing.E010")]


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


@register()
def check_statement_day(**kwargs: Any) -> list[CheckMessage]:
    """Every month has this day."""
    if 1 <= settings.STATEMENT_DAY <= 28:
        return []
    hint = "Set it to a day from 1 to 28; 2 is the default."
    return [Error(f"STATEMENT_DAY is {settings.STATEMENT_DAY}.", hint=hint, id="billing.E012")]


@register()
def check_payment_provider(**kwargs: Any) -> list[CheckMessage]:
    """A provider without its keys takes no payment; the one for development takes none at all."""
    if settings.PAYMENT_PROVIDER not in ("", FAKE, STRIPE):
        hint = "Set it to stripe, or to fake for development, or leave it empty."
        return [Error(f"PAYMENT_PROVIDER is {settings.PAYMENT_PROVIDER!r}.", hint=hint, id="billing.E034")]
    if settings.PAYMENT_PROVIDER == FAKE and not settings.DEBUG:
        hint = "Set it to stripe, or leave it empty; on a machine for development set DEBUG=1."
        words = "PAYMENT_PROVIDER is fake: it books payments that were not made."
        return [Error(words, hint=hint, id="billing.E034")]
    if settings.PAYMENT_PROVIDER == STRIPE and not (
        settings.STRIPE_SECRET_KEY and settings.STRIPE_WEBHOOK_SECRET
    ):
        hint = "Set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET; Stripe shows both."
        return [Error("PAYMENT_PROVIDER is stripe, without its keys.", hint=hint, id="billing.E034")]
    return []


@register()
def check_seals(**kwargs: Any) -> list[CheckMessage]:
    """Seals are kept in one place, which says how far they are kept."""
    if not (settings.SEALS_FILE and settings.SEALS_STORAGE):
        return []
    hint = "Set one of them: a file, or the class of an object store."
    return [Error("SEALS_FILE and SEALS_STORAGE are both set.", hint=hint, id="billing.E011")]


@register()
def check_call_limits(**kwargs: Any) -> list[CheckMessage]:
    """What happens to call limits during an outage of Redis must be decided before one."""
    errors: list[CheckMessage] = []
    if settings.CALL_LIMITS_WITHOUT_REDIS not in WITHOUT_REDIS:
        errors.append(
            Error(
                f"CALL_LIMITS_WITHOUT_REDIS is {settings.CALL_LIMITS_WITHOUT_REDIS!r}.",
                hint="Set it to refuse, the default, or to postgresql.",
                id="billing.E005",
            )
        )
    if settings.REDIS_URL and not is_address(settings.REDIS_URL):
        errors.append(
            Error(
                # Not why: that may quote the password.
                "REDIS_URL cannot be parsed: no call could be admitted.",
                hint=(
                    "Write it as redis://:password@host:6379/1, rediss://... for TLS or unix:///path, with "
                    "%2F for a slash in the password; without it PostgreSQL keeps the limits."
                ),
                id="billing.E006",
            )
        )
    if not dt.timedelta(0) < settings.REDIS_TIMEOUT <= dt.timedelta(seconds=5):
        errors.append(
            Error(
                "REDIS_TIMEOUT_MILLISECONDS is not between 1 and 5000: calls would wait too long for it.",
                hint="Set it to some hundreds; 250 is the default.",
                id="billing.E007",
            )
        )
    return errors


@register()
def check_webhooks(**kwargs: Any) -> list[CheckMessage]:
    """A receiver may be slow, but a sender's claim of it lasts two minutes only."""
    if dt.timedelta(0) < settings.WEBHOOK_TIMEOUT <= dt.timedelta(seconds=60):
        return []
    hint = "Set it to some seconds; 10 is the default."
    return [Error("WEBHOOK_TIMEOUT_SECONDS is not between 1 and 60.", hint=hint, id="billing.E030")]


@register()
def check_networks(**kwargs: Any) -> list[CheckMessage]:
    """An invalid network would match no address, without an error."""
    return [
        Error(
            f"{name} holds {text!r}, which is no network and no address.",
            hint="Write networks as 10.0.0.0/8 or fd00::/8, and addresses as they are, with commas between.",
            id="billing.E020",
        )
        for name in ("TRUSTED_PROXIES", "MONITORING_ADDRESSES", "WEBHOOK_ALLOWED_NETWORKS")
        for text in getattr(settings, name)
        if not is_network(text)
    ]


@register(Tags.database)
def check_durability(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """A commit must survive a crash; runs with `migrate` and `check --database default`."""
    if "default" not in (databases or ()):
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) AND setting IN ('off', 'local')",
            [list(MUST_BE_ON)],
        )
        return [
            Error(
                f"PostgreSQL's {name} is {setting}: acknowledged usage could be lost in a crash.",
                hint=f"Set {name} = on in postgresql.conf.",
                id="billing.E003",
            )
            for name, setting in cursor.fetchall()
        ]


@register(Tags.database)
def check_pooler(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Behind a pooler nothing may stay in a session; runs as the check above."""
    if "default" not in (databases or ()):
        return []
    connection = connections["default"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), current_setting('statement_timeout')")
        process, limit = cursor.fetchone()
        # The process number at a connection's start is a pooler's own, which does not know its server yet.
        is_pooled = connection.connection.info.backend_pid != process
    if is_pooled and not settings.DATABASE_TRANSACTION_POOLING:
        return [
            Error(
                "A pooler is between this process and PostgreSQL: prepared statements would fail.",
                hint=POOLING_HINT,
                id="billing.E014",
            )
        ]
    if settings.DATABASE_TRANSACTION_POOLING and limit == "0":
        return [
            Warning(
                "Time limits behind a pooler are those of the role, which has none.",
                hint="ALTER ROLE ... SET statement_timeout = '30s', and the others of docs/operations.md.",
                id="billing.W002",
            )
        ]
    return []


@register(Tags.database)
def check_distribution(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Where Citus distributes usage, its shards hold what the table holds; runs as the checks above."""
    if "default" not in (databases or ()) or not is_migrated():
        return []
    cluster = read_cluster()
    if cluster is None:
        return []
    if not cluster.is_distributed:
        text = "Citus is installed, but usage records are on this server."
        return [Warning(text, hint="Run manage.py distribute_usage (docs/scaling.md).", id="billing.W003")]
    return [
        Warning(problem.text, hint=problem.hint, id="billing.W003")
        if problem.is_warning
        else Error(problem.text, hint=problem.hint, id="billing.E040")
        for problem in find_problems(cluster)
    ]


def refuse_unsafe_database() -> None:
    """Raise ImproperlyConfigured, before anything is served, where acknowledged usage could be lost.

    Or where a pooler would let requests fail. A database that does not answer cannot be checked; `/readyz`
    checks it once it is back.
    """
    try:
        # Not from the pool, whose errors do not say what is wrong.
        with separate_connection(Work.HEALTH):
            found = [
                *check_durability(databases=["default"]),
                *check_pooler(databases=["default"]),
                *check_distribution(databases=["default"]),
            ]
        errors = [one for one in found if one.is_serious()]
    except DatabaseError as error:
        if REFUSED_BY_POOLER in str(error):
            raise ImproperlyConfigured(f"{error} {POOLING_HINT}") from error
        return
    finally:
        connections["default"].close()
    if errors:
        raise ImproperlyConfigured("\n".join(f"{error.msg} {error.hint}" for error in errors))


def refuse_unsafe_secret_key() -> None:
    """Raise ImproperlyConfigured, before anything is served, where the key is published or temporary."""
    fault = fault_of(settings.SECRET_KEY)
    if settings.SECRET_KEY_IS_TEMPORARY:
        fault = f"SECRET_KEY is not set. {HOW_TO_CHOOSE}"
    if fault:
        raise ImproperlyConfigured(fault)


@register()
def check_payment_days(**kwargs: Any) -> list[CheckMessage]:
    """Days to pay, of grace and of notice are not negative."""
    names = ("PAYMENT_DUE_DAYS", "SUSPENSION_GRACE_DAYS", "SUSPENSION_NOTICE_DAYS")
    wrong = [name for name in names if not 0 <= (getattr(settings, name) or 0) <= MOST_DAYS]
    hint = f"Set it to a number of days from 0 to {MOST_DAYS}, or leave it out."
    return [Error(f"{name} is {getattr(settings, name)}.", hint=hint, id="billing.E013") for name in wrong]


@register()
def check_balance_rules(**kwargs: Any) -> list[CheckMessage]:
    """A credit limit and hours of a low balance are not negative, and webhooks stay for a week at least."""
    found: list[CheckMessage] = []
    if (settings.CREDIT_LIMIT or 0) < 0:
        hint = "Set it to an amount in RMB of 0 or more, or leave it out."
        found.append(Error(f"CREDIT_LIMIT is {settings.CREDIT_LIMIT}.", hint=hint, id="billing.E031"))
    if settings.WEBHOOK_KEEP_DAYS < FEWEST_DAYS:
        hint = f"Set it to at least {FEWEST_DAYS}; 90 is the default."
        found.append(
            Error(f"WEBHOOK_KEEP_DAYS is {settings.WEBHOOK_KEEP_DAYS}.", hint=hint, id="billing.E033")
        )
    if not 0 <= settings.LOW_BALANCE_HOURS <= MOST_HOURS:
        hint = f"Set it to a number of hours from 0 to {MOST_HOURS}; 3 is the default."
        found.append(
            Error(f"LOW_BALANCE_HOURS is {settings.LOW_BALANCE_HOURS}.", hint=hint, id="billing.E032")
        )
    return found
