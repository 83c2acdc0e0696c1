"""One order of examples per file."""
