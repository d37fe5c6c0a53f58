"""Personal data and protected attributes: by the pattern of the values, and by name."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from .facts import Facts
from .guesses import Caution
from .words import USER, has

__all__ = ["find_personal", "find_protected"]

_SHARE = 0.5
_PATTERNS = {
    "e-mail addresses": r"^\s*[^@\s]+@[^@\s]+\.[A-Za-z]{2,}\s*$",
    "phone numbers": r"^\s*(\+\d[\d\s().-]{6,}\d|\(?0?\d{2,4}\)?[\s./-]\d{3,4}[\s.-]?\d{3,4})\s*$",
    "IP addresses": r"^\s*\d{1,3}(\.\d{1,3}){3}\s*$",
    "coordinates": r"^\s*[-+]?\d{1,2}\.\d{3,}\s*[,; ]\s*[-+]?\d{1,3}\.\d{3,}\s*$",
}
_DATE = r"^\s*\d{4}[-./]\d{1,2}[-./]\d{1,2}"
_BY_NAME = {
    "e-mail addresses": frozenset({"email", "mail"}),
    "phone numbers": frozenset({"phone", "mobile", "telephone", "tel", "msisdn", "cellphone"}),
    "postal addresses": frozenset({"address", "street", "addr", "postcode", "postal"}),
    "IP addresses": frozenset({"ip", "ipaddr"}),
    "numbers of documents": frozenset({"ssn", "passport", "iban", "idfa", "imei", "gaid"}),
}
_LATITUDE = frozenset({"lat", "latitude"})
_LONGITUDE = frozenset({"lon", "lng", "long", "longitude"})
_OF_PERSONS = frozenset(
    {"first", "last", "full", "sur", "family", "given", "nick", "real", "contact", *USER}
)
_NAMES = frozenset({"firstname", "lastname", "surname", "fullname", "username", "nickname"})
_PERSON = r"^\p{Lu}[\p{L}'.-]*(\s+\p{Lu}[\p{L}'.-]*){1,3}$"

_PROTECTED = {
    "sex or gender": frozenset({"sex", "gender"}),
    "age": frozenset({"age", "birth", "birthday", "birthdate", "dob"}),
    "race or ethnicity": frozenset({"race", "ethnicity", "ethnic", "hispanic", "hisp", "latino"}),
    "religion": frozenset({"religion", "religious"}),
    "marital status": frozenset({"marital"}),
    "nationality": frozenset({"nationality", "citizenship", "citizen"}),
    "disability or health": frozenset({"disability", "disabled", "health", "pregnant"}),
    "sexual orientation": frozenset({"orientation", "lgbt"}),
    "political opinion": frozenset({"political", "party"}),
    "membership of a trade union": frozenset({"union"}),
}


def find_personal(columns: Iterable[Facts]) -> list[Caution]:
    """Columns that seem to hold personal data, which a model needs not and should not read.

    Args:
        columns: every column that plays no role.
    """
    found = []
    for entry in columns:
        what = _by_pattern(entry) or _by_name(entry)
        if what is not None:
            told, share = what
            found.append(Caution("personal", (entry.name,), f"{told}, it seems", share))
    return found


def find_protected(columns: Iterable[Facts]) -> list[Caution]:
    """Attributes that the law protects in many places, as a person's age or sex, by name.

    Args:
        columns: every column that plays no role.
    """
    found = []
    for entry in columns:
        for what, words in _PROTECTED.items():
            if has(entry.words, words) and not entry.is_list:
                told = (
                    f"{what}: look at the metrics of each group before the model decides anything"
                )
                found.append(Caution("protected", (entry.name,), told))
                break
    return found


def _by_pattern(entry: Facts) -> tuple[str, dict[str, float]] | None:
    if not entry.is_text:
        return None
    texts = entry.values.cast(pl.String).drop_nulls().unique()
    if not texts.len():
        return None
    is_date = texts.str.contains(_DATE)
    for told, pattern in _PATTERNS.items():
        share = float((texts.str.contains(pattern) & ~is_date).mean() or 0.0)  # type: ignore[arg-type]
        if share >= _SHARE:
            return told, {"share": share}
    return None


def _by_name(entry: Facts) -> tuple[str, dict[str, float]] | None:
    words = entry.words
    is_wide = entry.distinct > 20
    for told, vocabulary in _BY_NAME.items():
        if has(words, vocabulary) and is_wide and (entry.is_text or _has_long_numbers(entry)):
            return told, {}
    if entry.dtype.is_float() and is_wide:
        low, high = entry.low or 0.0, entry.high or 0.0
        if has(words, _LATITUDE) and low >= -90 and high <= 90:
            return "coordinates", {}
        if has(words, _LONGITUDE) and low >= -180 and high <= 180:
            return "coordinates", {}
    if not entry.is_text or not is_wide:
        return None
    is_name = has(words, _NAMES) or ("name" in words and has(words, _OF_PERSONS))
    of_user = entry.table is not None and has([entry.table.rstrip("s").lower()], USER)
    if is_name or ("name" in words and of_user):
        return "names of people", {}
    if words == ("name",) and entry.table is None:
        share = float(entry.values.drop_nulls().cast(pl.String).str.contains(_PERSON).mean() or 0.0)  # type: ignore[arg-type]
        return ("names of people", {"share": share}) if share >= _SHARE else None
    return None


def _has_long_numbers(entry: Facts) -> bool:
    """Whether whole numbers have seven digits or more, as numbers of telephones and papers have."""
    return entry.dtype.is_integer() and float((entry.values >= 1_000_000).mean() or 0.0) >= _SHARE  # type: ignore[arg-type]
