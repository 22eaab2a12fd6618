"""The providers that the setting PAYMENT_PROVIDER names; apart, because checks read it before any model."""

FAKE, STRIPE = "fake", "stripe"
# Where the pages are to which a form of ours leads.
CHECKOUTS = {STRIPE: "https://checkout.stripe.com"}
