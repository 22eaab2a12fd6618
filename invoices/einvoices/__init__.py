"""Tax invoices of statements: requested by customers, exported, recorded once they are issued."""
