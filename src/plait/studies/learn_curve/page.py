"""A learning curve as a page: the verdict first, then a plot and a table for each task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from plait.studies.page.blocks import Block, Document, Figure, Figures, Notice, Section, Table
from plait.studies.page.curves import Curve, CurvePoint, curve_chart
from plait.studies.page.numbers import count, joined, number, percent, signed
from plait.studies.report.wording import PARTS_IN_WORDS, metric_title

from .families import FAMILIES, SUPERVISED, Family
from .gains import CurveTask, Gain
from .result import LearnCurve

__all__ = ["learn_curve_document"]

CALIBRATION = "pcoc"


def learn_curve_document(curve: LearnCurve) -> Document:
    """The study as sections, the most asked first."""
    hidden = [task for task in curve.tasks if task.is_hidden]
    others = [task for task in curve.tasks if not task.is_hidden]
    sections = [
        _overview(curve),
        *(_task(curve, task, place) for place, task in enumerate(hidden)),
        _calibration(curve, hidden),
        _others(curve, others),
        _refused(curve),
        _about(curve),
    ]
    return Document(
        f"plait learn-curve: {curve.name}", tuple(section for section in sections if section)
    )


def _overview(curve: LearnCurve) -> Section:
    settings = curve.settings
    what = "all tasks" if settings.task is None else repr(settings.task)
    train, judged = curve.rows
    turned = joined([percent(flip) for flip in settings.flips])
    facts = (
        f"Labels of {what} were hidden on the {count(train)} training rows, so that "
        f"{joined([percent(share) for share in settings.shares])} were left, of which {turned} "
        f"(of yes or no) were turned round. {joined(_titles(curve))} learnt from each, with "
        f"{settings.seeds} seed{'s' if settings.seeds != 1 else ''}. They are judged on "
        f"{count(judged)} {PARTS_IN_WORDS[settings.on]} rows, which kept all of their labels."
    )
    notices = [Notice(note) for note in curve.notes]
    blocks: list[Block] = [*curve.verdict, facts, *notices]
    return Section("verdict", f"Which way to learn would help: {curve.name}", blocks)


def _task(curve: LearnCurve, task: CurveTask, place: int) -> Section:
    blocks: list[Block] = []
    for flip in curve.settings.flips:
        name = _named(flip)
        blocks.append(Figures((_gain_figure(curve, task, flip), _level_figure(curve, task, flip))))
        blocks.append(_gains(curve, task, flip, f"{task.name}, {name}: better than supervised by"))
    return Section(f"task-{place}", f"{task.name}: {metric_title(task.metric)}", blocks)


def _gain_figure(curve: LearnCurve, task: CurveTask, flip: float) -> Figure:
    shares = curve.settings.shares
    curves = [
        Curve(
            FAMILIES[family],
            [
                CurvePoint(found.value, found.low, found.high)
                for share in shares
                for found in [curve.gain(task.name, share, flip, family).estimate]
            ],
            colour,
        )
        for colour, family in enumerate(curve.settings.families)
        if family != SUPERVISED
    ]
    title = f"Gain over supervised, {_named(flip)}"
    metric = metric_title(task.metric)
    return Figure(
        title=title,
        drawing=curve_chart(
            curves,
            [_plain_percent(share) for share in shares],
            title=f"{task.name}: {title}",
            axes=("labels left", f"{metric} better by"),
            zero=True,
        ),
        caption="Means over the seeds with 95 % intervals. A bar wholly above the dashed line "
        "shows a gain.",
        table=_gains(curve, task, flip, f"{title}: {task.name}"),
    )


def _level_figure(curve: LearnCurve, task: CurveTask, flip: float) -> Figure:
    shares = curve.settings.shares
    families = curve.settings.families
    values = {
        family: [curve.level(task.name, share, flip, family).estimate.value for share in shares]
        for family in families
    }
    title = f"{metric_title(task.metric)}, {_named(flip)}"
    better = "higher" if task.higher_is_better else "lower"
    return Figure(
        title=title,
        drawing=curve_chart(
            [
                Curve(FAMILIES[family], [CurvePoint(value) for value in values[family]], colour)
                for colour, family in enumerate(families)
            ],
            [_plain_percent(share) for share in shares],
            title=f"{task.name}: {title}",
            axes=("labels left", metric_title(task.metric)),
        ),
        caption=f"Means over the seeds; {better} is better.",
        table=Table(
            f"{title}: {task.name}",
            ("labels left", *(FAMILIES[family] for family in families)),
            tuple(
                (percent(share), *(number(values[family][place]) for family in families))
                for place, share in enumerate(shares)
            ),
        ),
    )


def _gains(curve: LearnCurve, task: CurveTask, flip: float, caption: str) -> Table:
    families = [family for family in curve.settings.families if family != SUPERVISED]
    rows = []
    for share in curve.settings.shares:
        level = curve.level(task.name, share, flip, SUPERVISED).estimate.value
        gains = [curve.gain(task.name, share, flip, family) for family in families]
        rows.append(
            (
                percent(share),
                _labels(curve, task, share, flip),
                number(level),
                *map(_gain_text, gains),
            )
        )
    head = ("labels left", "labels (above 0)", f"supervised {metric_title(task.metric)}")
    return Table(caption, (*head, *(FAMILIES[family] for family in families)), tuple(rows))


def _labels(curve: LearnCurve, task: CurveTask, share: float, flip: float) -> str:
    """Mean number of training labels and of positive ones."""
    found = [cell.labels.get(task.name) for cell in curve.cells_of(share, flip, SUPERVISED)]
    known = [labels for labels in found if labels]
    if not known:
        return ""
    means = [round(sum(f[what] for f in known) / len(known)) for what in ("observed", "positives")]
    return f"{count(means[0])} ({count(means[1])})"


def _gain_text(gain: Gain) -> str:
    found = gain.estimate
    if math.isnan(found.value):
        return "–"
    if math.isnan(found.low):
        return signed(found.value)
    arrow = " ↑" if gain.helps else " ↓" if gain.hurts else ""
    return f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)}){arrow}"


def _calibration(curve: LearnCurve, hidden: Sequence[CurveTask]) -> Section | None:
    tables = list(_calibration_tables(curve, hidden))
    if not tables:
        return None
    told = (
        "Predicted over actual total; 1 is right. Wrong labels hardly change an order of rows, and "
        "they do change probabilities: look here before you bid or add up predictions."
    )
    return Section("calibration", "Are the probabilities right?", [told, *tables])


def _calibration_tables(curve: LearnCurve, hidden: Sequence[CurveTask]) -> Iterator[Table]:
    families = curve.settings.families
    for task in hidden:
        if task.kind != "binary":
            continue
        for flip in curve.settings.flips:
            yield Table(
                f"{task.name}, {_named(flip)}: predicted over actual total",
                ("labels left", *(FAMILIES[family] for family in families)),
                tuple(
                    (
                        percent(share),
                        *(_mean(curve, task, (share, flip), family) for family in families),
                    )
                    for share in curve.settings.shares
                ),
            )


def _mean(curve: LearnCurve, task: CurveTask, setting: tuple[float, float], family: Family) -> str:
    cells = curve.cells_of(*setting, family)
    return number(sum(cell.value(task.name, CALIBRATION) for cell in cells) / len(cells))


def _others(curve: LearnCurve, others: Sequence[CurveTask]) -> Section | None:
    if not others:
        return None
    tables = [
        _gains(
            curve,
            task,
            flip,
            f"{task.name} ({metric_title(task.metric)}), {_named(flip)} in {curve.settings.task}: "
            "better than supervised by",
        )
        for task in others
        for flip in curve.settings.flips
    ]
    told = f"They kept all of their labels; only those of {curve.settings.task} were hidden."
    return Section("others", "The other tasks", [told, *tables])


def _refused(curve: LearnCurve) -> Section | None:
    reasons: dict[tuple[str, str], list[str]] = {}
    for cell in curve.cells:
        if cell.reason and cell.place.seed == 0:
            where = percent(cell.place.share)
            found = reasons.setdefault((FAMILIES[cell.place.family], cell.reason), [])
            if where not in found:
                found.append(where)
    if not reasons:
        return None
    rows = tuple((name, joined(where), reason) for (name, reason), where in reasons.items())
    table = Table("Not possible here", ("way to learn", "labels left", "why"), rows, texts=(1, 2))
    return Section("refused", "What could not be tried", [table])


def _about(curve: LearnCurve) -> Section:
    on = PARTS_IN_WORDS[curve.settings.on]
    compared = len([gain for gain in curve.gains if not math.isnan(gain.estimate.low)])
    blocks: list[Block] = [
        "Hidden rows and turned labels are drawn by the seed, the same for every way to learn. A "
        "row that keeps its labels at one share keeps them at every larger one. A row that lost "
        "its labels goes on as a row without labels, from which soft labels and hybrid learn.",
        "A gain is the difference to supervised learning on the same labels with the same seed. "
        "Its interval is Student's over the seeds: it covers which labels are left, weights and "
        "the order of rows. It does not cover that other rows might have judged.",
        f"An interval above 0 comes by chance in 1 of 40 comparisons; this page makes {compared}. "
        "Trust a gain that shows at several shares more than one that stands alone.",
    ]
    if curve.settings.on == "valid":
        blocks.append(
            "The validation rows also chose when each training stopped, and they calibrated the "
            "teachers of soft labels. That flatters all figures a little, and not all alike: "
            "confirm on the test rows (--on test) before you decide."
        )
    blocks.append(
        "Validation and test rows keep all their labels, also where 1 % of the training labels are "
        f"left. In a world with so few labels the {on} rows would have few as well, and stopping "
        "at the right moment would be harder than here."
    )
    return Section("about", "How the numbers were made", blocks)


def _named(flip: float) -> str:
    return f"{percent(flip)} of the labels turned round" if flip else "labels as they are"


def _plain_percent(share: float) -> str:
    return f"{100 * share:g} %"


def _titles(curve: LearnCurve) -> list[str]:
    first, *others = [FAMILIES[family] for family in curve.settings.families]
    return [f"{first[0].upper()}{first[1:]} learning", *others]
