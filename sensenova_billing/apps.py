from django.apps import AppConfig

from sensenova_billing import checks  # noqa: F401  importing registers them


class SensenovaBillingConfig(AppConfig):
    name = "sensenova_billing"
