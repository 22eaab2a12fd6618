import datetime as dt
from pathlib import Path

from django.db import migrations, models
from django.db.models import Q

FIRST, END = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
WITHIN = Q(begins_at__gte=FIRST, begins_at__lt=END) & (Q(ends_at__isnull=True) | Q(ends_at__lt=END))
OUTSIDE = (
    "Prices and call specifications lie in the years 1970 to 8999 (UTC); "
    "leave the end empty where there is none."
)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_audited"), ("pricing", "0006_audited")]

    operations = [
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=WITHIN,
                name="a_price_lies_in_the_years_1970_to_8999",
                violation_error_message=OUTSIDE,
            ),
        ),
        migrations.AddConstraint(
            model_name="callspecification",
            constraint=models.CheckConstraint(
                condition=WITHIN,
                name="a_call_specification_lies_in_the_years_1970_to_8999",
                violation_error_message=OUTSIDE,
            ),
        ),
    ]
