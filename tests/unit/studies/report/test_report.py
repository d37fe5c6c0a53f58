"""The whole report: what it says first, what it hides, and that nothing in it can run."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.unit.studies.runs import EVIL

from plait.errors import ConfigurationError, UnknownNameError
from plait.studies.gates import GateUse
from plait.studies.opened import OpenedRun
from plait.studies.page.blocks import Block, Notice, Section, Table, Tables
from plait.studies.page.html import html_of
from plait.studies.page.markdown import markdown_of
from plait.studies.report import Findings, Options, Report, write_report
from plait.studies.report.document import document_of
from plait.studies.report.findings import find


@pytest.fixture(scope="module")
def report(run_folder: Path) -> Report:
    return write_report(run_folder, options=Options(num_resamples=20))


@pytest.fixture(scope="module")
def findings(report: Report) -> Findings:
    return report.findings


def section(findings: Findings, key: str) -> Section:
    """The section of this anchor."""
    return next(found for found in document_of(findings).sections if found.key == key)


def words(section: Section) -> str:
    """Paragraphs and notices of a section."""

    def texts() -> Iterator[str]:
        for block in section.blocks:
            if isinstance(block, str):
                yield block
            elif isinstance(block, Notice):
                yield f"{block.text} {block.command}"

    return " ".join(texts()).replace("\N{NO-BREAK SPACE}", " ")


def tables(section: Section) -> list[Table]:
    """Tables of a section."""

    def of(block: Block) -> tuple[Table, ...]:
        if isinstance(block, Tables):
            return block.tables
        return (block,) if isinstance(block, Table) else ()

    return [table for block in section.blocks for table in of(block)]


class Tags(HTMLParser):
    """The tags of a page, their attributes, and their text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_first_screen_says_what_how_good_and_against_what(findings: Findings) -> None:
    told = words(section(findings, "summary"))
    assert "One MMoE network with Chain" in told
    assert "was trained on 960 rows" in told
    assert "judged on the 400 test rows from 1200 to 1599" in told
    assert "Compared with: constant and item mean." in told
    assert "Not run: linear model, boosted trees and single-task network." in told
    assert "does not say whether training the tasks together helped" in told
    names = "constant,item_mean,logistic,trees,single_task"
    assert f"plait report {shlex.quote(str(findings.folder))} --baselines {names}" in told


def test_the_first_screen_names_the_interaction_and_the_gates(findings: Findings) -> None:
    made = replace(findings, interaction="DCNv2", scaled_by=("ScenarioGate",), links=())
    assert "One MMoE network on DCNv2 with ScenarioGate (" in words(section(made, "summary"))


def test_where_single_networks_were_trained_it_says_whether_sharing_helped(
    run: OpenedRun,
) -> None:
    options = Options(baselines=("constant", "single_task"), num_resamples=10)
    told = words(section(find(run, options), "summary"))
    assert re.search(r"Training the tasks together .*, against the same network alone\.", told)
    assert "does not say whether" not in told


def test_judged_on_training_rows_a_report_warns(findings: Findings) -> None:
    (train,) = [part for part in findings.parts if part.part == "train"]
    told = words(section(replace(findings, judged_on="train", parts=(train,)), "summary"))
    assert "no rows that training did not see: these numbers are too good" in told


def test_nothing_user_made_becomes_markup(report: Report) -> None:
    html = report.html.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "run &lt;b&gt;one&lt;/b&gt;" in html
    read = Tags()
    read.feed(html)
    assert not {"script", "b", "iframe", "object", "embed", "link", "img"} & {
        t for t, _ in read.tags
    }
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    markdown = report.markdown.read_text(encoding="utf-8")
    assert EVIL not in markdown
    assert "&lt;script&gt;" in markdown


def test_the_html_refers_to_nothing_outside_itself(report: Report) -> None:
    html = report.html.read_text(encoding="utf-8")
    read = Tags()
    read.feed(html)
    for _, attributes in read.tags:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?:|//\w|url\(|@import", html)


