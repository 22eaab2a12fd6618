"""Webhooks: events of a customer, sent to its endpoints by Standard Webhooks 1.0 (docs/webhooks.md)."""
