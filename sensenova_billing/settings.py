"""All settings, read from the environment; `.env.example` explains each variable that may be set."""

import datetime as dt
import logging
import os
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from celery.schedules import crontab
from django.conf.global_settings import STORAGES as DEFAULT_STORAGES
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sensenova_billing.dev_server.data_directory import data_directory
from sensenova_billing.dev_server.postgres import default_database_url, plain_host, queue_connection
from sensenova_billing.dev_server.secret_key import new_secret_key, stored_secret_key
from sensenova_billing.dev_server.server_address import announced_url, local_url
from sensenova_billing.environment import Environment
from sensenova_billing.lib.database.time_limits import TimeLimits, Work
from sensenova_billing.lib.logs import add_origin

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
# openpyxl would read workbooks with lxml where that is installed, instead of with defusedxml.
os.environ["OPENPYXL_LXML"] = "False"
env.read_env(BASE_DIR / ".env")

# --- Where it runs -------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
# A key of its own for each process is refused by wsgi.py: no session would outlast it.
SECRET_KEY = env.secret("SECRET_KEY") or stored_secret_key(data_directory())
SECRET_KEY_IS_TEMPORARY = not SECRET_KEY
if SECRET_KEY_IS_TEMPORARY:
    SECRET_KEY = new_secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Where commands send usage: the running server's address, else the one on which `make run` would listen.
SERVER_URL = announced_url(data_directory()) or local_url(
    address=env.str("ADDRESS", default="127.0.0.1"), port=env.int("PORT", default=8000)
)
# True where the site is served over TLS: secure cookies, HSTS, redirects.
HTTPS = env.bool("HTTPS", default=False)
# True behind a proxy that sets X-Forwarded-Proto and X-Forwarded-For.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
PRIVATE_NETWORKS = ["127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
# The networks of the proxies in front, whose X-Forwarded-For is believed (lib/client_address.py).
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=PRIVATE_NETWORKS if BEHIND_PROXY else [])
# The networks from which /readyz and /metrics answer: this machine and private ones, unless set.
MONITORING_ADDRESSES = env.list("MONITORING_ADDRESSES", default=PRIVATE_NETWORKS)

INSTALLED_APPS = [
    "sensenova_billing",
    "invoices",
    "usage",
    "pricing",
    "accounts",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]

MIDDLEWARE = [
    "sensenova_billing.http.request_ids.identify_requests",  # first: refusals of the others have an id too
    "sensenova_billing.http.headers.response_headers",  # early for the same reason
    # Host names and redirects to https do not concern health checks.
    "sensenova_billing.monitoring.middleware.MonitoringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "sensenova_billing.http.compression.PageCompressionMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    # Before whatever may answer with a page.
    "sensenova_billing.http.language.page_language",
    "django.middleware.common.CommonMiddleware",
    # Before whatever reads a body, which begins with the check against cross-site requests.
    "sensenova_billing.http.body_limits.BodyLimitMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sensenova_billing.http.read_only_views.ReadOnlyViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "sensenova_billing.urls"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- The database --------------------------------------------------------------------------------

DATABASES = {"default": plain_host(env.db_url("DATABASE_URL", default=default_database_url()))}
DATABASES["default"]["ENGINE"] = "sensenova_billing.lib.database"
# A reused connection is six times as fast as a new one; the pool bounds how many a web process holds.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=8)
DATABASES["default"].setdefault("OPTIONS", {})
# Lets lib/database/prepared_statements.py keep its statements planned; Django's own are not touched by it.
DATABASES["default"]["OPTIONS"].setdefault("prepare_threshold", 5)
# True behind a pooler that lends a server's connection for one transaction, as PgBouncer's transaction mode:
# nothing may stay in a session (docs/scaling.md). `checks.py` finds such a pooler.
DATABASE_TRANSACTION_POOLING = env.bool("DATABASE_TRANSACTION_POOLING", default=False)
if DATABASE_TRANSACTION_POOLING:
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
    DATABASES["default"]["OPTIONS"]["prepare_threshold"] = None
if DATABASE_POOL_SIZE:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": DATABASE_POOL_SIZE,
        # A request that gets no connection within so many seconds is answered 503.
        "timeout": env.int("DATABASE_POOL_WAIT", default=5),
        # By default a connection that cannot be opened is tried for five minutes, after ever longer pauses:
        # a database that is back would not be noticed.
        "reconnect_timeout": 1,
    }
