"""Histograms and counters that all processes share.

What is measured changes numbers in memory only. A thread of each web process adds them to the database every
few seconds, a worker after each closing; so any process answers for all of them, on whatever host. While the
database is unavailable they wait; a process that is killed loses those of the last seconds.
"""

from sensenova_billing.lib.measurements.metrics import Metric
from sensenova_billing.lib.measurements.store import count, observe, start_writing, write_measurements

__all__ = ["Metric", "count", "observe", "start_writing", "write_measurements"]