def test_no_raw_id_of_a_person_is_shown(report: Report) -> None:
    for path in (report.html, report.markdown):
        assert not re.search(r"\b9000\d\d\b", path.read_text(encoding="utf-8"))
    assert not re.search(r"\b9000\d\d\b", json.dumps(report.to_json()))
    assert "Raw ids of persons are never listed: user." in words(section(report.findings, "slices"))


def test_slices_of_few_rows_are_hidden(findings: Findings, run: OpenedRun) -> None:
    values = {entry.value for entry in findings.slices if entry.column == EVIL}
    assert "phone" in values
    assert EVIL in values
    assert "rare" not in values
    assert findings.hidden_slices[EVIL] >= 1
    shown = find(run, Options(least_rows=1, baselines=(), num_resamples=2))
    assert "rare" in {entry.value for entry in shown.slices if entry.column == EVIL}


def test_a_metric_on_few_rows_says_that_it_is_not_shown(run: OpenedRun) -> None:
    found = find(run, Options(least_rows=390, baselines=(), num_resamples=2))
    assert found.metrics["click"]["auc"].is_known
    assert found.metrics["stars"]["rmse"].reason == "fewer than 390 rows: not shown"
    html = html_of(document_of(found))
    assert "fewer than 390 rows: not shown" in html


def test_every_metric_stands_in_a_table_with_its_rows(findings: Findings) -> None:
    found = {table.caption: table for table in tables(section(findings, "metrics"))}
    assert set(found) == {"click", "buy", "stars", "mood", "buy_given_click"}
    rows = {row[0]: row for row in found["click"].rows}
    assert rows["AUC"][2] == "400"
    assert len(rows) == len(findings.metrics["click"])


def test_the_rows_section_counts_parts_labels_nulls_and_notes(findings: Findings) -> None:
    parts, labels, nulls, *_ = tables(section(findings, "rows"))
    assert parts.rows[0] == ("rows", "960", "240", "400")
    train = next(part for part in findings.parts if part.part == "train")
    assert labels.rows[0][1].startswith(f"{train.positive['click']:,} of 960")
    assert [row[0] for row in nulls.rows] == ["age"]
    assert "below 1000 results are mostly noise" in words(section(findings, "rows"))


def test_curves_are_drawn_for_loss_and_score_of_every_task(findings: Findings) -> None:
    html = html_of(document_of(findings))
    for task in ("click", "buy", "stars", "mood"):
        assert f"{task}: training loss" in html
        assert f"{task}: validation score" in html


def test_a_run_without_an_evaluation_says_so(findings: Findings) -> None:
    assert "never evaluated" in words(section(replace(findings, evaluations=()), "training"))


def test_a_run_that_was_still_improving_is_told(findings: Findings) -> None:
    *before, last = findings.evaluations
    best = replace(last, is_best=True)
    improving = replace(findings, evaluations=(*before, best), stopped="all steps were run")
    assert "still getting better" in words(section(improving, "training"))
    early = replace(improving, stopped="no better mix within the patience")
    assert "still getting better" not in words(section(early, "training"))


def test_dead_experts_and_collapsed_gates_are_warned_of(findings: Findings) -> None:
    gates = (GateUse("", "click", {"expert 0": 0.99, "expert 1": 0.01}),)
    found = replace(findings, gates=gates, dead_experts=("expert 1",), collapsed_gates=("click",))
    told = words(section(found, "gates"))
    assert "Dead: expert 1." in told
    assert "One expert only: the gate of click" in told
    none = words(section(replace(findings, gates=()), "gates"))
    assert none == "MMoE has no gates over experts."


def test_the_product_manager_reads_sentences_first(findings: Findings) -> None:
    told = words(section(findings, "lists"))
    assert "The 50 requests with more than 5 judged rows are taken as lists" in told
    assert re.search(r"A list ordered by \w+ alone \w+ .* on click; ordered by all, it", told)
    captions = [table.caption for table in tables(section(findings, "lists"))]
    assert captions[0].startswith("Overlap@5")
    assert captions[-1] == "The list of user C"


