"""What becomes of a package after it was bought: notices, renewal and refund."""
