"""What a planned change of prices costs each customer."""
