"""Package products: their terms as rows, the commands on them and their forms."""
