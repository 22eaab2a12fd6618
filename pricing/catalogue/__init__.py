"""What is on sale now: the price page, its calculator and the catalogue API."""
