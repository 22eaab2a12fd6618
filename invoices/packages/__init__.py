"""Quota packages: buying them, what they cover, and what each hour drew from them."""
