"""In which files faults are put, and which tests have to see them: those that are nearest come first."""

from collections.abc import Iterator
from pathlib import Path

_BILLING = (
    "tests/invoices/corrections/test_corrections.py",
    "tests/invoices/closing/test_parking.py",
    "tests/invoices/closing/test_close.py",
    "tests/invoices/rating/test_rating.py",
    "tests/invoices/rating/test_amounts.py",
    "tests/invoices/books/test_verify.py",
)
_COVERING = (
    "tests/invoices/packages/test_draws.py",
    "tests/invoices/packages/test_draw_edges.py",
    "tests/invoices/packages/test_parts_and_others.py",
    "tests/invoices/packages/test_nothing_to_draw.py",
    "tests/invoices/packages/test_trace.py",
    "tests/invoices/packages/test_so_far.py",
    "tests/invoices/packages/test_overruns.py",
    "tests/invoices/packages/test_package_histories.py",
)
_BUYING = (
    "tests/invoices/packages/test_purchase.py",
    "tests/invoices/packages/test_views.py",
    "tests/invoices/packages/test_admin.py",
    "tests/invoices/packages/test_status.py",
    "tests/invoices/packages/test_draws.py",
)
_SHOWING = (
    "tests/invoices/packages/test_status.py",
    "tests/invoices/packages/test_views.py",
    "tests/invoices/packages/test_covered.py",
    "tests/invoices/packages/test_api.py",
    "tests/invoices/packages/test_admin.py",
    "tests/invoices/packages/test_trace.py",
)
_AFTER_SALE = (
    "tests/invoices/packages/after_sale/test_renewal.py",
    "tests/invoices/packages/after_sale/test_refund.py",
    "tests/invoices/packages/after_sale/test_notices.py",
    "tests/concurrency/test_package_notices_races.py",
)
_PACKAGE_TERMS = (
    "tests/pricing/changes/packages/test_commands.py",
    "tests/pricing/changes/packages/test_rows.py",
    "tests/pricing/catalogue/test_packages.py",
    "tests/invoices/price_impact/test_package_admin.py",
    "tests/pricing/files/test_formats.py",
)
_PACKAGE_LIMITS = (
    "tests/usage/limits/test_package_limits.py",
    "tests/usage/limits/test_status.py",
    "tests/usage/limits/test_entitlements.py",
)
_RERATING = (
    "tests/invoices/corrections/test_corrections.py",
    "tests/invoices/corrections/test_admin.py",
    "tests/invoices/corrections/test_pages.py",
)
_VERIFYING = (
    "tests/invoices/books/test_verify.py",
    "tests/invoices/books/test_constraints.py",
    "tests/invoices/books/test_results.py",
    "tests/invoices/books/test_verify_histories.py",
)
_STORING = (
    "tests/usage/ingest/test_record.py",
    "tests/usage/ingest/test_api.py",
    "tests/usage/ingest/test_metadata.py",
    "tests/usage/limits/test_settlement.py",
    "tests/usage/ingest/test_group_commit.py",
    "tests/usage/clients/test_litellm.py",
    "tests/usage/clients/test_cloudevents.py",
    "tests/usage/clients/test_otlp.py",
)
_ENTITLING = (
    "tests/usage/limits/test_entitlements.py",
    "tests/usage/limits/test_api.py",
)
_LIMITS = (
    "tests/usage/limits/stores/test_windows.py",
    "tests/usage/limits/test_settlement.py",
    "tests/usage/limits/stores/test_postgres.py",
    "tests/usage/limits/test_status.py",
    "tests/usage/limits/test_api.py",
    "tests/usage/limits/stores/test_choice.py",
    "tests/usage/limits/stores/test_failover.py",
    "tests/usage/limits/stores/test_histories.py",
)
_HOURS = (
    "tests/usage/test_billing_hours.py",
    "tests/usage/ingest/test_record.py",
    "tests/invoices/closing/test_close.py",
    "tests/concurrency/test_closing_races.py",
)
_PRICE_RULES = (
    "tests/pricing/changes/test_price_rules.py",
    "tests/invoices/closing/test_close.py",
    "tests/pricing/rules/test_periods.py",
)
_KEYS = (
    "tests/accounts/api_keys/test_keys.py",
    "tests/accounts/api_keys/test_key_rights.py",
    "tests/usage/ingest/test_api.py",
    "tests/usage/limits/test_api.py",
)
# The first pattern that fits a file counts.
TESTS: dict[str, tuple[str, ...]] = {
    "invoices/corrections/rerate.py": _RERATING,
    "invoices/corrections/*.sql": _RERATING,
    "invoices/closing/parking.py": (
        "tests/invoices/closing/test_parking.py",
        "tests/invoices/closing/test_parking_admin.py",
        "tests/invoices/corrections/test_corrections.py",
    ),
    "invoices/closing/bill.py": _BILLING,
    "invoices/closing/bill_hour.sql": (*_BILLING, *_COVERING),
    "invoices/closing/end_packages.sql": _COVERING,
    "invoices/closing/group_usage.sql": _BILLING,
    "invoices/rating/coverage.py": _COVERING,
    "invoices/rating/coverage_sql.py": _COVERING,
    "invoices/rating/segments.sql": _COVERING,
    "invoices/rating/covered_usage.sql": _COVERING,
    "invoices/rating/divided_calls.sql": _COVERING,
    "invoices/rating/reversed_usage.sql": (*_COVERING, *_BILLING),
    "invoices/rating/returned_tokens.sql": _COVERING,
    "invoices/rating/find_run_outs.sql": _COVERING,
    "invoices/rating/package_demand.sql": _COVERING,
    "invoices/rating/overruns.py": ("tests/invoices/packages/test_overruns.py",),
    "invoices/rating/overruns.sql": ("tests/invoices/packages/test_overruns.py",),
    "invoices/packages/purchase.py": _BUYING,
    "invoices/packages/*.py": _SHOWING,
    "invoices/packages/*.sql": _SHOWING,
    "invoices/packages/after_sale/*.py": _AFTER_SALE,
    "invoices/packages/after_sale/*.sql": _AFTER_SALE,
    "invoices/closing/credit_refunds.sql": _AFTER_SALE,
    "invoices/rating/charges_sql.py": (
        *_BILLING,
        "tests/invoices/portal/test_views.py",
        "tests/invoices/corrections/test_pages.py",
    ),
    "invoices/rating/usage_sql.py": _BILLING,
    "invoices/rating/*.sql": _BILLING,
    "pricing/rules/price_in_force.sql": (*_BILLING, "tests/invoices/price_impact/test_simulate.py"),
    "invoices/closing/close.py": (
        *_BILLING,
        "tests/invoices/test_task_logs.py",
        "tests/concurrency/test_closing_races.py",
    ),
    "invoices/closing/compute_seal.sql": ("tests/invoices/closing/test_close.py", *_VERIFYING),
    "invoices/closing/seal.py": ("tests/invoices/closing/test_close.py", *_VERIFYING),
    "invoices/books/expected.py": ("tests/invoices/books/test_expected.py", *_VERIFYING),
    "invoices/books/coverage.py": (
        "tests/invoices/books/test_coverage.py",
        "tests/invoices/packages/test_draws.py",
        "tests/invoices/packages/test_forged_draws.py",
        "tests/invoices/packages/test_forged_purchases.py",
        "tests/invoices/packages/test_parts_and_others.py",
        "tests/invoices/packages/test_package_histories.py",
    ),
    "invoices/books/compare.py": ("tests/invoices/books/test_compare.py", *_VERIFYING),
    "invoices/books/verify.py": _VERIFYING,
    "invoices/books/read.py": _VERIFYING,
    "invoices/books/read_*.sql": _VERIFYING,
    "invoices/portal/views.py": (
        "tests/invoices/portal/test_views.py",
        "tests/invoices/corrections/test_pages.py",
        "tests/invoices/drilldown/test_downloads.py",
    ),
    "usage/billing_hours.py": _HOURS,
    "usage/ingest/reversals.py": (
        "tests/usage/ingest/test_api_reversals.py",
        "tests/invoices/corrections/test_corrections.py",
        "tests/invoices/drilldown/test_record_admin.py",
    ),
    "usage/ingest/store.py": _STORING,
    "usage/ingest/record.py": _STORING,
    "usage/ingest/resolve.py": _STORING,
    "usage/ingest/*.sql": _STORING,
    "pricing/catalogue/service_by_name.sql": (*_STORING, "tests/usage/limits/test_entitlements.py"),
    "usage/ingest/payload.py": (*_STORING, "tests/usage/refused/test_counters.py"),
    "usage/limits/settlement.py": (
        "tests/usage/limits/test_settlement.py",
        "tests/usage/ingest/test_record.py",
        "tests/usage/limits/test_api.py",
    ),
    "usage/limits/*package_limits.*": _PACKAGE_LIMITS,
    "usage/limits/entitlements.py": _ENTITLING,
    "usage/limits/read_entitlements.sql": _ENTITLING,
    "usage/limits/admission.py": (
        "tests/usage/limits/test_api.py",
        "tests/usage/limits/test_entitlements.py",
        "tests/usage/limits/test_api_status.py",
    ),
    "usage/bounds.py": _LIMITS,
    "usage/limits/stores/windows.py": _LIMITS,
    "usage/limits/stores/postgres.py": _LIMITS,
    "usage/limits/stores/*.sql": _LIMITS,
    "usage/limits/stores/redis.py": _LIMITS,
    "usage/limits/stores/redis.lua": _LIMITS,
    "usage/migrations/0002_*.sql": (
        "tests/usage/ingest/test_record.py",
        "tests/invoices/closing/test_close.py",
    ),
    "usage/migrations/0004_*.sql": _HOURS,
    "usage/migrations/0006_*.sql": (*_PRICE_RULES, "tests/concurrency/test_price_races.py"),
    "usage/migrations/*.sql": (*_LIMITS, "tests/concurrency/test_call_limit_races.py"),
    "pricing/migrations/*.sql": (
        "tests/pricing/changes/test_price_rules.py",
        "tests/pricing/catalogue/test_service_names.py",
        "tests/concurrency/test_price_races.py",
        "tests/concurrency/test_name_races.py",
    ),
    "pricing/rules/precedence.py": (
        "tests/pricing/rules/test_precedence.py",
        "tests/pricing/catalogue/test_api.py",
        "tests/pricing/timeline/test_geometry.py",
    ),
    "pricing/rules/characters.py": (
        "tests/pricing/rules/test_characters.py",
        "tests/usage/ingest/test_record.py",
    ),
    "pricing/rules/amounts.py": (
        "tests/pricing/rules/test_amounts.py",
        "tests/pricing/rules/test_unit_prices.py",
        "tests/invoices/rating/test_amounts.py",
    ),
    "pricing/rules/measures.py": (
        "tests/usage/limits/test_settlement.py",
        "tests/pricing/rules/test_measures.py",
        "tests/pricing/catalogue/test_estimates_api.py",
        "tests/usage/ingest/test_api.py",
        "tests/pricing/catalogue/test_initial.py",
        "tests/pricing/catalogue/test_price_page.py",
    ),
    "pricing/rules/periods.py": ("tests/pricing/rules/test_periods.py",),
    "pricing/catalogue/estimates.py": (
        "tests/pricing/catalogue/test_estimates_api.py",
        "tests/pricing/catalogue/test_calculator.py",
    ),
    "pricing/changes/packages/*.py": _PACKAGE_TERMS,
    "pricing/changes/apply.py": (
        "tests/pricing/changes/test_apply.py",
        "tests/pricing/changes/test_price_commands.py",
        "tests/pricing/changes/test_approval.py",
        "tests/pricing/changes/test_limit_commands.py",
        "tests/concurrency/test_price_races.py",
    ),
    "pricing/changes/price_commands.py": (
        "tests/pricing/changes/test_price_commands.py",
        "tests/pricing/changes/test_limit_commands.py",
    ),
    "accounts/api_keys/keys.py": _KEYS,
    "accounts/api_keys/customer_access.py": (
        "tests/accounts/api_keys/test_key_rights.py",
        "tests/usage/ingest/test_api_reversals.py",
        "tests/invoices/portal/test_views.py",
    ),
    "accounts/api_keys/permissions.py": _KEYS,
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
