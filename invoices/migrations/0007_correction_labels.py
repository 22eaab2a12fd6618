from django.db import migrations, models


class Migration(migrations.Migration):
    """The labels of corrections; nothing changes in the database."""

    dependencies = [("invoices", "0006_unit_prices_below_a_million")]

    operations = [
        migrations.AlterField(
            model_name="chargeline",
            name="correction",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "usage"),
                    ("reversal", "reversed"),
                    ("taken_back", "credited"),
                    ("charged_anew", "rebilled"),
                ],
                default="",
                max_length=12,
            ),
        ),
    ]
