"""The model card: what a model is, on what it was trained and how good it is, for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plait.data.schema import Schema
from plait.models import MultiTaskModel
from plait.tasks import Task


def model_card(model: MultiTaskModel, schema: Schema, facts: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tables = sum(parameter.numel() for parameter in model.table_parameters())
    lines = [
        "# Model card",
        "",
        f"A multi-task model made with plait: {type(model.architecture).__name__}"
        f"{_encoders(model)} over "
        f"{len(schema.features)} features, {len(model.tasks)} tasks, {parameters:,} parameters "
        f"({tables:,} of them in tables of vectors).",
        "",
        "## Outputs",
        "",
        "| output | kind | label | asked on |",
        "|---|---|---|---|",
        *(_task_row(task) for task in model.tasks.values()),
        *(
            f"| `{d.name}` | derived | `{d.task}` where `{d.within}` is 1 | every row |"
            for d in model.derived
        ),
        "",
        "## Inputs",
        "",
        *(
            f"- `{feature.name}` ({type(feature).kind}, column `{feature.source}`)"
            for feature in schema.features
        ),
        "",
        *_preference(model),
        *_method(facts.get("method", {})),
        *_metrics(facts.get("metrics", {}), facts.get("judged_on", "test")),
        *_parts(facts.get("parts", {})),
        "## Use",
        "",
        "```python",
        "import plait",
        "",
        'model = plait.load("this/folder")',
        'predictions = model.predict("rows.parquet")',
        "```",
        "",
    ]
    return "\n".join(lines)


def _encoders(model: MultiTaskModel) -> str:
    """Gates, what makes the features meet and what reads the sequences, where that was chosen."""
    gates = f" with {', '.join(type(gate).__name__ for gate in model.gates)}" if model.gates else ""
    met = f" on {type(model.interaction).__name__}" if model.interaction is not None else ""
    met = f"{gates}{met}"
    met += "".join(f" beside {type(term).__name__}" for term in model.term_list)
    if model.sequences is None:
        return met
    encoders = {name: model.sequences.encoder(name) for name in model.sequences.names}
    read = ", ".join(f"`{name}` by {type(encoder).__name__}" for name, encoder in encoders.items())
    return f"{met} ({read})" if read else met


def _preference(model: MultiTaskModel) -> list[str]:
    if model.preference_gates is None:
        return []
    worth = ", ".join(f'"{task}": 1' for task in model.tasks)
    return [
        "## Preference",
        "",
        "The model was trained for every preference between its tasks. Predictions belong to the "
        f"one that they are asked with, `model.predict(rows, preference={{{worth}}})`; without "
        "one, to equal shares, for which all figures below were taken.",
        "",
    ]


def _task_row(task: Task) -> str:
    asked = f"`{task.serves}`" if task.serves else "every row"
    return f"| `{task.name}` | {task.kind} | `{task.label_expression}` | {asked} |"


def _method(method: Mapping[str, Any]) -> list[str]:
    if not method:
        return []
    settings = {key: value for key, value in method.items() if key != "kind"}
    shown = "".join(f"\n- `{key}`: {_setting(value)}" for key, value in settings.items())
    with_settings = f", with\n{shown}" if shown else "."
    return ["## Training", "", f"The way to learn was `{method['kind']}`{with_settings}", ""]


def _setting(value: object) -> str:
    """A setting in a line: a part by its name or kind with its own settings behind it."""
    if not isinstance(value, Mapping):
        return f"{value}"
    named = value.get("name", value.get("kind"))
    inner = ", ".join(
        f"{key} {_setting(value[key])}" for key in value if key not in ("name", "kind")
    )
    if named is None:
        return inner or "none"
    return f"{named} ({inner})" if inner else f"{named}"


def _metrics(metrics: Mapping[str, Mapping[str, Mapping[str, Any]]], judged_on: str) -> list[str]:
    if not metrics:
        return []
    title = {"test": "Test", "valid": "Validation", "train": "Training"}[judged_on]
    lines = [f"## {title} metrics", "", "| output | metric | value | rows |", "|---|---|---|---|"]
    for task, values in metrics.items():
        for metric, value in values.items():
            number = value["value"]
            shown = f"{number:.5g}" if number is not None else f"not computable: {value['reason']}"
            lines.append(f"| `{task}` | {metric} | {shown} | {value['n']:,} |")
    return [*lines, ""]


def _parts(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not parts:
        return []
    lines = ["## Rows", "", "| part | rows | positives |", "|---|---|---|"]
    for part, facts in parts.items():
        positives = ", ".join(f"{task} {count:,}" for task, count in facts["positive"].items())
        lines.append(f"| {part} | {facts['rows']:,} | {positives} |")
    return [*lines, ""]