# For each kind of work: seconds that a statement, a wait for a lock and an idle transaction may take.
DATABASE_TIME_LIMITS = {
    Work.PAGE: TimeLimits.read(env.str("DATABASE_LIMITS_PAGE", default="30,5,60")),
    Work.REPORT: TimeLimits.read(env.str("DATABASE_LIMITS_REPORT", default="30,10,60")),
    Work.ADMISSION: TimeLimits.read(env.str("DATABASE_LIMITS_ADMISSION", default="5,3,10")),
    Work.HEALTH: TimeLimits.read(env.str("DATABASE_LIMITS_HEALTH", default="2,1,5")),
    Work.CLOSING: TimeLimits.read(env.str("DATABASE_LIMITS_CLOSING", default="3600,60,600")),
    Work.COMMAND: TimeLimits.read(env.str("DATABASE_LIMITS_COMMAND", default="0,600,0")),
}
# What this process does: "page" is set by wsgi.py, "closing" by whatever starts a Celery worker.
WORK_OF_PROCESS = Work(env.str("SENSENOVA_WORK", default=Work.COMMAND))
QUEUE_CONNECTION = queue_connection(DATABASES["default"])
DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
# A pooler refuses them, or ignores them; then they belong to the role.
if not DATABASE_TRANSACTION_POOLING:
    DATABASES["default"]["OPTIONS"]["options"] = " ".join(
        [
            *filter(None, [DATABASES["default"]["OPTIONS"].get("options")]),
            DATABASE_TIME_LIMITS[WORK_OF_PROCESS].startup_options(),
        ]
    )
# A replica for what may be some time behind (lib/database/replica.py), and how far at most.
REPLICA_MOST_LAG = dt.timedelta(seconds=env.int("REPLICA_MOST_LAG_SECONDS", default=120))
if env.str("REPLICA_DATABASE_URL", default=""):
    DATABASES["replica"] = plain_host(env.db_url("REPLICA_DATABASE_URL"))
    DATABASES["replica"] |= {
        "ENGINE": DATABASES["default"]["ENGINE"],
        "OPTIONS": DATABASES["default"]["OPTIONS"] | DATABASES["replica"].get("OPTIONS", {}),
        "DISABLE_SERVER_SIDE_CURSORS": DATABASE_TRANSACTION_POOLING,
        "TEST": {"MIRROR": "default"},
    }
# Reports that wait share a commit and hold no connection, so far more threads than connections pay
# (docs/benchmarks.md has figures for 8 and 32).
WEB_THREADS = env.int("WEB_THREADS", default=64)
# Without a pool each request may open a connection of its own.
REQUESTS_AT_ONCE = WEB_THREADS if DATABASE_POOL_SIZE else 4
# Of each web process. Without a proxy each has a thread, which waits for its bodies
# (sensenova_billing/http/concurrency.py).
WEB_CONNECTIONS = env.int("WEB_CONNECTIONS", default=512)
# A proxy hands over requests that have arrived: threads for reports and pages, as many for admissions, and
# some for health checks and the rest of bodies that were refused. More would slow single requests down
# (docs/benchmarks.md).
THREADS_BEHIND_PROXY = 2 * WEB_THREADS + 32
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
# W004 wants a plain unique e-mail; ours is unique whatever its case, by a constraint of its own.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses locked-out sign-ins
    "django.contrib.auth.backends.ModelBackend",
    "sensenova_billing.roles.RoleBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign_in"
