"""Public data sets by name: what their columns mean, what is predicted, which rows test.

The catalogue holds names, lists of columns and terms. The data stay where you have them.
"""

from __future__ import annotations

from .entry import CatalogSet, Description, Entry
from .fetching import Download, download
from .finding import describe, fetch, load, names
from .saving import save_log
from .writing import to_toml

__all__ = [
    "CatalogSet",
    "Description",
    "Download",
    "Entry",
    "describe",
    "download",
    "fetch",
    "load",
    "names",
    "save_log",
    "to_toml",
]
