"""The people of a run beside the owners of customers, by address; the settings of a run read it too."""

CASHIERS = [f"cashier-{number}@sensenova.example" for number in range(2)]
ADJUSTERS = [f"adjuster-{number}@sensenova.example" for number in range(2)]
IMPORTERS = ["importer@sensenova.example"]
# Of every customer.
FINANCE = [f"finance-{number}@customers.example" for number in range(2)]
# Of credits and charges by hand, in RMB: what is more waits for a second person.
APPROVED_ALONE = 50
