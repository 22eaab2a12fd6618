from pathlib import Path

from django.db import migrations, models

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0022_balance_rules_by_limit")]

    operations = [
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                models.F("delivered_at"),
                condition=models.Q(("state", "delivered")),
                name="deliveries_that_grow_old",
            ),
        ),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
