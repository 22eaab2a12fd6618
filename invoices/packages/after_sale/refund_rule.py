"""What the setting PACKAGE_REFUNDS may say."""

NONE = "none"
UNUSED = "unused"
REFUNDS = (NONE, UNUSED)
