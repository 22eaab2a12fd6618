"""Online payments: ordered here, made at a payment provider, booked by its call-backs."""
