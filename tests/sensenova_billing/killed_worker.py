"""A Celery application with our broker settings, for a worker that is killed in the middle of a task."""

import os
import time

from celery import Celery
from django.conf import settings

from tests.sensenova_billing.processes import ask

app = Celery("killed_worker", broker="pgmq://", set_as_current=False)
app.conf.update(
    broker_transport_options={**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "visibility_timeout": 2},
    task_acks_late=settings.CELERY_TASK_ACKS_LATE,
    worker_pool=settings.CELERY_WORKER_POOL,
    worker_prefetch_multiplier=settings.CELERY_WORKER_PREFETCH_MULTIPLIER,
    task_ignore_result=True,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
)


@app.task(name="write_twice")
def write_twice() -> None:
    """Note the begin, wait while the test wants it, and note the end."""
    url = os.environ["DATABASE_URL"]
    ask(url, "INSERT INTO noted VALUES ('begun')")
    while ask(url, "SELECT count(*) FROM noted WHERE word = 'wait'"):
        time.sleep(0.05)
    ask(url, "INSERT INTO noted VALUES ('ended')")
