"""``python -m bridge_distill``."""

from bridge_distill.cli import main

if __name__ == "__main__":
    main()
