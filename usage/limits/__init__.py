"""Call limits: RPM and TPM in any 60 seconds, and 429 beyond them."""
