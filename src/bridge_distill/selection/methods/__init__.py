"""One selection method per file."""
