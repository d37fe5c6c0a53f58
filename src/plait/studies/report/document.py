"""The whole page: the first screen, then what stands behind it."""

from __future__ import annotations

from plait.studies.page.blocks import Document, Section

from .findings import Findings
from .first_screen import first_screen
from .lists_section import lists_section
from .metrics_sections import calibration_section, metrics_section, slices_section
from .rows_and_training import gates_section, rows_section, training_section

__all__ = ["document_of"]


def document_of(findings: Findings) -> Document:
    """The findings as sections, the most asked first."""
    return Document(
        f"plait report: {findings.run}",
        (
            first_screen(findings),
            lists_section(findings),
            metrics_section(findings),
            calibration_section(findings),
            slices_section(findings),
            rows_section(findings),
            training_section(findings),
            gates_section(findings),
            _about(findings),
        ),
    )


def _about(findings: Findings) -> Section:
    options = findings.options
    return Section(
        "about",
        "How the numbers were made",
        [
            "An AUC has DeLong's interval, which takes rows to be independent; where users have "
            "many rows each it is somewhat too narrow. Other metrics have a bootstrap interval "
            f"({options.num_resamples} resamples, seed {options.seed}) that draws whole users "
            "where the schema names one. Differences to baselines are paired: both are measured "
            "on the same rows, and the baselines read the same prepared features and are fitted "
            "on the training rows only. Boosted trees and the linear model are not tuned.",
            f"Numbers, slices and items of fewer than {options.least_rows} rows are not shown. "
            "Counts of whole parts are.",
        ],
    )
