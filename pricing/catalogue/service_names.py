"""Which service a name or an alias stands for, in SQL, for statements over many names at once."""

from collections.abc import Collection

from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement, load_template

_SERVICE_BY_NAME = load_template("service_by_name.sql", beside=__file__)


def service_by_name_sql(*, called: str) -> str:
    """Return a query for the id and name of the service, or no row, given an expression in SQL."""
    return _SERVICE_BY_NAME.substitute(called=called)


def known_services(*, called: Collection[str]) -> set[str]:
    """Return those of these names that are the name or an alias of a service."""
    return {name for (name,) in fetch_all(_KNOWN, list(called))}


_KNOWN = load_statement(
    "known_services.sql", beside=__file__, service_by_name=service_by_name_sql(called="names.called")
)
