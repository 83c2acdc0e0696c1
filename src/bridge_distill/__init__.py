"""Turn a budget of questions to an expensive expert model into a tiny model that you own."""

__version__ = "0.1.0"
