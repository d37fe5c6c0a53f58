"""The catalogue: what it says of each set, and that made files in the set's format are read."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.unit.data.catalog_making import ROWS, make_set

from plait.data import catalog
from plait.data.labels import TaskReader
from plait.data.log import Log
from plait.data.preparing import prepare
from plait.data.reading import read
from plait.errors import DataError, UnknownNameError
from plait.tasks import Binary, Value

# What the publishers' descriptions and the sets' notes say is a label, made of one, known only
# afterwards, a weight or a split; by the folder of the set.
ANSWERS = {
    "census_income": ("instance_weight", "income_50k", "marital_stat", "label_*", "fold"),
    "ml100k": ("rating", "timestamp", "time_rank", "fold"),
    "anime": ("score", "label_rated", "fold"),
    "steam200k": ("hours", "label_played", "fold", "n_purchase_rows"),
    "hillstrom": ("visit", "conversion", "spend", "fold"),
    "open_bandit": ("click", "propensity_score", "fold"),
    "ifood_campaigns": ("ID", "AcceptedCmp*", "Response", "Z_*", "fold"),
    "uci_restaurants": ("rating", "food_rating", "service_rating", "fold"),
    "taobao_cart_buy": ("buy", "cart", "buy_split", "part"),
    "kuairand": (
        *("is_click", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "long_view"),
        *("play_time_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter", "is_rand"),
        *("visible_status", "*_cnt"),
    ),
    "aliexpress": ("click", "conversion", "search_id", "part"),
    "ali_ccp": ("click", "purchase", "part"),
    "ali_ccp_slots": ("click", "purchase", "sample_id", "part"),
    "ali_ccp_raw": ("click", "purchase", "sample_id", "part"),
    "byterec": ("finish", "like", "time"),
}


def test_every_set_has_a_name_of_its_own_and_its_terms() -> None:
    names = catalog.names()
    assert len(set(names)) == len(names)
    for name in names:
        described = catalog.describe(name)
        assert described.name == name
        assert described.title
        assert described.terms
        assert described.source


@pytest.mark.parametrize("name", catalog.names())
def test_no_feature_tells_the_answer(name: str) -> None:
    entry = catalog.describe(name)
    read_columns = {column for f in entry.schema.features for column in f.columns()}
    answers = ANSWERS[entry.folder]
    assert not [c for c in read_columns for answer in answers if fnmatch(c, answer)]
    labels = TaskReader(entry.tasks).columns
    # The length of a video is a feature, and says on which rows the time watched is defined.
    assert read_columns & labels <= {"duration_ms"}


def test_education_is_no_feature_where_college_is_predicted() -> None:
    assert "education" in catalog.describe("census_income").schema.names
    assert "education" not in catalog.describe("census_income_2").schema.names


def test_the_strict_form_of_anime_reads_no_statistic_of_the_site() -> None:
    strict = catalog.describe("anime_strict")
    assert set(catalog.describe("anime").schema.names) - set(strict.schema.names) == {
        "members",
        "community_rating",
    }
    assert strict.tables[0].columns == ("genre", "type", "episodes")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no data set 'ml10k' in the catalogue. Did you m"):
        catalog.describe("ml10k")


def test_chains_are_the_binary_steps_on_the_same_rows() -> None:
    assert catalog.describe("hillstrom").chains == (("visit", "conversion"),)
    assert catalog.describe("kuairand").chains == (("click", "long_view"),)
    assert catalog.describe("anime").chains == ()


def test_the_catalogue_needs_no_torch() -> None:
    program = "import sys, plait.data.catalog; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", catalog.names())
def test_made_files_in_the_format_of_a_set_are_prepared(name: str, tmp_path: Path) -> None:
    make_set(name, tmp_path)
    found = catalog.load(name, tmp_path)
    arguments = found.arguments()
    split = arguments.pop("split")
    log = Log(sources=(arguments.pop("log"),), **arguments)
    prepared = prepare(log, split, cache=tmp_path / "cache")
    assert prepared.valid is not None
    assert prepared.test is not None
    assert prepared.facts["left_out"] == 0
    assert not [note for note in prepared.notes if "parent" in note or "side table" in note]


def test_the_set_may_lie_in_its_own_folder_or_in_one_of_data_sets(tmp_path: Path) -> None:
    place = make_set("hillstrom", tmp_path)
    assert catalog.load("hillstrom", tmp_path).log == place / "hillstrom.parquet"
    assert catalog.load("hillstrom", str(place)).log == place / "hillstrom.parquet"


def test_side_tables_are_found_beside_the_log(tmp_path: Path) -> None:
    place = make_set("ml100k", tmp_path)
    found = catalog.load("ml100k", tmp_path)
    assert [table.source for table in found.tables] == [
        place / "users.parquet",
        place / "items.parquet",
    ]


def test_a_missing_file_is_named_with_the_terms_and_the_source(tmp_path: Path) -> None:
    place = make_set("ml100k", tmp_path)
    (place / "users.parquet").unlink()
    with pytest.raises(DataError) as raised:
        catalog.load("ml100k", tmp_path)
    told = str(raised.value)
    assert f"The set 'ml100k' needs users.parquet in {place}" in told
    assert "it holds items.parquet, ratings.parquet" in told
    assert "grouplens.org" in told
    assert "may not be passed on" in told


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs hillstrom.parquet in .*nowhere, but there is none"):
        catalog.load("hillstrom", tmp_path / "nowhere")


def test_another_file_under_the_published_name_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "ifood_campaigns.parquet")
    with pytest.raises(DataError, match=r"'ifood_campaigns' in .* are not as they were published"):
        catalog.load("ifood_campaigns", tmp_path)


def _labels(name: str, folder: Path) -> dict[str, pl.Series]:
    """Each task's label on all rows of the log, null where it is not observed."""
    found = catalog.load(name, folder)
    frame = read(found.log).collect()
    read_labels = TaskReader(found.tasks).read(frame)
    return {
        task.name: pl.DataFrame({"y": read_labels.labels[:, n], "o": read_labels.observed[:, n]})
        .select(pl.when("o").then("y"))
        .to_series()
        for n, task in enumerate(found.tasks)
    }


