"""The catalogue of what a model can be made of, made from the classes themselves."""

from __future__ import annotations

from .costs import Cost, Costs, cost_of, costs_for
from .entries import Entry, entries
from .page import catalogue_document, catalogue_json

__all__ = [
    "Cost",
    "Costs",
    "Entry",
    "catalogue_document",
    "catalogue_json",
    "cost_of",
    "costs_for",
    "entries",
]
