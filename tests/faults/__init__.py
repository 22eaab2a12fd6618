"""Proof that no fault loses usage or stores it twice: a driver that posts, a nemesis that kills, a checker.

The three share no code with the product, and the checker none with the driver: it reads the driver's
journal and the table.
"""
