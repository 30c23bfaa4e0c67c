"""Experiments: what is learnt from what, found out by training, and told with its spread."""
