"""Which service a name or an alias stands for, in SQL, for statements over many names at once."""

from sensenova_billing.lib.database.statements import load_template

_SERVICE_BY_NAME = load_template("service_by_name.sql", beside=__file__)


def service_by_name_sql(*, called: str) -> str:
    """Return a query for the id and name of the service, or no row, given an expression in SQL."""
    return _SERVICE_BY_NAME.substitute(called=called)
