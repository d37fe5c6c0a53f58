"""The kinds of task: frozen records of what is predicted, and on which rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from plait.errors import TaskError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Task:
    """What every kind of task has in common. Use one of the kinds below.

    Stability: stable.

    Attributes:
        name: how predictions, metrics and columns of the output are called.
        label: expression that gives the label, `name` itself where left out. A null is *missing*.
        space: expression for the rows on which the label is defined (`click == 1` for a
            conversion that can only follow a click). None: every row.
        serves: expression for the rows on which the prediction will be asked. None: every row.
        observed: expression for the rows on which the label was seen, over and above "not null".
        weight: expression for the weight of a row in this task's loss. None: 1.
        role: an `auxiliary` task is trained but takes no part in stopping or in the choice of a
            checkpoint.
        parents: tasks whose label must be positive where this one is. Violations are counted.
        min_positives: fewer positives than this in the training rows are said in a warning.
        normaliser: what the sum of row losses is divided by: `observed`, the weight of the
            observed rows in the batch; `expected`, the share of observed rows in the training set
            times the batch size; `batch`, the batch size. `auto` takes `expected` where fewer than
            32 observed rows are to be expected in a batch, else `observed`, and multiplies by the
            task's observed rows over those of the task with most: a row counts alike in all.
        include: features that this task may read; None: all.
        hide: features that this task may not read. Features hidden from some task leave the
            shared network and go straight to the towers of the tasks that may read them.
        tower: widths of the hidden layers between the shared network and the head; None: the
            model's default.
        learning_rate_multiplier: factor on the learning rate of this task's tower and head.
    """

    kind: ClassVar[str]

    name: str
    _: KW_ONLY
    label: str | None = None
    space: str | None = None
    serves: str | None = None
    observed: str | None = None
    weight: str | None = None
    role: Literal["target", "auxiliary"] = "target"
    parents: tuple[str, ...] = ()
    min_positives: int = 100
    normaliser: Literal["auto", "observed", "expected", "batch"] = "auto"
    include: tuple[str, ...] | None = None
    hide: tuple[str, ...] = ()
    tower: tuple[int, ...] | None = None
    learning_rate_multiplier: float = 1.0

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise TaskError(f"Task {self.name!r}: " + "; ".join(problems) + ".")

    @property
    def label_expression(self) -> str:
        """The expression of the label: `label`, or the task's name where it was left out."""
        return self.name if self.label is None else self.label

    def extras(self) -> dict[str, str]:
        """Further columns that the head reads, as name -> expression (the duration of a video)."""
        return {}

    def serving_extras(self) -> dict[str, str]:
        """Those of `extras` that a prediction needs too."""
        return self.extras()

    def _problems(self) -> Iterable[str]:
        if not _NAME.fullmatch(self.name):
            yield "`name` must be letters, digits and underscores, not starting with a digit"
        if self.role not in ("target", "auxiliary"):
            yield f"`role` is 'target' or 'auxiliary', got {self.role!r}"
        if self.normaliser not in ("auto", "observed", "expected", "batch"):
            yield (
                "`normaliser` is 'auto', 'observed', 'expected' or 'batch', "
                f"got {self.normaliser!r}"
            )
        if self.name in self.parents:
            yield "`parents` holds the task itself"
        if self.min_positives < 0:
            yield f"`min_positives` must not be negative, got {self.min_positives}"
        if not self.learning_rate_multiplier > 0:
            yield (
                f"`learning_rate_multiplier` must be positive, got {self.learning_rate_multiplier}"
            )
        if self.include is not None and set(self.include) & set(self.hide):
            yield f"both included and hidden: {sorted(set(self.include) & set(self.hide))}"
        if self.tower is not None and any(width < 1 for width in self.tower):
            yield f"`tower` widths must be positive, got {self.tower}"


@dataclass(frozen=True)
class Binary(Task):
    """A yes or no: click, like, purchase.

    Example:
        >>> Binary("like", label="rating >= 4").label_expression
        'rating >= 4'

    Attributes:
        positive_weight: weight of a positive row relative to a negative one. Predictions are
            corrected for it: the log odds get `-log(positive_weight)`.
        focal_gamma: exponent of the focal loss (Lin et al., 2017); predictions are brought back to
            probabilities in closed form (Charoenphakdee et al., 2021). None: cross-entropy.
        trials: expression for the number of tries that a row stands for. The label then counts
            the successes among them (clicks among impressions).
        propensity: expression for the chance of a yes where something outside the model knows it: a
            lot that was drawn, a policy that logged it. `ESCM2` and `DCMT` weigh the rows of what
            follows by it, in place of the model's own prediction. Nothing else reads it.
    """

    kind: ClassVar[str] = "binary"

    _: KW_ONLY
    positive_weight: float | None = None
    focal_gamma: float | None = None
    trials: str | None = None
    propensity: str | None = None

    def serving_extras(self) -> dict[str, str]:
        """None: a prediction needs neither."""
        return {}

    def extras(self) -> dict[str, str]:
        """The trials, where rows are aggregated, and the propensity, where one is known."""
        named = {"trials": self.trials, "propensity": self.propensity}
        return {name: text for name, text in named.items() if text is not None}

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.positive_weight is not None and not self.positive_weight > 0:
            yield f"`positive_weight` must be positive, got {self.positive_weight}"
        if self.focal_gamma is not None and not self.focal_gamma >= 0:
            yield f"`focal_gamma` must be at least 0, got {self.focal_gamma}"
        if self.trials is not None and self.propensity is not None:
            yield "`propensity` is the chance of one event, `trials` counts several; leave one out"