# Wrong passwords within a quarter of an hour, after which no password is looked at: for one account from one
# address, from one address over all accounts, for one account from all (accounts/sign_in/limits.py).
AXES_FAILURE_LIMIT = 10
SIGN_IN_FAILURES_OF_ADDRESS = 30
SIGN_IN_FAILURES_OF_ACCOUNT = 100
AXES_HANDLER = "accounts.sign_in.limits.SignInLimits"
AXES_CLIENT_IP_CALLABLE = "accounts.sign_in.limits.counted_address"
# What is tried during a lock is not recorded, and so does not make it longer.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_COOLOFF_TIME = dt.timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# By default axes looks for "email", our USERNAME_FIELD, but Django's forms and signals say "username": it
# counted all people as one without a name and let the right password in during a lock-out.
AXES_USERNAME_FORM_FIELD = "username"
AXES_LOCKOUT_TEMPLATE = "locked_out.html"
AXES_RESET_ON_SUCCESS = True
# Codes of the second factor are limited as passwords are (accounts/sign_in/limits.py). The library's own
# delay doubles without an end: a person with the password could lock its owner out for days.
OTP_TOTP_THROTTLE_FACTOR = OTP_STATIC_THROTTLE_FACTOR = 0
OTP_TOTP_ISSUER = "SenseNova Billing"
PASSWORD_RESET_TIMEOUT = 3600  # seconds that a mailed link works
AXES_ENABLE_ADMIN = False  # a lock ends by itself; its rows are of no use to a billing admin

# --- Mail ----------------------------------------------------------------------------------------

# Without a server nothing is mailed; in development it is printed. Notices are on the pages all the same.
_MAIL = env.email_url("EMAIL_URL", default="consolemail://" if DEBUG else "dummymail://")
EMAIL_BACKEND = _MAIL["EMAIL_BACKEND"]
EMAIL_HOST = _MAIL["EMAIL_HOST"] or "localhost"
EMAIL_PORT = _MAIL["EMAIL_PORT"] or 25
EMAIL_HOST_USER = _MAIL["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _MAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_SSL", False)
# Longer than any server that works takes, shorter than what may hold a worker up.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="SenseNova Billing <billing@localhost>")
# Under which people reach the site, for links in mail; without it mail has none.
PUBLIC_URL = env.str("PUBLIC_URL", default="")

# --- Webhooks ------------------------------------------------------------------------------------

# Customers' events are sent to public addresses by https (accounts/webhooks/addresses.py); to these networks
# too, and by http, only where that is set: for tests, and for receivers in a network of our own.
WEBHOOK_ALLOWED_NETWORKS = env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])
WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", default=False)
# For how many days events and deliveries stay after they were delivered.
WEBHOOK_KEEP_DAYS = env.int("WEBHOOK_KEEP_DAYS", default=90)
# So long a receiver may take, from the connection to the end of its answer.
WEBHOOK_TIMEOUT = dt.timedelta(seconds=env.int("WEBHOOK_TIMEOUT_SECONDS", default=10))

# --- Time and words ------------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "UTC"  # inside; each customer's pages use the customer's own zone
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "billing_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_THOUSAND_SEPARATOR = False
FORMAT_MODULE_PATH = "sensenova_billing.formats"

# --- Files ---------------------------------------------------------------------------------------

STATIC_URL = "static/"
# Only for `collectstatic`, where another server is to hand the files out.
STATIC_ROOT = env.str("STATIC_ROOT", default="") or None
STATICFILES_DIRS = [BASE_DIR / "sensenova_billing" / "assets"]
# Served straight from the apps, so that a start needs no collecting.
WHITENOISE_USE_FINDERS = True

# --- Security ------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_ENGINE = "sensenova_billing.http.sessions"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_FAILURE_VIEW = "sensenova_billing.http.errors.csrf_failure"
SESSION_COOKIE_AGE = 14 * 24 * 3600
X_FRAME_OPTIONS = "DENY"
# For the import of a catalogue, the only form that takes a file: it stays in memory, and the view names the
# handler. Every other body has a smaller limit, or one of its own (sensenova_billing/http/body_limits.py).
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
FILE_UPLOAD_HANDLERS: list[str] = []

# --- The API -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api_keys.authentication.ServiceKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "sensenova_billing.http.errors.answer_error",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "SenseNova Billing",
    "DESCRIPTION": "Usage in, charge lines and bills out. Times have an offset; amounts are decimal strings.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "sensenova_billing.schema.add_components",
        "sensenova_billing.schema.require_bodies",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- The clock -----------------------------------------------------------------------------------

