"""The YAML file that describes a web source: which pages it has, and where on a page each field of a listing is."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar

import regex
import yaml
from lxml import etree
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, field_validator, model_validator

from facetry.config import check_fields
from facetry.errors import SourceError
from facetry.validation import explain

Pattern = regex.Pattern[str]
Model = TypeVar("Model", bound=BaseModel)


def compile_xpath(expression: object) -> etree.XPath:
    """The XPath in `expression`, tried on an empty page so that an unknown function is found before any is read."""
    if not isinstance(expression, str):
        raise ValueError("must be an XPath, as //h1")
    try:
        compiled = etree.XPath(expression, smart_strings=False)
        compiled(etree.Element("html"))
    except etree.XPathError as error:
        raise ValueError(f"'{expression}' is no XPath: {error}") from error
    return compiled


def compile_regex(expression: object) -> Pattern:
    if not isinstance(expression, str):
        raise ValueError("must be a regular expression")
    try:
        return regex.compile(expression)
    except regex.error as error:
        raise ValueError(f"'{expression}' is no regular expression: {error}") from error


XPathOption = Annotated[etree.XPath, PlainValidator(compile_xpath)] | None
RegexOption = Annotated[Pattern, PlainValidator(compile_regex)] | None


class DescriptionPart(BaseModel):
    """The base of every part of the file: immutable and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class PageSource(DescriptionPart):
    """The pages: addresses in a file beside this one, those of a sitemap, or both; of them those that `match`."""

    page_list: str | None = Field(default=None, alias="list", min_length=1)
    sitemap: str | None = Field(default=None, pattern="^https?://")
    match: RegexOption = None

    @model_validator(mode="after")
    def _some_pages(self) -> Self:
        if self.page_list is None and self.sitemap is None:
            raise ValueError("must have list or sitemap")
        return self


class FieldSource(DescriptionPart):
    """Where a field's value is: one of the four, of which `regex` may take a part."""

    address: Literal["url"] | None = Field(default=None, alias="from")
    xpath: XPathOption = None
    json_ld: str | None = Field(default=None, pattern=r"^[^.\s]+(\.[^.\s]+)*$")
    constant: str | None = None
    regex: RegexOption = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [value for value in (self.address, self.xpath, self.json_ld, self.constant) if value is not None]
        if len(given) != 1:
            raise ValueError("must have exactly one of from, xpath, json_ld and constant")
        if self.constant is not None and self.regex is not None:
            raise ValueError("constant takes no regex")
        return self


class WebDescription(DescriptionPart):
    """All of the file. A listing whose `id` is not described is called by its address."""

    pages: PageSource
    fields: Mapping[str, FieldSource]

    @field_validator("fields")
    @classmethod
    def _fields_make_a_listing(cls, fields: Mapping[str, FieldSource]) -> Mapping[str, FieldSource]:
        check_fields(fields)
        return fields


def parse_description(text: str, *, origin: str) -> WebDescription:
    """The description in `text`; a `SourceError` names everything that is wrong with it, and `origin`."""
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceError(f"{origin} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise SourceError(f"{origin} must map pages and fields to what they are")
    try:
        return WebDescription.model_validate(tree)
    except ValidationError as error:
        raise SourceError(explain(error, origin=origin, model=WebDescription)) from error
