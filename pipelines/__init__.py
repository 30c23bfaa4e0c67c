"""The graphs of components, and how they are compiled and run."""
