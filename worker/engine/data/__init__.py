"""Images and the order in which they are seen."""
