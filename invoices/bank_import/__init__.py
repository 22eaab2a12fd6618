"""Payments from a bank's file: read, matched to customers, shown, and booked once."""
