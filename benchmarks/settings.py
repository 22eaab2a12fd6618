"""The settings of the product, with a view to compare with."""

from sensenova_billing.settings import *  # noqa: F403
from sensenova_billing.settings import LOGGING

ROOT_URLCONF = "benchmarks.urls"
# A line for each of thousands of refusals would be measured too.
LOGGING["loggers"]["django"] = {"level": "ERROR"}  # type: ignore[index]
