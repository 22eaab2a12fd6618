"""Words of the admin that stand nowhere in its templates: the names of models, and what the theme says.

Both are looked up where they are shown. The theme marks its words and has no Chinese for them.
"""

from django.apps import apps
from django.utils.translation import gettext_lazy, gettext_noop

_OWN = ("accounts", "pricing", "usage", "invoices")


def translate_names_of_models() -> None:
    """Let the names of our models be translated; migrations go on with those that the models were given."""
    for app in _OWN:
        for model in apps.get_app_config(app).get_models():
            options = model._meta
            options.verbose_name = gettext_lazy(str(options.verbose_name))
            options.verbose_name_plural = gettext_lazy(str(options.verbose_name_plural))


# For `make translations`. A model whose name is missing keeps its English one.
NAMES = (
    gettext_noop("audit entry"),
    gettext_noop("audit trail"),
    gettext_noop("billing hour"),
    gettext_noop("billing hours"),
    gettext_noop("billing item"),
    gettext_noop("billing items"),
    gettext_noop("call specification"),
    gettext_noop("call specifications"),
    gettext_noop("charge line"),
    gettext_noop("charge lines"),
    gettext_noop("customer"),
    gettext_noop("customers"),
    gettext_noop("customer view"),
    gettext_noop("hourly bill"),
    gettext_noop("hourly bills"),
    gettext_noop("invitation"),
    gettext_noop("member"),
    gettext_noop("members"),
    gettext_noop("open hour alarm"),
    gettext_noop("open hour alarms"),
    gettext_noop("package credit"),
    gettext_noop("package credits"),
    gettext_noop("package product"),
    gettext_noop("package renewal"),
    gettext_noop("package terms"),
    gettext_noop("parked hour"),
    gettext_noop("parked hours"),
    gettext_noop("people"),
    gettext_noop("person"),
    gettext_noop("price"),
    gettext_noop("prices"),
    gettext_noop("proposal"),
    gettext_noop("proposals"),
    gettext_noop("quota overrun"),
    gettext_noop("quota overruns"),
    gettext_noop("quota package"),
    gettext_noop("quota packages"),
    gettext_noop("re-rating"),
    gettext_noop("re-ratings"),
    gettext_noop("refused usage"),
    gettext_noop("service"),
    gettext_noop("services"),
    gettext_noop("service alias"),
    gettext_noop("service aliases"),
    gettext_noop("service group"),
    gettext_noop("service groups"),
    gettext_noop("service key"),
    gettext_noop("service keys"),
    gettext_noop("terms weight"),
    gettext_noop("usage in quarantine"),
    gettext_noop("usage record"),
    gettext_noop("usage records"),
    gettext_noop("account transaction"),
    gettext_noop("account transactions"),
    gettext_noop("statement"),
    gettext_noop("statements"),
    gettext_noop("verification"),
    gettext_noop("verifications"),
)
OF_THE_THEME = (
    gettext_noop("Add row"),
    gettext_noop("All applications"),
    gettext_noop("Apply Filters"),
    gettext_noop("Choose file to upload"),
    gettext_noop("Dark"),
    gettext_noop("Expand row"),
    gettext_noop("General"),
    gettext_noop("Go back"),
    gettext_noop("Light"),
    gettext_noop("Loading more results..."),
    gettext_noop("More actions"),
    gettext_noop("Next"),
    gettext_noop("No data"),
    gettext_noop("No recent searches"),
    gettext_noop("No results found"),
    gettext_noop("No results matching your query"),
    gettext_noop("Previous"),
    gettext_noop("Recent searches"),
    gettext_noop("Reset filters"),
    gettext_noop("Return to site"),
    gettext_noop("Run"),
    gettext_noop("Search apps and models..."),
    gettext_noop("Select all rows"),
    gettext_noop("Submit"),
    gettext_noop("System"),
    gettext_noop("Toggle password visibility"),
    gettext_noop("Type to search"),
)
