"""The tree of categories, and the attributes each of them has."""

from facetry.taxonomy.attribute import Attribute, AttributeKind
from facetry.taxonomy.labels import UnknownLabel, refuse_unknown, told, unknown_labels
from facetry.taxonomy.loading import TaxonomyKind, kind_of, load_taxonomy, read_taxonomy, read_text
from facetry.taxonomy.path import SEPARATOR
from facetry.taxonomy.tree import Category, Taxonomy
from facetry.taxonomy.yaml_loader import load_yaml
from facetry.taxonomy.yaml_writer import as_yaml

__all__ = [
    "SEPARATOR",
    "Attribute",
    "AttributeKind",
    "Category",
    "Taxonomy",
    "TaxonomyKind",
    "UnknownLabel",
    "as_yaml",
    "kind_of",
    "load_taxonomy",
    "load_yaml",
    "read_taxonomy",
    "read_text",
    "refuse_unknown",
    "told",
    "unknown_labels",
]
