"""One signal per file: its definition, what it costs, and where it comes from."""
