from pathlib import Path

from django.db import migrations

HERE = Path(__file__)
TABLES = HERE.with_name("0008_unlogged_windows.sql")


class Migration(migrations.Migration):
    dependencies = [("usage", "0007_call_windows")]

    operations = [
        migrations.RunSQL(path.read_text(), reverse_sql=path.with_suffix(".reverse.sql").read_text())
        for path in (TABLES, HERE.with_suffix(".sql"))
    ]
