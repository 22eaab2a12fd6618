"""Quota packages: products on sale, and the billing methods that packages bring about."""
