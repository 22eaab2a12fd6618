"""Signing in: limits of wrong passwords, the second factor, new passwords by mail, sessions."""
