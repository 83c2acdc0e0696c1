"""Stages, records and resuming. Knows nothing of the flow."""
