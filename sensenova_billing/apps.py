from django.apps import AppConfig

from sensenova_billing import checks  # noqa: F401  importing registers them
from sensenova_billing.admin_words import translate_names_of_models


class SensenovaBillingConfig(AppConfig):
    name = "sensenova_billing"

    def ready(self) -> None:
        """All models are known."""
        translate_names_of_models()