# How old usage may be when it is reported, and how far ahead of our clock; prices reach back further.
USAGE_OLDEST = dt.timedelta(days=env.int("USAGE_OLDEST_DAYS", default=35))
USAGE_AHEAD = dt.timedelta(minutes=env.int("USAGE_AHEAD_MINUTES", default=5))
# Whether calls that failed or were cut off are charged for what they used: decided when usage is reported.
CHARGE_FAILED_CALLS = env.bool("CHARGE_FAILED_CALLS", default=False)
# How long after its end an hour stays open for records that are still on their way.
CLOSING_GRACE = dt.timedelta(minutes=env.int("CLOSING_GRACE_MINUTES", default=5))
# What looks wrong is parked until an admin has decided: a customer's hour that comes to more than so
# many RMB, has more charge lines, or costs so many times the customer's usual (but only above an amount).
PARK_ABOVE_AMOUNT = env.decimal("PARK_ABOVE_AMOUNT", default=Decimal(1000000))
PARK_ABOVE_LINES = env.int("PARK_ABOVE_LINES", default=10_000)
PARK_ABOVE_TIMES_USUAL = env.decimal("PARK_ABOVE_TIMES_USUAL", default=Decimal(100))
# Of the tokens of an hour that the TPM which was bought allows: so many times as many beyond it.
PARK_ABOVE_QUOTA_SHARE = env.decimal("PARK_ABOVE_QUOTA_SHARE", default=Decimal(1))
PARK_UNUSUAL_FROM = env.decimal("PARK_UNUSUAL_FROM", default=Decimal(1000))
# With PostgreSQL's own 4 MB an hour of millions of records would be sorted on disk.
CLOSING_WORK_MEM = env.str("CLOSING_WORK_MEM", default="256MB")

# Open hours with more records of a customer, or that may be parked for their amount, are summed up every
# minute (invoices/running/refresh.py); pages show that sum, and rate the records of others at each look.
RATED_LIVE_RECORDS = env.int("RATED_LIVE_RECORDS", default=5000)

# By the values of these names in the metadata of calls, customers see their usage
# (invoices/usage_report/metadata.py).
USAGE_METADATA_KEYS = env.list("USAGE_METADATA_KEYS", default=["project", "end_user", "api_key"])

# Whether what is left of a quota package is refunded ("unused") or nothing is ("none"), and within how many
# days of its purchase.
PACKAGE_REFUNDS = env.str("PACKAGE_REFUNDS", default="none")
PACKAGE_REFUND_DAYS = env.int("PACKAGE_REFUND_DAYS", default=7)

# Who sells, as documents name the seller; prices include the tax, at this rate; at 0 documents show none.
SELLER_NAME = env.str("SELLER_NAME", default="SenseNova")
SELLER_TAX_ID = env.str("SELLER_TAX_ID", default="")
SELLER_ADDRESS = env.str("SELLER_ADDRESS", default="")
SELLER_EMAIL = env.str("SELLER_EMAIL", default="")
TAX_RATE = env.decimal("TAX_RATE", default=Decimal("0.06"))
# The seller's country (ISO 3166), and how tax invoices name what is sold: in words, and by the code of the
# classification of goods and services for tax in China.
SELLER_COUNTRY = env.str("SELLER_COUNTRY", default="CN")
EINVOICE_ITEM = env.str("EINVOICE_ITEM", default="大模型服务")
EINVOICE_TAX_CODE = env.str("EINVOICE_TAX_CODE", default="3040203000000000000")

# On which day of the next month, by the customer's clock, the statement of a month is issued.
STATEMENT_DAY = env.int("STATEMENT_DAY", default=2)

# Within how many days a statement is to be paid, and how many days after that the customer is suspended until
# it has paid; a customer may have values of its own. Without either no customer is suspended for arrears.
PAYMENT_DUE_DAYS: int | None = env.int("PAYMENT_DUE_DAYS", default=None)  # type: ignore[arg-type]
SUSPENSION_GRACE_DAYS: int | None = env.int("SUSPENSION_GRACE_DAYS", default=None)  # type: ignore[arg-type]

