"""The command line: parse, call one function, print, exit code."""

from facetry.cli.app import main

__all__ = ["main"]
