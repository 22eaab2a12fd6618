from typing import Any

from celery.signals import worker_process_init
from django.apps import AppConfig

from sensenova_billing import checks  # noqa: F401  importing registers them
from sensenova_billing.lifeline import die_with_parent_under_runner


def follow_worker(**_: Any) -> None:
    """Tie a process of the Celery worker's pool to the worker."""
    die_with_parent_under_runner()


class SensenovaBillingConfig(AppConfig):
    name = "sensenova_billing"

    def ready(self) -> None:
        """Ask Celery to tie the processes of its pools to the worker that forks them."""
        worker_process_init.connect(follow_worker)
