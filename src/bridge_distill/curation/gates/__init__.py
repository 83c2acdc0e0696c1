"""One gate per file."""
