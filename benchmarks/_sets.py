"""Data sets as recipes: which columns are features, what is predicted, which rows are what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from plait import (
    Binary,
    Categorical,
    ColumnSplit,
    MultiHot,
    Numeric,
    Regression,
    Schema,
    Table,
    Value,
)
from plait.data.splits import Split
from plait.tasks import Task


@dataclass(frozen=True)
class Recipe:
    """A data set with everything that `plait.train` has to be told about it.

    Attributes:
        name: of the set, and of the group of tasks where it has several.
        path: the log, in the folder of data sets.
        schema: its features and roles.
        tasks: what is predicted.
        split: which rows train, validate and test.
        side_tables: joined to the log; their sources lie in the folder of data sets.
        bars: what the mean of each task's primary metric over five seeds is to reach.
    """

    name: str
    path: str
    schema: Schema
    tasks: tuple[Task, ...]
    split: Split
    side_tables: tuple[Table, ...] = ()
    bars: Mapping[str, float] = field(default_factory=dict)

    def log(self, folder: Path) -> Path:
        """The log in this folder of data sets."""
        return folder / self.path

    def tables(self, folder: Path) -> tuple[Table, ...]:
        """The side tables in this folder of data sets."""
        return tuple(
            replace(table, source=folder / str(table.source)) for table in self.side_tables
        )


FOLDS = ColumnSplit("fold", train=(0, 1, 2, 3, 4, 5, 6), valid=(7,), test=(8, 9))
"""The partition that each set's `fold` column fixes, so that figures can be compared."""

CENSUS_NUMERIC = (
    "age",
    "wage_per_hour",
    "capital_gains",
    "capital_losses",
    "stock_dividends",
    "num_emp",
    "weeks_worked",
)
# Not among them: marital_stat and income_50k are sources of labels, instance_weight is a survey
# weight. Group 2 leaves out education, too.
CENSUS_CATEGORICAL = (
    "class_worker",
    "det_ind_code",
    "det_occ_code",
    "education",
    "hs_college",
    "major_ind_code",
    "major_occ_code",
    "race",
    "hisp_origin",
    "sex",
    "union_member",
    "unemp_reason",
    "full_or_part_emp",
    "tax_filer_stat",
    "region_prev_res",
    "state_prev_res",
    "det_hh_fam_stat",
    "det_hh_summ",
    "mig_chg_msa",
    "mig_chg_reg",
    "mig_move_reg",
    "mig_same",
    "mig_prev_sunbelt",
    "fam_under_18",
    "country_father",
    "country_mother",
    "country_self",
    "citizenship",
    "own_or_self",
    "vet_question",
    "vet_benefits",
    "year",
)


def _census(group: int, task: Binary, *, bar: float, without: str | None = None) -> Recipe:
    named = [name for name in CENSUS_CATEGORICAL if name != without]
    features = [Numeric(name) for name in CENSUS_NUMERIC] + [Categorical(name) for name in named]
    return Recipe(
        name=f"census_income {group}",
        path="census_income/census_income.parquet",
        schema=Schema(tuple(features)),
        tasks=(task, Binary("never_married", label="label_never_married")),
        split=FOLDS,
        bars={task.name: bar, "never_married": 0.9942},
    )


CENSUS_1 = _census(1, Binary("income", label="label_income_gt50k"), bar=0.950)
CENSUS_2 = _census(2, Binary("college", label="label_college"), bar=0.888, without="education")

ML100K = Recipe(
    name="ml100k",
    path="ml100k/ratings.parquet",
    schema=Schema(
        (
            Categorical("user_id"),
            Categorical("item_id"),
            Numeric("age"),
            Categorical("gender"),
            Categorical("occupation"),
            Categorical("release_year"),
            MultiHot("genres", delimiter=" "),
        ),
        user="user_id",
        item="item_id",
        time="timestamp",
    ),
    tasks=(
        Binary("like", label="rating >= 4"),
        Binary("love", label="rating == 5", parents=("like",)),
        Regression("rating"),
    ),
    split=FOLDS,
    side_tables=(
        Table("users", "ml100k/users.parquet", "user_id"),
        Table("items", "ml100k/items.parquet", "item_id", columns=("release_year", "genres")),
    ),
)

HILLSTROM = Recipe(
    name="hillstrom",
    path="hillstrom/hillstrom.parquet",
    schema=Schema(
        (
            Numeric("recency"),
            Numeric("history"),
            Categorical("history_segment"),
            Categorical("mens"),
            Categorical("womens"),
            Categorical("zip_code"),
            Categorical("newbie"),
            Categorical("channel"),
            Categorical("segment"),
        )
    ),
    tasks=(
        Binary("visit"),
        Binary("conversion", parents=("visit",)),
        Value("spend"),
    ),
    split=FOLDS,
)

SETS: dict[str, tuple[Recipe, ...]] = {
    "census_income": (CENSUS_1, CENSUS_2),
    "ml100k": (ML100K,),
    "hillstrom": (HILLSTROM,),
}
"""The recipes of each folder of data."""
