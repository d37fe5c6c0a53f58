"""The sets by name, and their files in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

import polars as pl

from plait.data.joins import Table
from plait.data.reading import Source
from plait.errors import DataError, UnknownNameError

from .ali_ccp import ALI_CCP
from .ali_ccp_fields import ALI_CCP_RAW, ALI_CCP_SLOTS
from .aliexpress import ALIEXPRESS
from .anime import ANIME, ANIME_STRICT
from .byterec import BYTEREC
from .census_income import CENSUS_1, CENSUS_2
from .entry import CatalogSet, Description, Entry
from .fetching import Download, download
from .hillstrom import HILLSTROM
from .ifood_campaigns import IFOOD
from .kuairand import KUAIRAND
from .ml100k import ML100K, ML100K_TIME
from .open_bandit import OPEN_BANDIT, OPEN_BANDIT_CAMPAIGNS
from .steam200k import STEAM200K
from .taobao_cart_buy import TAOBAO
from .uci_restaurants import UCI_RESTAURANTS

__all__ = ["describe", "fetch", "load", "names"]

_ENTRIES: tuple[Entry, ...] = (
    CENSUS_1,
    CENSUS_2,
    ML100K,
    ML100K_TIME,
    ANIME,
    ANIME_STRICT,
    STEAM200K,
    HILLSTROM,
    OPEN_BANDIT,
    *OPEN_BANDIT_CAMPAIGNS,
    IFOOD,
    UCI_RESTAURANTS,
    TAOBAO,
    KUAIRAND,
    ALIEXPRESS,
    ALI_CCP,
    ALI_CCP_SLOTS,
    ALI_CCP_RAW,
    BYTEREC,
)


def names() -> tuple[str, ...]:
    """The sets that the catalogue knows; a set with several choices of tasks has several names."""
    return tuple(entry.name for entry in _ENTRIES)


def describe(name: str) -> Entry:
    """What is known of a set without its files.

    Raises:
        UnknownNameError: no set has this name; with the nearest one.

    Example:
        >>> [task.name for task in describe("hillstrom").tasks]
        ['visit', 'conversion', 'spend']
    """
    for entry in _ENTRIES:
        if entry.name == name:
            return entry
    raise UnknownNameError(name, what="data set", known=names(), where="the catalogue")


def load(name: str, folder: str | Path) -> CatalogSet:
    """Find the files of a set and say how to train on them.

    A log that is a table as it was published is not read here. Others become a lazy frame; their
    lines may be checked for it.

    Args:
        name: of the set.
        folder: the folder of the set's files, or one of data sets, in which the set has its own.

    Raises:
        UnknownNameError: no set has this name.
        DataError: files are missing, or are not what was published.
    """
    entry = describe(name)
    place = _place(entry, Path(folder))
    shared = {field.name: getattr(entry, field.name) for field in fields(Description)}
    return CatalogSet(**shared, log=_log(entry, place), tables=tuple(_tables(entry, place)))


def fetch(name: str, folder: str | Path, *, downloads: Iterable[Download] | None = None) -> Path:
    """Download the files of a set, each checked by its SHA-256.

    The catalogue itself lists an address only where the publisher's terms allow passing the set on
    and the address is known to keep its content; at present that is no set. `downloads` names a
    mirror of your own.

    Args:
        name: of the set.
        folder: a folder of data sets; the files go to the set's folder in it.
        downloads: the files. None: those that the catalogue lists.

    Returns:
        The set's folder.

    Raises:
        UnknownNameError: no set has this name.
        DataError: there is nothing to download, an address cannot be reached, or what came is not
            what was promised.
    """
    entry = describe(name)
    wanted = entry.downloads if downloads is None else tuple(downloads)
    place = Path(folder) / entry.folder
    if not wanted:
        raise DataError(
            f"The catalogue has no download for {name!r}. Terms: {entry.terms}. Get its files from "
            f"{entry.source}, put them into {place} ({', '.join(entry.files)}), or name a mirror "
            "in `downloads`."
        )
    for file in wanted:
        download(file, place)
    return place


def _place(entry: Entry, folder: Path) -> Path:
    """The folder with the set's files: of that name in the folder that was given, or that one."""
    missing = {place: _missing(entry, place) for place in (folder / entry.folder, folder)}
    for place, files in missing.items():
        if not files:
            return place
    place = folder / entry.folder if (folder / entry.folder).is_dir() else folder
    there = sorted(path.name for path in place.iterdir())[:10] if place.is_dir() else []
    holds = f"it holds {', '.join(there) or 'nothing'}" if place.is_dir() else "there is none"
    raise DataError(
        f"The set {entry.name!r} needs {', '.join(missing[place])} in {place}, but {holds}. Get it "
        f"from {entry.source} ({entry.terms}), and name the folder of its files, or one that holds "
        f"them as {entry.folder!r}."
    )


def _missing(entry: Entry, place: Path) -> list[str]:
    return [file for file in entry.files if not any(place.glob(file))]


def _log(entry: Entry, place: Path) -> Source:
    if entry.read is None:
        return place / entry.log
    frame = entry.read(place)
    try:
        frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"The files of {entry.name!r} in {place} are not as they were published: "
            f"{str(error).splitlines()[0]}."
        ) from error
    return frame


def _tables(entry: Entry, place: Path) -> Iterable[Table]:
    for table in entry.tables:
        yield replace(table, source=place / str(table.source))
