"""Offers and trials that were announced together, to be taken back together."""
