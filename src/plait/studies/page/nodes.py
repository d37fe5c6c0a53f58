"""HTML and SVG elements whose text can hold anything: the serializer escapes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = ["node", "serialized"]

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def node(
    tag: str, attributes: Mapping[str, str | float] | None = None, *children: Element | str
) -> Element:
    """An element with its children; texts and attributes are taken as they are.

    Example:
        >>> serialized(node("p", {"class": "a"}, "1 < 2"))
        '<p class="a">1 &lt; 2</p>'
    """
    named = {name: _written(value) for name, value in (attributes or {}).items()}
    made = Element(tag, named)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + _clean(child)
        else:
            made.text = (made.text or "") + _clean(child)
    return made


def serialized(element: Element) -> str:
    """The element as HTML."""
    return ElementTree.tostring(element, encoding="unicode", method="html")


def _written(value: str | float) -> str:
    if isinstance(value, str):
        return _clean(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("�", text)
