"""The settings of the product, with a view to compare with."""

from sensenova_billing.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
