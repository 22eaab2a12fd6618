from pathlib import Path

from django.db import migrations, models

HERE = Path(__file__)
AHEAD = "By how many seconds it is ahead of a clock that was set back."
GENERATION = "Its generation: a call of another one does not count in it."


class Migration(migrations.Migration):
    dependencies = [("usage", "0013_hold_after_restart")]

    operations = [
        migrations.AddField("callwindow", "ahead", models.BigIntegerField(db_default=0, help_text=AHEAD)),
        migrations.AlterField("callwindow", "setbacks", models.IntegerField(help_text=GENERATION)),
        migrations.AlterField(
            "admittedcall", "setbacks", models.IntegerField(help_text="The generation of its window.")
        ),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
