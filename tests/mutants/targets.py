"""In which files faults are put, and which tests have to see them: those that are nearest come first."""

from collections.abc import Iterator
from pathlib import Path

_BILLING = (
    "tests/invoices/test_corrections.py",
    "tests/invoices/test_parking.py",
    "tests/invoices/test_closing.py",
    "tests/invoices/test_rating.py",
    "tests/invoices/test_amounts.py",
    "tests/invoices/test_verifying.py",
)
_VERIFYING = (
    "tests/invoices/test_verifying.py",
    "tests/invoices/test_verifying_guards.py",
    "tests/invoices/test_verifications.py",
    "tests/invoices/test_verifying_histories.py",
)
_STORING = (
    "tests/usage/test_ingest.py",
    "tests/usage/test_api_usage.py",
    "tests/usage/test_metadata.py",
    "tests/usage/test_settling.py",
    "tests/usage/test_together.py",
    "tests/usage/test_litellm.py",
    "tests/usage/test_cloudevents.py",
)
_LIMITS = (
    "tests/usage/test_windows.py",
    "tests/usage/test_settling.py",
    "tests/usage/test_postgres_windows.py",
    "tests/usage/test_standing.py",
    "tests/usage/test_api_calls.py",
    "tests/usage/test_window_stores.py",
    "tests/usage/test_redis_away.py",
    "tests/usage/test_window_histories.py",
)
_HOURS = (
    "tests/usage/test_hours.py",
    "tests/usage/test_ingest.py",
    "tests/invoices/test_closing.py",
    "tests/concurrency/test_closing_races.py",
)
_PRICE_RULES = (
    "tests/pricing/test_price_rules.py",
    "tests/invoices/test_closing.py",
    "tests/pricing/test_periods.py",
)
_KEYS = (
    "tests/accounts/test_keys.py",
    "tests/accounts/test_key_rights.py",
    "tests/usage/test_api_usage.py",
    "tests/usage/test_api_calls.py",
)
# The first pattern that fits a file counts.
TESTS: dict[str, tuple[str, ...]] = {
    "invoices/rerating.py": (
        "tests/invoices/test_corrections.py",
        "tests/invoices/test_rerating_admin.py",
        "tests/invoices/test_correction_pages.py",
    ),
    "invoices/parking.py": (
        "tests/invoices/test_parking.py",
        "tests/invoices/test_parking_admin.py",
        "tests/invoices/test_corrections.py",
    ),
    "invoices/billing.py": _BILLING,
    "invoices/charging.py": (
        *_BILLING,
        "tests/invoices/test_pages.py",
        "tests/invoices/test_correction_pages.py",
    ),
    "invoices/rating.py": _BILLING,
    "invoices/closing.py": (
        *_BILLING,
        "tests/invoices/test_task_logs.py",
        "tests/concurrency/test_closing_races.py",
    ),
    "invoices/sealing.py": ("tests/invoices/test_closing.py", *_VERIFYING),
    "invoices/recomputing.py": ("tests/invoices/test_recomputing.py", *_VERIFYING),
    "invoices/comparing.py": ("tests/invoices/test_comparing.py", *_VERIFYING),
    "invoices/verifying.py": _VERIFYING,
    "invoices/rereading.py": _VERIFYING,
    "invoices/views.py": (
        "tests/invoices/test_pages.py",
        "tests/invoices/test_correction_pages.py",
        "tests/invoices/test_downloads.py",
    ),
    "usage/hours.py": _HOURS,
    "usage/reversing.py": (
        "tests/usage/test_api_reversals.py",
        "tests/invoices/test_corrections.py",
        "tests/invoices/test_record_admin.py",
    ),
    "usage/storing.py": _STORING,
    "usage/ingest.py": _STORING,
    "usage/rows.py": _STORING,
    "usage/reports.py": _STORING,
    "usage/settling.py": (
        "tests/usage/test_settling.py",
        "tests/usage/test_ingest.py",
        "tests/usage/test_api_calls.py",
    ),
    "usage/call_rights.py": ("tests/usage/test_call_rights.py", "tests/usage/test_api_calls.py"),
    "usage/admission.py": (
        "tests/usage/test_api_calls.py",
        "tests/usage/test_call_rights.py",
        "tests/usage/test_api_limits.py",
    ),
    "usage/windows.py": _LIMITS,
    "usage/postgres_windows.py": _LIMITS,
    "usage/redis_windows.py": _LIMITS,
    "usage/call_windows.lua": _LIMITS,
    "usage/migrations/0002_*.sql": ("tests/usage/test_ingest.py", "tests/invoices/test_closing.py"),
    "usage/migrations/0004_*.sql": _HOURS,
    "usage/migrations/0006_*.sql": (*_PRICE_RULES, "tests/concurrency/test_price_races.py"),
    "usage/migrations/*.sql": (*_LIMITS, "tests/concurrency/test_call_limit_races.py"),
    "pricing/migrations/*.sql": (
        "tests/pricing/test_price_rules.py",
        "tests/pricing/test_service_names.py",
        "tests/concurrency/test_price_races.py",
        "tests/concurrency/test_name_races.py",
    ),
    "pricing/choosing.py": (
        "tests/pricing/test_choosing.py",
        "tests/pricing/test_catalog_api.py",
        "tests/pricing/test_timeline.py",
    ),
    "pricing/counting.py": ("tests/pricing/test_counting.py", "tests/usage/test_ingest.py"),
    "pricing/amounts.py": (
        "tests/pricing/test_amounts.py",
        "tests/pricing/test_unit_prices.py",
        "tests/invoices/test_amounts.py",
    ),
    "pricing/measures.py": (
        "tests/pricing/test_measures.py",
        "tests/pricing/test_estimates_api.py",
        "tests/usage/test_api_usage.py",
        "tests/pricing/test_catalogue.py",
        "tests/pricing/test_price_page_layout.py",
    ),
    "pricing/periods.py": ("tests/pricing/test_periods.py",),
    "pricing/estimating.py": ("tests/pricing/test_estimates_api.py", "tests/pricing/test_calculator.py"),
    "pricing/applying.py": (
        "tests/pricing/test_applying.py",
        "tests/pricing/test_arranging.py",
        "tests/pricing/test_proposing.py",
        "tests/pricing/test_limiting.py",
        "tests/concurrency/test_price_races.py",
    ),
    "pricing/arranging.py": (
        "tests/pricing/test_arranging.py",
        "tests/pricing/test_limiting.py",
    ),
    "accounts/keys.py": _KEYS,
    "accounts/acting.py": (
        "tests/accounts/test_key_rights.py",
        "tests/usage/test_api_reversals.py",
        "tests/invoices/test_pages.py",
    ),
    "accounts/permissions.py": _KEYS,
}


def paths_of(root: Path) -> Iterator[str]:
    """Yield the files, each once; of migrations those that go forward."""
    seen = set()
    for pattern in TESTS:
        for path in sorted(root.glob(pattern)):
            name = str(path.relative_to(root))
            if name not in seen and not name.endswith(".reverse.sql"):
                seen.add(name)
                yield name
