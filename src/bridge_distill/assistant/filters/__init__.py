"""One filter per file."""
