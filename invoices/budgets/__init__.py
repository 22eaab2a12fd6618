"""Budgets of customers: setting them, how far they are used, and alerts."""
