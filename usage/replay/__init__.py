"""Sends a trace of real calls to the API."""
