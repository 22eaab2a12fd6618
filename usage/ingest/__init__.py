"""Ingest of usage: payload, checks, one commit."""
