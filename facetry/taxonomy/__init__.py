"""The tree of categories, and the attributes each of them has."""

from facetry.taxonomy.tree import SEPARATOR, Attribute, Category, Taxonomy
from facetry.taxonomy.yaml_loader import load_yaml, read_yaml

__all__ = ["SEPARATOR", "Attribute", "Category", "Taxonomy", "load_yaml", "read_yaml"]
