"""Census income: three facts about people, in the two groups of the MMoE paper."""

from __future__ import annotations

from plait.data.schema import Categorical, Numeric, Schema
from plait.tasks import Binary

from .entry import Entry
from .parts import FOLDS

__all__ = ["CENSUS_1", "CENSUS_2"]

_NUMERIC = (
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
_CATEGORICAL = (
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


def _census(name: str, task: Binary, *, title: str, without: str | None = None) -> Entry:
    named = [column for column in _CATEGORICAL if column != without]
    return Entry(
        name=name,
        title=f"Census 1994/95: {title}",
        terms="CC BY 4.0: may be passed on if the repository is named",
        source="UCI Machine Learning Repository, data set 117, Census-Income (KDD), its test file",
        rows=99_762,
        folder="census_income",
        log="census_income.parquet",
        schema=Schema((*map(Numeric, _NUMERIC), *map(Categorical, named))),
        tasks=(task, Binary("never_married", label="label_never_married")),
        split=FOLDS,
        notes=(
            "An income AUC above 0.96 on this file points to a leak, such as income_50k.",
            "Published figures train on the other file of the set, which is twice as large.",
        ),
    )


CENSUS_1 = _census(
    "census_income",
    Binary("income", label="label_income_gt50k"),
    title="income above 50K, and never married",
)
CENSUS_2 = _census(
    "census_income_2",
    Binary("college", label="label_college"),
    title="a college degree, and never married",
    without="education",
)
