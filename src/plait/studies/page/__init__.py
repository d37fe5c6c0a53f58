"""Pages of words, tables and drawings, as offline HTML and as Markdown."""

from __future__ import annotations
