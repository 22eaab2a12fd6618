"""What has to be looked at twice before prices change."""