def test_hours_of_a_game_never_played_are_less_than_ten(tmp_path: Path) -> None:
    make_set("steam200k", tmp_path)
    labels = _labels("steam200k", tmp_path)
    log = pl.read_parquet(tmp_path / "steam200k" / "interactions.parquet")
    assert labels["engaged"].null_count() == 0
    assert labels["engaged"].sum() == (log["hours"] >= 10).sum()
    assert labels["log_hours"].is_null().to_list() == (log["label_played"] == 0).to_list()


def test_scores_are_predicted_where_a_title_was_rated(tmp_path: Path) -> None:
    make_set("anime", tmp_path)
    labels = _labels("anime", tmp_path)
    log = pl.read_parquet(tmp_path / "anime" / "interactions.parquet")
    for task in ("high", "score"):
        assert labels[task].is_null().to_list() == log["score"].is_null().to_list()
    assert labels["high"].sum() == (log["score"] >= 8).sum()
    assert labels["rated"].null_count() == 0


def test_the_amount_is_a_value_that_needs_a_conversion() -> None:
    visit, conversion, spend = catalog.describe("hillstrom").tasks
    assert isinstance(visit, Binary)
    assert conversion.parents == ("visit",)
    assert isinstance(spend, Value)
    assert spend.parents == ("conversion",)


def test_campaigns_of_open_bandit_lie_below_each_other_with_items_of_their_own(
    tmp_path: Path,
) -> None:
    make_set("open_bandit", tmp_path)
    frame = read(catalog.load("open_bandit", tmp_path).log).collect()
    assert frame["campaign"].value_counts()["count"].to_list() == [ROWS] * 3
    number = frame["item"].str.extract(r"(\d+)$", 1).cast(pl.Float32)
    assert frame["affinity"].to_list() == number.to_list()
    assert frame["item"].str.starts_with("men ").sum() == ROWS
    assert frame["item_feature_1"].null_count() == 0


def test_the_day_of_joining_becomes_a_number(tmp_path: Path) -> None:
    make_set("ifood_campaigns", tmp_path)
    frame = read(catalog.load("ifood_campaigns", tmp_path).log).collect()
    assert frame["days_joined"].unique().sort().to_list() == [0, 31]


def test_pairs_that_never_occurred_are_drawn_once_and_for_all(tmp_path: Path) -> None:
    make_set("taobao_cart_buy", tmp_path)
    pairs = pl.read_parquet(tmp_path / "taobao_cart_buy" / "pairs.parquet")
    one, other = (read(catalog.load("taobao_cart_buy", tmp_path).log).collect() for _ in range(2))
    assert one.equals(other)
    known, never = one.head(len(pairs)), one.slice(len(pairs))
    assert known["buy"].to_list() == pairs["buy"].to_list()
    assert (known["part"] == "test").to_list() == (pairs["buy_split"] == "test").to_list()
    assert never.height > 0
    assert never.select("user_id", "item_id").is_unique().all()
    assert never.join(pairs, on=("user_id", "item_id")).height == 0
    assert never["buy"].sum() == never["cart"].sum() == 0
    assert set(never["part"]) == {"train", "valid", "test"}


def test_searches_that_end_in_nine_validate(tmp_path: Path) -> None:
    make_set("aliexpress", tmp_path)
    frame = read(catalog.load("aliexpress", tmp_path).log).collect()
    last = frame["search_id"] % 10
    in_train = np.arange(2 * ROWS) < ROWS
    expected = np.where(in_train, np.where(last == 9, "valid", "train"), "test")
    assert frame["part"].to_list() == expected.tolist()


