"""The fields of a listing, taken out of an HTML page."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urljoin

import regex
from lxml import etree, html

from facetry.ingest.cells import json_list
from facetry.ingest.web.description import FieldSource
from facetry.ingest.web.fetcher import Document

LIST_FIELDS = ("images", "candidates")
REGEX_SECONDS = 2.0
CHARSET_HEAD_BYTES = 4096
SCRIPT_LIST = re.compile(r"""\[\s*+(?:(?:'[^'\\]*+'|"[^"\\]*+")\s*+,?\s*+)*+\]""")
SCRIPT_TEXT = re.compile(r"""'([^']*)'|"([^"]*)\"""")
JSON_LD_SCRIPTS = etree.XPath("//script[@type='application/ld+json']/text()", smart_strings=False)
BASE = etree.XPath("string(//base/@href)", smart_strings=False)


class PageError(Exception):
    """One page holds no listing that can be read; the others may."""


def read_cells(document: Document, *, fields: Mapping[str, FieldSource], url: str) -> dict[str, object]:
    """The value of each field that the page has one for: a list of texts for images and candidates, else a text.

    `url` is the address that the page list has; images become absolute addresses.
    """
    page = _Page(document, url=url)
    cells: dict[str, object] = {}
    for field, source in fields.items():
        try:
            values = page.values(source, listed=field in LIST_FIELDS)
        except (PageError, TimeoutError, RecursionError, etree.XPathError) as error:
            reason = f"its regex takes longer than {REGEX_SECONDS:g} s" if isinstance(error, TimeoutError) else error
            raise PageError(f"{field}: {reason}") from error
        if field == "images":
            cells[field] = list(dict.fromkeys(page.absolute(value) for value in values))
        elif values:
            cells[field] = values if field in LIST_FIELDS else " ".join(values[0].split())
    return cells


class _Page:
    def __init__(self, document: Document, *, url: str) -> None:
        self._url = url
        self._root = _parse(document)
        base = BASE(self._root)
        assert isinstance(base, str), "string() makes one"
        self._base = _joined(document.url, base)
        self._product: object = None
        self._product_sought = False

    def absolute(self, address: str) -> str:
        """Where an address leads from the page; a list that could not be read is none, and stays as it is."""
        if address.startswith("["):
            return address
        return _joined(self._base, address)

    def values(self, source: FieldSource, *, listed: bool) -> list[str]:
        """The texts at `source` that are not blank; JSON lists among them are taken apart if `listed`."""
        texts = list(self._texts(source))
        if source.regex is not None:
            matches = (match for text in texts for match in source.regex.finditer(text, timeout=REGEX_SECONDS))
            texts = [_matched_text(match) for match in matches]
        if listed:
            texts = [item for text in texts for item in _items(text)]
        return [text.strip() for text in texts if text.strip()]

    def _texts(self, source: FieldSource) -> Iterator[str]:
        if source.constant is not None:
            yield source.constant
        elif source.xpath is not None:
            yield from _found_texts(source.xpath(self._root))
        elif source.json_ld is not None:
            yield from _json_texts(self._json_ld_product(), keys=source.json_ld.split("."))
        else:
            yield self._url

    def _json_ld_product(self) -> object:
        if not self._product_sought:
            self._product = next(_json_ld_products(self._root), None)
            self._product_sought = True
        return self._product


def _parse(document: Document) -> html.HtmlElement:
    for encoding in _encodings(document):
        try:
            parser = html.HTMLParser(encoding=encoding, no_network=True)
            root = html.document_fromstring(document.body, parser=parser)
        except LookupError:
            continue
        except (etree.ParserError, etree.XMLSyntaxError) as error:
            raise PageError("is not an HTML page") from error
        return root
    raise AssertionError("the parser's own guess is always there")


def _encodings(document: Document) -> Iterator[str | None]:
    """The header's charset, if the parser knows it; else what the page says of itself, else UTF-8 if it fits."""
    if document.charset is not None:
        yield document.charset
    if b"charset" not in document.body[:CHARSET_HEAD_BYTES].lower():
        try:
            document.body.decode("utf-8")
            yield "utf-8"
        except UnicodeDecodeError:
            pass
    yield None


def _found_texts(found: object) -> Iterator[str]:
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, html.HtmlElement):
            yield str(item.text_content())
        elif isinstance(item, float):
            yield f"{item:g}"
        elif isinstance(item, str):
            yield item


def _matched_text(match: regex.Match[str]) -> str:
    """The first group that took part in the match, or all of it when the regex has no groups."""
    groups = match.groups() or (match[0],)
    return next((text for text in groups if text is not None), "")


def _items(text: str) -> Sequence[str]:
    """The texts in a list of JSON, or of JavaScript without escapes; what is no such list is one item."""
    if SCRIPT_LIST.fullmatch(text.strip()):
        return [single or double for single, double in SCRIPT_TEXT.findall(text)]
    listed = json_list(text)
    return [text] if listed is None else listed


def _json_ld_products(root: html.HtmlElement) -> Iterator[object]:
    """Every object of type Product in the page's JSON-LD, in its order; broken scripts are passed over."""
    scripts = JSON_LD_SCRIPTS(root)
    assert isinstance(scripts, list), "a path makes one"
    for script in scripts:
        try:
            waiting: list[object] = [json.loads(str(script))]
        except (ValueError, RecursionError):
            continue
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict) and "Product" in _types(node):
                yield node
            if isinstance(node, (dict, list)):
                waiting.extend(reversed(list(node.values() if isinstance(node, dict) else node)))


def _types(node: Mapping[str, object]) -> set[str]:
    types = node.get("@type")
    return {str(each).rpartition("/")[2] for each in (types if isinstance(types, list) else [types])}


def _json_texts(node: object, *, keys: Sequence[str]) -> Iterator[str]:
    """The texts and numbers at a path of keys, in every item of the lists on the way; an image object is its URL."""
    if isinstance(node, list):
        for item in node:
            yield from _json_texts(item, keys=keys)
    elif keys:
        if isinstance(node, dict):
            yield from _json_texts(node.get(keys[0]), keys=keys[1:])
    elif isinstance(node, dict):
        address = node.get("url") or node.get("contentUrl")
        if isinstance(address, str):
            yield address
    elif isinstance(node, (str, int, float)) and not isinstance(node, bool):
        yield str(node)


def _joined(base: str, address: str) -> str:
    """`address` seen from `base`; as it is when it is malformed, so that fetching it says so."""
    try:
        return urljoin(base, address.strip())
    except ValueError:
        return address
