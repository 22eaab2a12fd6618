"""Everything that a customer reads is there in every language of the site."""
