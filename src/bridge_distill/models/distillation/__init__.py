"""What a local model that one may look into teaches beyond its texts: its probabilities, token by token.

Two vocabularies meet in ``tokens``, two readings of a text in ``pairs``, two distributions in ``events`` and
``divergences``. ``stored`` learns from what the assistant thought of texts that exist (``grading``), ``live`` from what
it thinks of those that the student has just written.
"""
