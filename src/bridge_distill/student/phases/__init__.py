"""One curriculum phase per file."""
