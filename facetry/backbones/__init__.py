"""Models of every supported family behind one interface."""
