"""The portfolio book: the night as pages that open from disk, from the inbox or from any web server, and need nothing from elsewhere."""
