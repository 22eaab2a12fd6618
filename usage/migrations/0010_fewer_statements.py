from pathlib import Path

from django.db import migrations

HERE = Path(__file__)
BEFORE = HERE.with_name("0008_admit_calls.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0009_redis_away")]

    operations = [
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(),
            reverse_sql=HERE.with_suffix(".reverse.sql").read_text() + BEFORE,
        )
    ]
