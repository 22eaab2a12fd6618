"""What belongs to no app."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Measurement(models.Model):
    """What all processes measured for a metric and its labels (lib/measurements); it never decreases.

    `buckets` counts values up to each bound of the metric, the last those beyond; `total` is their sum.
    """

    pk = models.CompositePrimaryKey("metric", "labels")
    metric = models.CharField(max_length=32)
    labels = ArrayField(models.TextField())
    buckets = ArrayField(models.BigIntegerField())
    total = models.FloatField()

    def __str__(self) -> str:
        return f"{self.metric} {self.labels}"
