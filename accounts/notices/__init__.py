"""Notices about a customer's account: a row and an event in the deciding transaction, and a mail from it."""
