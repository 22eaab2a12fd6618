from pathlib import Path

from django.db import migrations

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0022_balance_rules_by_limit")]

    operations = [
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
