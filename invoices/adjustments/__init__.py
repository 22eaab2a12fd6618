"""Credits and charges by hand: proposed, approved by a second person where they are large, on a statement."""
