"""The rules of prices, in plain Python: measures, kinds, precedence, periods, amounts."""