# How many days before a suspension for arrears the customer is warned.
SUSPENSION_NOTICE_DAYS = env.int("SUSPENSION_NOTICE_DAYS", default=3)
# How many RMB a customer may owe, unbilled hours included, before calls are refused; unset: any amount.
# Whether customers pay ahead, so that calls are refused when nothing is left. And the last hours whose
# spending has to be left: else a customer with such a rule is warned. A customer may have values of its own.
CREDIT_LIMIT: Decimal | None = env.decimal("CREDIT_LIMIT", default=None)  # type: ignore[arg-type]
CUSTOMERS_PAY_AHEAD = env.bool("CUSTOMERS_PAY_AHEAD", default=False)
LOW_BALANCE_HOURS = env.int("LOW_BALANCE_HOURS", default=3)
# How many days ahead customers are notified of prices that change for them; 0: not at all.
PRICE_NOTICE_DAYS = env.int("PRICE_NOTICE_DAYS", default=7)
# How many calls to a service, and what share of all in percent, are refused by RPM or TPM in an hour before
# the customer is notified, once a day; 0 calls: never.
LIMIT_NOTICE_CALLS = env.int("LIMIT_NOTICE_CALLS", default=100)
LIMIT_NOTICE_PERCENT = env.int("LIMIT_NOTICE_PERCENT", default=10)
# Above how many RMB a credit or charge by hand waits until a second person has approved it; unset: none does.
CREDIT_APPROVAL_ABOVE: Decimal | None = env.decimal("CREDIT_APPROVAL_ABOVE", default=None)  # type: ignore[arg-type]
# Through whom customers pay online: "stripe", or "fake" for development; empty: not at all.
PAYMENT_PROVIDER = env.str("PAYMENT_PROVIDER", default="fake" if DEBUG else "")
STRIPE_SECRET_KEY = env.secret("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRET = env.secret("STRIPE_WEBHOOK_SECRET")
STRIPE_API_URL = env.str("STRIPE_API_URL", default="https://api.stripe.com")

# Whether a change of prices waits until a second person has approved it.
PRICE_CHANGES_NEED_APPROVAL = env.bool("PRICE_CHANGES_NEED_APPROVAL", default=False)
# By more than how many percent up or down a price may change only after a second confirmation; a list price
# of 0 always needs one.
PRICE_CONFIRM_ABOVE_PERCENT = env.int("PRICE_CONFIRM_ABOVE_PERCENT", default=100)
PRICE_CONFIRM_BELOW_PERCENT = env.int("PRICE_CONFIRM_BELOW_PERCENT", default=50)

# The store of the windows of call limits (usage/limits/stores/choice.py): PostgreSQL unless a Redis is named;
# while that Redis is unavailable, no call is admitted ("refuse") or PostgreSQL takes over ("postgresql").
REDIS_URL = env.str("REDIS_URL", default="")
REDIS_TIMEOUT = dt.timedelta(milliseconds=env.int("REDIS_TIMEOUT_MILLISECONDS", default=250))
CALL_LIMITS_WITHOUT_REDIS = env.str("CALL_LIMITS_WITHOUT_REDIS", default="refuse")
# By a thread of its own, so that no report waits until its call is settled.
SETTLE_CALLS_BESIDE = env.bool("SETTLE_CALLS_BESIDE", default=True)

# Whether refused usage is counted by a thread, so that no refused request waits for the database.
COUNT_REFUSED_USAGE_IN_BACKGROUND = env.bool("COUNT_REFUSED_USAGE_IN_BACKGROUND", default=True)

# Alarms (invoices/monitoring/alarms.py): an hour is not closed so long after its end, a larger share of the
# usage comes late, the books were not verified for so long, more records of one key were refused in this hour
# and the one before it, a request for a tax invoice waits for so long.
ALARM_UNCLOSED_AFTER = dt.timedelta(minutes=env.int("ALARM_UNCLOSED_AFTER_MINUTES", default=30))
ALARM_LATE_SHARE = env.decimal("ALARM_LATE_SHARE", default=Decimal("0.05"))
ALARM_REFUSED_RECORDS = env.int("ALARM_REFUSED_RECORDS", default=5)
ALARM_NOT_VERIFIED_FOR = dt.timedelta(hours=env.int("ALARM_NOT_VERIFIED_FOR_HOURS", default=36))
ALARM_EINVOICE_AFTER = dt.timedelta(days=env.int("ALARM_EINVOICE_AFTER_DAYS", default=3))
# To whom a customer's open hour that is far beyond the usual is mailed, once; none: it is on pages only.
ALARM_MAIL = env.list("ALARM_MAIL", default=[])

# Canary customers, by code: each hour calls are posted for them through the API at CANARY_URL with
# CANARY_KEY, and their bills compared with a plain sum (invoices/canary/).
CANARY_CUSTOMERS = env.list("CANARY_CUSTOMERS", default=[])
CANARY_KEY = env.secret("CANARY_KEY")
CANARY_URL = env.str("CANARY_URL", default="") or SERVER_URL

# Usage records of more than so many whole months are archived to Parquet files in this folder
# (docs/retention.md); 0: they stay in the database for ever.
USAGE_RETENTION_MONTHS = env.int("USAGE_RETENTION_MONTHS", default=0)
USAGE_ARCHIVE_DIR = env.str("USAGE_ARCHIVE_DIR", default=str(BASE_DIR / "var" / "archives"))

# Where seals of closed hours are kept outside the database (invoices/seals/stores.py): a file to which lines
# are appended, or an object store, by a class of Django's storages and its options.
SEALS_FILE = env.str("SEALS_FILE", default="")
SEALS_STORAGE = env.str("SEALS_STORAGE", default="")
STORAGES: dict[str, dict[str, object]] = {**DEFAULT_STORAGES}
if SEALS_STORAGE:
    STORAGES["seals"] = {
        "BACKEND": SEALS_STORAGE,
        "OPTIONS": env.json("SEALS_STORAGE_OPTIONS", default={}),
    }

# For tests (lib/clock.py): the clock shows CLOCK_ORIGIN when it is that time, and runs at CLOCK_SPEED;
# CLOCK_OFFSET_SECONDS is by how much this process is wrong about it. A system check refuses them elsewhere.
CLOCK_SPEED = env.int("CLOCK_SPEED", default=1)
CLOCK_ORIGIN = dt.datetime.fromisoformat(env.str("CLOCK_ORIGIN", default="2026-01-01T00:00:00+00:00"))
CLOCK_OFFSET = dt.timedelta(seconds=env.int("CLOCK_OFFSET_SECONDS", default=0))
CLOCK_MAY_BE_WRONG = False

# PostgreSQL itself is the broker unless another is named: no other server has to be installed.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="pgmq://")
if CELERY_BROKER_URL.startswith("pgmq"):
    if DATABASE_TRANSACTION_POOLING and WORK_OF_PROCESS is Work.CLOSING:
        # Its client listens and prepares statements, which both belong to a session.
        raise ImproperlyConfigured(
            "The queue in PostgreSQL does not work through a pooler: let worker and beat connect directly "
            "(DATABASE_URL, without DATABASE_TRANSACTION_POOLING), or set CELERY_BROKER_URL."
        )
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "conn_string": QUEUE_CONNECTION,
        "init_extension": False,  # the queue's tables come from our migration, not from an extension
        "visibility_timeout": 600,
        "polling_interval": 0.5,
        "wait_time_seconds": 1,
        "use_notify": True,
        "pool_size": 4,
    }
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
# No bound: a message whose ack fails, as when the broker fails at that moment, stays counted for good;
# with a bound of one the worker would never take another.
CELERY_WORKER_PREFETCH_MULTIPLIER = 0
# Not processes: those of a pool share a lock, which one that is killed while it waits keeps for ever. Threads
# know no time limits; no task needs one, because none waits for anything but the database.
CELERY_WORKER_POOL = "threads"
# Worker and beat log as LOGGING says.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Two, so that hours are closed while the books are verified.
CELERY_WORKER_CONCURRENCY = env.int("CELERY_WORKER_CONCURRENCY", default=2)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = {
    "send mail": {
        "task": "accounts.tasks.send_mail",
        "schedule": 15.0,
        "options": {"expires": 10},
    },
    # Often, so that the first retry is after five seconds; it waits for no receiver.
    "send webhooks": {
        "task": "accounts.tasks.send_webhooks",
        "schedule": 5.0,
        "options": {"expires": 4},
    },
    "close due hours": {
        "task": "invoices.tasks.close_due_hours",
        "schedule": 60.0,
        "options": {"expires": 55},  # a late ring is of no use: the next one does the same
    },
    "refresh running hours": {
        "task": "invoices.tasks.refresh_running_hours",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    # Often: until then the reservations of reported calls go on counting against caps.
    "refresh budgets": {
        "task": "invoices.tasks.refresh_budgets",
        "schedule": 5.0,
        "options": {"expires": 4},
    },
    "issue statements": {
        "task": "invoices.tasks.issue_statements",
        "schedule": 600.0,
        "options": {"expires": 550},
    },
    # Often: until the next round a customer goes on calling after its balance is used up.
    "apply balance rules": {
        "task": "invoices.tasks.apply_balance_rules",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    "notify of price changes": {
        "task": "invoices.tasks.notify_of_price_changes",
        "schedule": 600.0,
        "options": {"expires": 550},
    },
    "notify of limits": {
        "task": "usage.tasks.notify_of_limits",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    "remove old webhooks": {
        "task": "accounts.tasks.remove_old_webhooks",
        "schedule": 3600.0,
        "options": {"expires": 3000},
    },
    "look up payments": {
        "task": "invoices.tasks.look_up_payments",
        "schedule": 600.0,
        "options": {"expires": 550},
    },
    "publish seals": {
        "task": "invoices.tasks.publish_seals",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    # More often than once an hour: what was not acknowledged is posted again.
    "run canaries": {
        "task": "invoices.tasks.run_canaries",
        "schedule": 600.0,
        "options": {"expires": 550},
    },
    "sum up metadata": {
        "task": "invoices.tasks.sum_up_metadata",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    "sweep packages": {
        "task": "invoices.tasks.sweep_packages",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    "forget admitted calls": {
        "task": "usage.tasks.forget_calls",
        "schedule": 60.0,
        "options": {"expires": 55},
    },
    # Where USAGE_RETENTION_MONTHS is set.
    "archive usage": {
        "task": "invoices.tasks.archive_usage",
        "schedule": crontab(hour=20, minute=30),
        "options": {"expires": 6 * 3600},
    },
    "verify the last day": {
        "task": "invoices.tasks.verify_last_day",
        "schedule": crontab(hour=19, minute=30),  # 03:30 in Shanghai, where the day ended at 16:00 UTC
        "options": {"expires": 6 * 3600},
    },
}

# --- The admin's look ----------------------------------------------------------------------------


def _admin_section(title: Promise, *pages: dict[str, object]) -> dict[str, object]:
    return {"title": title, "separator": True, "items": list(pages)}


def _admin_page(title: Promise, icon: str, model: str, page: str = "") -> dict[str, object]:
    """Return an entry of the sidebar: the list of this model, or another page for people who may view it."""
    link = reverse_lazy(page or f"admin:{model}_changelist")
    return {"title": title, "icon": icon, "link": link, "permission": _may_view(model)}


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, _, name = model.partition("_")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")


UNFOLD = {
    "SITE_TITLE": "SenseNova Billing",
    "SITE_HEADER": "SenseNova Billing",
    "SITE_SYMBOL": "receipt_long",
    "SITE_URL": reverse_lazy("overview"),
    "SHOW_VIEW_ON_SITE": False,
    "SITE_SUBHEADER": _("Times are UTC unless named"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("billing/icon.svg")}
    ],
    "SHOW_LANGUAGES": True,
    "STYLES": [lambda request: static("billing/admin.css")],
    "SCRIPTS": [lambda request: static("billing/admin.js")],
    "COLORS": {
        "primary": {
            "50": "#eef2ff",
            "100": "#e0e7ff",
            "200": "#c7d2fe",
            "300": "#a5b4fc",
            "400": "#818cf8",
            "500": "#6366f1",
            "600": "#4f46e5",
            "700": "#4338ca",
            "800": "#3730a3",
            "900": "#312e81",
            "950": "#1e1b4b",
        }
    },
    "DASHBOARD_CALLBACK": "invoices.monitoring.dashboard.show_state",
    "LOGIN": {"form": "accounts.forms.AdminSignInForm"},
    "SIDEBAR": {
        "navigation": [
            _admin_section(
                _("Customers"),
                _admin_page(_("Search"), "search", "accounts_customer", "admin_search"),
                _admin_page(_("Customers"), "apartment", "accounts_customer"),
                _admin_page(_("People"), "group", "accounts_user"),
                _admin_page(_("Service keys"), "key", "accounts_servicekey"),
                _admin_page(_("Webhook endpoints"), "webhook", "accounts_webhookendpoint"),
                _admin_page(_("Audit trail"), "history", "accounts_auditentry"),
            ),
            _admin_section(
                _("Catalogue"),
                _admin_page(_("Service groups"), "folder", "pricing_servicegroup"),
                _admin_page(_("Services"), "smart_toy", "pricing_service"),
                _admin_page(_("Service aliases"), "link", "pricing_servicealias"),
                _admin_page(_("Billing items"), "straighten", "pricing_billingitem"),
                _admin_page(_("Prices"), "sell", "pricing_price"),
                _admin_page(_("Price proposals"), "rate_review", "pricing_proposal"),
                _admin_page(_("Call specifications"), "speed", "pricing_callspecification"),
                _admin_page(_("Package products"), "package_2", "pricing_packageterms"),
                _admin_page(_("Import and export"), "swap_vert", "pricing_price", "catalogue_import"),
            ),
            _admin_section(
                _("Billing"),
                _admin_page(
                    _("Open hours beyond the usual"), "notification_important", "invoices_openhouralarm"
                ),
                _admin_page(_("Parked hours"), "front_hand", "invoices_parkedhour"),
                _admin_page(_("Billing hours"), "schedule", "usage_billinghour"),
                _admin_page(_("Hourly bills"), "receipt", "invoices_hourlybill"),
                _admin_page(_("Statements"), "description", "invoices_statement"),
                _admin_page(_("E-invoices"), "request_quote", "invoices_einvoicerequest"),
                _admin_page(_("Budgets"), "savings", "usage_budget"),
                _admin_page(_("Credits and charges"), "rate_review", "invoices_adjustment"),
                _admin_page(_("Account transactions"), "account_balance", "invoices_accounttransaction"),
                _admin_page(_("Online payments"), "credit_card", "invoices_onlinepayment"),
                _admin_page(_("Payment call-backs"), "call_received", "invoices_paymentcallback"),
                _admin_page(_("Bank imports"), "upload_file", "invoices_bankimport"),
                _admin_page(_("Quota packages"), "inventory_2", "pricing_quotapackage"),
                _admin_page(_("Package credits"), "undo", "invoices_packagecredit"),
                _admin_page(_("Re-ratings"), "price_change", "invoices_rerating"),
                _admin_page(_("Usage records"), "data_usage", "usage_usagerecord", "usage_record"),
                _admin_page(_("Archives"), "inventory", "usage_usagearchive"),
                _admin_page(_("Reconciliation"), "compare_arrows", "usage_usagerecord", "reconciliation"),
                _admin_page(_("Refused usage"), "unpublished", "usage_refusedusage"),
                _admin_page(_("Usage in quarantine"), "healing", "usage_quarantinedusage"),
                _admin_page(_("Refused calls"), "block", "usage_refusedcalls", "refused_calls"),
                _admin_page(_("Above the quota"), "speed", "invoices_quotaoverrun"),
                _admin_page(_("Verifications"), "fact_check", "invoices_verification"),
            ),
        ],
    },
}


def _is_counted(record: logging.LogRecord) -> bool:
    """Whether a request was refused in a way that is counted by the hour; flooding must not fill a disk."""
    request = getattr(record, "request", None)
    return getattr(record, "status_code", None) == 429 or hasattr(request, "is_counted_as_refused")


def _hide_link_secrets(record: logging.LogRecord) -> bool:
    """Write links that are as good as a password without their secret; every record is kept."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _LINK_SECRET.sub(r"\1...", one) if isinstance(one, str) else one for one in record.args
        )
    return True


_LINK_SECRET = re.compile(r"(/invitations/|/password/reset/)\S+")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "origin": {"()": "django.utils.log.CallbackFilter", "callback": add_origin},
        "without_link_secrets": {"()": "django.utils.log.CallbackFilter", "callback": _hide_link_secrets},
        "not_counted": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: not _is_counted(record),
        },
    },
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s%(in_brackets)s %(message)s"},
        "json": {"()": "sensenova_billing.lib.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["origin"],
            "formatter": "json" if env.bool("LOG_JSON", default=False) else "line",
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        # Each task logs what it did, if it did anything; Celery would add "received" and "succeeded".
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        # What it leaves out of a font.
        "fontTools": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "django.request": {"filters": ["not_counted", "without_link_secrets"]},
    },
}
