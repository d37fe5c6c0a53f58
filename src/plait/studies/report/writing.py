"""From a run's folder to `report.html` and `report.md` in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plait.architectures import Architecture, Link
from plait.studies.opened import open_run
from plait.studies.page.html import html_of
from plait.studies.page.markdown import markdown_of

from .document import document_of
from .findings import Findings, Options, find, to_json

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Stability: experimental.

    Attributes:
        html: the file for a browser.
        markdown: the same for a reader of text.
        findings: what both say, as data.
    """

    html: Path
    markdown: Path
    findings: Findings

    def to_json(self) -> dict[str, Any]:
        """The findings and the files as plain data; nan as null, with its reason."""
        files = {"html": str(self.html), "markdown": str(self.markdown)}
        return {**files, **to_json(self.findings)}


def write_report(
    run: str | Path,
    *,
    options: Options | None = None,
    cache: str | Path | None = None,
    architectures: Sequence[type[Architecture]] = (),
    links: Sequence[type[Link]] = (),
) -> Report:
    """Write the report on a finished run into its folder.

    Stability: experimental.

    Args:
        run: the run's folder.
        options: baselines, least rows, seed.
        cache: the folder of prepared logs, where the run was trained with one.
        architectures: your own classes, where the model was trained with one.
        links: your own links.

    Raises:
        ArtifactError: the run is not finished, a file is damaged, or its prepared rows are gone.
    """
    opened = open_run(run, cache=cache, architectures=architectures, links=links)
    findings = find(opened, options or Options())
    document = document_of(findings)
    html, markdown = opened.folder / "report.html", opened.folder / "report.md"
    for path, text in ((html, html_of(document)), (markdown, markdown_of(document))):
        beside = path.with_name(f".{path.name}.writing")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    return Report(html, markdown, findings)
