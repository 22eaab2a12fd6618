"""Onboarding a customer in one step."""
