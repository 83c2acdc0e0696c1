"""One way to place questions in space per file; heavy ones load when they are first used."""