def test_why_there_are_no_lists_is_said(findings: Findings) -> None:
    lists = replace(findings.lists, reason="There are no lists")
    told = words(section(replace(findings, lists=lists), "lists"))
    assert told == "There are no lists, so nothing can be said here."
    no_items = replace(findings, lists=replace(findings.lists, examples=()))
    assert "The schema names no item" in words(section(no_items, "lists"))


def test_html_and_markdown_say_the_same(report: Report) -> None:
    document = document_of(report.findings)
    markdown = markdown_of(document)
    assert markdown == report.markdown.read_text(encoding="utf-8")
    for found in document.sections:
        assert found.title.split(":")[0].replace("<b>", "&lt;b&gt;").split(" ")[0] in markdown
    assert "| constant | 0.500" in markdown


def test_the_same_seed_writes_the_same_files(run_folder: Path, report: Report) -> None:
    before = report.html.read_bytes(), report.markdown.read_bytes()
    again = write_report(run_folder, options=Options(num_resamples=20))
    assert (again.html.read_bytes(), again.markdown.read_bytes()) == before


def test_the_findings_are_json(report: Report) -> None:
    form = json.loads(json.dumps(report.to_json(), allow_nan=False))
    click = form["judgements"][0]
    assert click["output"] == "click"
    assert click["estimate"]["low"] < click["estimate"]["value"] < click["estimate"]["high"]
    assert form["not_run"] == ["logistic", "trees", "single_task"]
    assert form["options"]["least_rows"] == 20
    assert Path(form["html"]).exists()


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="`least_rows` must be at least 1, got 0"):
        Options(least_rows=0)
    with pytest.raises(ConfigurationError, match="`num_resamples` must lie between 2 and 100,000"):
        Options(num_resamples=1)
    with pytest.raises(UnknownNameError, match="no baseline 'forest'"):
        Options(baselines=("forest",))  # type: ignore[arg-type]


def test_one_table_holds_every_output_and_every_model(findings: Findings) -> None:
    (table,) = [t for t in tables(section(findings, "summary")) if "All outputs" in t.caption]
    models = ("this model", "item mean", "constant")
    assert table.columns == ("output", "metric", *models, "rows", "positive")
    for row, judgement in zip(table.rows, findings.judgements, strict=True):
        assert (row[0], row[5]) == (judgement.output, f"{judgement.n:,}")
        found = {c.baseline: c.estimate for c in judgement.comparisons}
        found["this model"] = judgement.estimate
        for name, cell in zip(models, row[2:5], strict=True):
            value = found[name].value
            assert cell == "–" if math.isnan(value) else float(cell) == pytest.approx(value, 0.005)
    directions = {row[0]: row[1].endswith("↓") for row in table.rows}
    assert directions == {j.output: not j.higher_is_better for j in findings.judgements}


def test_only_the_tasks_that_are_named_are_trained_alone(run: OpenedRun) -> None:
    options = Options(baselines=("constant", "single_task"), alone=("buy",), num_resamples=5)
    found = find(run, options)
    compared = {j.output: [c.baseline for c in j.comparisons] for j in found.judgements}
    assert compared["buy"] == ["constant", "single-task network"]
    assert compared["click"] == compared["stars"] == ["constant"]
    assert "single-task network. Trained alone: buy." in words(section(found, "summary"))
    with pytest.raises(UnknownNameError, match=r"There is no task 'by' in `alone`. Did you mean"):
        find(run, Options(alone=("by",)))


def test_a_run_that_is_only_called_run_is_named_by_the_folder_around_it(run: OpenedRun) -> None:
    options = Options(baselines=(), num_resamples=5)
    moved = replace(run, folder=run.folder.parent / "feed" / "run")
    assert find(moved, options).run == "feed"
    assert find(run, options).run == run.folder.name
