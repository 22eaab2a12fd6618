from pathlib import Path

from django.db import migrations, models

HERE = Path(__file__)
# The functions as they were: all are dropped, and made again.
BEFORE = ("0010_fewer_statements.reverse.sql", "0008_admit_calls.sql", "0010_fewer_statements.sql")


class Migration(migrations.Migration):
    dependencies = [("usage", "0010_fewer_statements")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    HERE.with_suffix(".sql").read_text(),
                    reverse_sql="".join(
                        path.read_text()
                        for path in (HERE.with_suffix(".reverse.sql"), *map(HERE.with_name, BEFORE))
                    ),
                )
            ],
            # Django cannot alter a primary key to one of several columns.
            state_operations=[
                migrations.AlterField(
                    model_name="admittedcall",
                    name="call_id",
                    field=models.CharField(db_collation="C", max_length=255),
                ),
                migrations.AddField(
                    model_name="admittedcall",
                    name="pk",
                    field=models.CompositePrimaryKey(
                        "call_id",
                        "customer_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
        )
    ]