@dataclass(frozen=True)
class Multiclass(Task):
    """One of several classes.

    Attributes:
        classes: the label's values in order; None: those of the training rows, sorted.
        class_weights: weight of each class in the loss, in the order of `classes`.
    """

    kind: ClassVar[str] = "multiclass"

    _: KW_ONLY
    classes: tuple[str, ...] | tuple[int, ...] | None = None
    class_weights: tuple[float, ...] | None = None

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.classes is not None and len(set(self.classes)) < max(2, len(self.classes)):
            yield f"`classes` needs two or more different values, got {self.classes}"
        if self.class_weights is not None:
            if self.classes is None:
                yield "`class_weights` needs `classes`, so that their order is known"
            elif len(self.class_weights) != len(self.classes):
                yield f"{len(self.class_weights)} class weights for {len(self.classes)} classes"
            if any(not weight > 0 for weight in self.class_weights):
                yield f"`class_weights` must be positive, got {self.class_weights}"


@dataclass(frozen=True)
class Regression(Task):
    """A number: a rating, hours, a price.

    Attributes:
        transform: `log1p` trains on log(1 + y) and predicts in raw units, corrected by the smearing
            estimate (Duan, 1983), so that the mean stays right.
        clip_quantile: labels above this quantile of the training rows are cut in the *loss* (not
            in the metrics). None: none are.
        loss: on the standardised target: half the squared error, Huber's (delta 1) or the absolute
            error.
    """

    kind: ClassVar[str] = "regression"

    _: KW_ONLY
    transform: Literal["none", "log1p"] = "none"
    clip_quantile: float | None = None
    loss: Literal["squared", "huber", "absolute"] = "squared"

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.transform not in ("none", "log1p"):
            yield f"`transform` is 'none' or 'log1p', got {self.transform!r}"
        if self.loss not in ("squared", "huber", "absolute"):
            yield f"`loss` is 'squared', 'huber' or 'absolute', got {self.loss!r}"
        if self.clip_quantile is not None and not 0 < self.clip_quantile < 1:
            yield f"`clip_quantile` must lie between 0 and 1, got {self.clip_quantile}"


@dataclass(frozen=True)
class Count(Task):
    """A number of events, with the Poisson deviance as loss.

    Attributes:
        exposure: expression for the time or chances in which the events were counted; the
            prediction is for the row's own exposure.
    """

    kind: ClassVar[str] = "count"

    _: KW_ONLY
    exposure: str | None = None

    def extras(self) -> dict[str, str]:
        """The exposure, where the task has one."""
        return {} if self.exposure is None else {"exposure": self.exposure}


@dataclass(frozen=True)
class Value(Task):
    """An amount that is mostly zero and else skewed: spend, lifetime value.

    The zero-inflated lognormal likelihood (Wang et al., `A Deep Probabilistic Model for Customer
    Lifetime Value Prediction <https://arxiv.org/abs/1912.07753>`_, 2019). The prediction is the
    mean, in raw units.
    """

    kind: ClassVar[str] = "value"


@dataclass(frozen=True)
class WatchTime(Task):
    """Seconds watched, given how long the video is.

    Attributes:
        duration: expression for the length of the video, in the unit of the label.
        form: `cread` classifies over adaptive time thresholds and restores the mean (Sun et al.,
            2024); `d2q` regresses the quantile within groups of like duration (Zhan et al., 2022);
            `wlr` is weighted logistic regression (Covington et al., 2016).
        num_bins: thresholds of `cread`, duration groups of `d2q`.
    """

    kind: ClassVar[str] = "watch_time"

    _: KW_ONLY
    duration: str = ""
    form: Literal["cread", "d2q", "wlr"] = "cread"
    num_bins: int = 20

    def extras(self) -> dict[str, str]:
        """The duration, which loss and prediction need."""
        return {"duration": self.duration}

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if not self.duration:
            yield "`duration` is missing: an expression for the length of the video"
        if self.form not in ("cread", "d2q", "wlr"):
            yield f"`form` is 'cread', 'd2q' or 'wlr', got {self.form!r}"
        if self.num_bins < 2:
            yield f"`num_bins` must be at least 2, got {self.num_bins}"


@dataclass(frozen=True)
class Ranking(Task):
    """An order among the rows of one request.

    Needs the role `request` in the schema; batches then hold whole requests.

    Attributes:
        form: `bpr` compares every pair of unlike labels (Rendle et al., 2009); `listwise` is the
            softmax cross-entropy over the request (Cao et al., 2007).
    """

    kind: ClassVar[str] = "ranking"

    _: KW_ONLY
    form: Literal["bpr", "listwise"] = "listwise"

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.form not in ("bpr", "listwise"):
            yield f"`form` is 'bpr' or 'listwise', got {self.form!r}"


TASK_KINDS: tuple[type[Task], ...] = (
    Binary,
    Multiclass,
    Regression,
    Count,
    Value,
    WatchTime,
    Ranking,
)
"""The kinds of task, in the order in which they are documented."""
