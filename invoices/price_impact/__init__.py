"""What a planned change of prices costs whom."""
