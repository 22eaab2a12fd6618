"""The billing methods, of which exactly one applies to a customer and service at any instant."""

from enum import StrEnum


class BillingMethod(StrEnum):
    """How a customer pays for a service; without a quota package it is Tokens Postpaid."""

    TOKENS_POSTPAID = "tokens_postpaid"
    TPM_PACKAGE = "tpm_package"
    TOKENS_PACKAGE = "tokens_package"

    @property
    def label(self) -> str:
        """As the price page words it; pages translate it."""
        return _LABELS[self]


_LABELS = {
    BillingMethod.TOKENS_POSTPAID: "Tokens Postpaid",
    BillingMethod.TPM_PACKAGE: "TPM Quota Package Prepaid",
    BillingMethod.TOKENS_PACKAGE: "Tokens Quota Package Prepaid",
}

# Those that a package brings about.
PACKAGE_METHODS = (BillingMethod.TPM_PACKAGE, BillingMethod.TOKENS_PACKAGE)

# A unit of a TPM package.
TPM_OF_UNIT = 10_000
RPM_OF_UNIT = 33
MOST_UNITS = 10_000