def test_a_purchase_without_a_click_is_none(tmp_path: Path) -> None:
    make_set("ali_ccp", tmp_path)
    labels = _labels("ali_ccp", tmp_path)
    frame = read(catalog.load("ali_ccp", tmp_path).log).collect()
    assert ((frame["purchase"] == 1) & (frame["click"] == 0)).any()
    assert labels["purchase"].to_list() == (frame["click"] * frame["purchase"]).to_list()


def test_lines_of_slots_are_taken_apart(tmp_path: Path) -> None:
    line = "1,1,0,210:7,210:8,101:10,205:6,150_14:18,150_14:19,508:9"
    (tmp_path / "train.txt").write_text(f"{line}\n9,0,0,101:11\n")
    (tmp_path / "test.txt").write_text("10,0,0,1101:3,101:12\n")
    frame = read(catalog.load("ali_ccp_slots", tmp_path).log).collect()
    first, second, third = frame.iter_rows(named=True)
    assert (first["sample_id"], first["click"], first["purchase"]) == (1, 1, 0)
    assert (first["101"], first["205"], first["508"], first["301"]) == ("10", "6", "9", None)
    assert (first["210"], first["150_14"], first["109_14"]) == (["7", "8"], ["18", "19"], [])
    assert (second["part"], third["part"]) == ("valid", "test")
    assert third["101"] == "12"


def test_a_line_that_is_none_of_slots_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1,1,0,210:7\nid,click,purchase\n")
    (tmp_path / "test.txt").write_text("2,1,0,210:7\n")
    with pytest.raises(DataError, match=r"train.txt, line 2: 'id,click,purchase' does not look li"):
        catalog.load("ali_ccp_slots", tmp_path)


def test_samples_of_tianchi_find_what_they_share(tmp_path: Path) -> None:
    shared = "abc,3,101\x0210\x031.0\x01150_14\x0218\x030.5\x01150_14\x0219\x032.5\n"
    sample = "1,1,1,abc,3,205\x026\x031.0\x01508\x029\x032.25\x01210\x027\x031.0\n"
    for part in ("train", "test"):
        (tmp_path / f"sample_skeleton_{part}.csv").write_text(sample)
        (tmp_path / f"common_features_{part}.csv").write_text(shared)
    row = read(catalog.load("ali_ccp_raw", tmp_path).log).collect().row(0, named=True)
    assert (row["click"], row["purchase"], row["part"]) == (1, 1, "train")
    assert (row["101"], row["205"], row["508"], row["D508"]) == ("10", "6", "9", 2.25)
    assert (row["150_14"], row["D150_14"], row["210"]) == (["18", "19"], [0.5, 2.5], ["7"])
    assert (row["702"], row["D702"], row["109_14"], row["853"]) == (None, None, [], [])


def test_minus_one_is_missing_where_a_city_or_a_song_is_unknown(tmp_path: Path) -> None:
    line = "5\t-1\t7\t8\t-1\t0\t1\t0\t-1\t3\t53085738314\t9\n"
    (tmp_path / "final_track2_train.txt").write_text(line)
    row = read(catalog.load("byterec", tmp_path).log).collect().row(0, named=True)
    assert (row["uid"], row["item_id"], row["finish"], row["like"]) == (5, 7, 1, 0)
    assert (row["user_city"], row["item_city"], row["music_id"]) == (None, None, None)
    assert (row["channel"], row["time"], row["duration_time"]) == (0, 53085738314, 9)


@pytest.mark.parametrize("line", ["5\t7\t8\n", "\t".join("abcdefghijkl") + "\n"])
def test_a_file_with_other_columns_is_no_byterec(line: str, tmp_path: Path) -> None:
    (tmp_path / "final_track2_train.txt").write_text(line)
    with pytest.raises(DataError, match=r"line 1: \d+ fields by tabs, .* where 12 whole numbers"):
        catalog.load("byterec", tmp_path)


def test_time_watched_is_asked_for_where_the_length_is_known(tmp_path: Path) -> None:
    make_set("kuairand", tmp_path)
    labels = _labels_of_a_glob("kuairand", tmp_path)
    assert labels["watch_seconds"].null_count() == ROWS // 20
    assert labels["click"].null_count() == 0


def _labels_of_a_glob(name: str, folder: Path) -> dict[str, pl.Series]:
    frame = read(catalog.load(name, folder).log).collect()
    assert frame.height == ROWS
    assert frame["is_rand"].sum() == 0
    return _labels(name, folder)


def test_the_page_about_the_catalogue_names_every_set_and_its_size() -> None:
    page = (Path(__file__).parents[3] / "docs" / "catalog.md").read_text(encoding="utf-8")
    for name in catalog.names():
        assert f"`{name}`" in page
        entry = catalog.describe(name)
        if entry.rows is not None and not name.startswith("open_bandit_"):
            assert f"| `{name}` | {entry.rows:,} |" in page
