"""Made files in the published formats: the columns are real, the values are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from plait.data import catalog
from plait.data.schema import Categorical

ROWS = 200

Columns = Mapping[str, Sequence[object] | np.ndarray]


def make_set(name: str, folder: Path, *, rows: int = ROWS) -> Path:
    """Write the files of a set into its folder within `folder`; return that folder."""
    entry = catalog.describe(name)
    place = folder / entry.folder
    place.mkdir(parents=True, exist_ok=True)
    _MAKERS[entry.folder](place, rows, np.random.default_rng(7))
    return place


def _features(name: str, rows: int, draw: np.random.Generator, *without: str) -> Columns:
    """Drawn values for every plain column of a schema."""
    made: dict[str, Sequence[object] | np.ndarray] = {}
    for feature in catalog.describe(name).schema.features:
        if feature.source in without:
            continue
        if isinstance(feature, Categorical):
            made[feature.source] = [f"v{value}" for value in draw.integers(4, size=rows)]
        else:
            made[feature.source] = draw.normal(size=rows)
    return made


def _bits(rows: int, draw: np.random.Generator, share: float = 0.5) -> np.ndarray:
    return (draw.random(rows) < share).astype(np.int8)


def _folds(rows: int) -> np.ndarray:
    return (np.arange(rows) % 10).astype(np.int8)


def _parquet(place: Path, file: str, columns: Columns) -> None:
    pl.DataFrame(dict(columns)).write_parquet(place / file)


def _census(place: Path, rows: int, draw: np.random.Generator) -> None:
    labels = ("label_income_gt50k", "label_never_married", "label_college")
    columns = {
        **_features("census_income", rows, draw),
        "instance_weight": draw.random(rows),
        "income_50k": ["- 50000."] * rows,
        "marital_stat": ["Divorced"] * rows,
        **{label: _bits(rows, draw) for label in labels},
        "fold": _folds(rows),
    }
    _parquet(place, "census_income.parquet", columns)


def _ml100k(place: Path, rows: int, draw: np.random.Generator) -> None:
    time = np.arange(rows)
    ratings = {
        "user_id": draw.integers(1, 9, size=rows),
        "item_id": draw.integers(1, 13, size=rows),
        "rating": draw.integers(1, 6, size=rows),
        "timestamp": 880_000_000 + time,
        "fold": _folds(rows),
        "time_rank": time * (100_000 // rows),
    }
    users = {
        "user_id": range(1, 9),
        "age": range(20, 28),
        "gender": ["F", "M"] * 4,
        "occupation": ["artist", "doctor"] * 4,
    }
    items = {
        "item_id": range(1, 13),
        "title": ["A title"] * 12,
        "release_year": ["1994", "1995", ""] * 4,
        "genres": ["Drama War", "Comedy", "Drama"] * 4,
    }
    for file, columns in (("ratings", ratings), ("users", users), ("items", items)):
        _parquet(place, f"{file}.parquet", columns)


def _anime(place: Path, rows: int, draw: np.random.Generator) -> None:
    rated, score = _bits(rows, draw, 0.8), draw.integers(1, 11, size=rows)
    log = {
        "user_id": draw.integers(1, 9, size=rows),
        "item_id": draw.integers(1, 13, size=rows),
        "score": [int(s) if r else None for r, s in zip(rated, score, strict=True)],
        "label_rated": rated,
        "fold": _folds(rows),
    }
    items = {
        "item_id": range(1, 13),
        "name": ["A name"] * 12,
        "genre": ["Drama, Action", "Comedy", None] * 4,
        "type": ["TV", "Movie"] * 6,
        "episodes": range(12),
        "community_rating": np.linspace(5, 9, 12),
        "members": range(100, 112),
    }
    _parquet(place, "interactions.parquet", log)
    _parquet(place, "items.parquet", items)


def _steam(place: Path, rows: int, draw: np.random.Generator) -> None:
    played, hours = _bits(rows, draw, 0.6), draw.exponential(12, size=rows)
    log = {
        "user_id": draw.integers(1, 9, size=rows),
        "item_id": draw.integers(1, 13, size=rows),
        "n_purchase_rows": [1] * rows,
        "hours": [float(h) if p else None for p, h in zip(played, hours, strict=True)],
        "label_played": played,
        "fold": _folds(rows),
    }
    _parquet(place, "interactions.parquet", log)
    items = {"item_id": range(1, 13), "game_name": ["Fallout 4", "Spore", "Doom 3"] * 4}
    _parquet(place, "items.parquet", items)


def _hillstrom(place: Path, rows: int, draw: np.random.Generator) -> None:
    visit = _bits(rows, draw)
    conversion = visit * _bits(rows, draw)
    columns = {
        **_features("hillstrom", rows, draw),
        "visit": visit,
        "conversion": conversion,
        "spend": conversion * draw.exponential(50, size=rows),
        "fold": _folds(rows),
    }
    _parquet(place, "hillstrom.parquet", columns)


def _open_bandit(place: Path, rows: int, draw: np.random.Generator) -> None:
    for campaign, items in (("all", 80), ("men", 34), ("women", 46)):
        log = {
            "policy": ["bts", "random"] * (rows // 2),
            "timestamp": pl.Series(np.arange(rows) * 10**9).cast(pl.Datetime("us", "UTC")),
            "item_id": pl.Series(draw.integers(items, size=rows), dtype=pl.Int8),
            "position": draw.integers(1, 4, size=rows),
            "click": _bits(rows, draw),
            "propensity_score": [0.1] * rows,
            **{f"user_feature_{n}": [f"{n}a", f"{n}b"] * (rows // 2) for n in range(4)},
            # The affinity to item k is k, so that a test knows which one was taken.
            **{f"affinity_{k}": np.full(rows, k, dtype=np.float32) for k in range(items)},
            "fold": _folds(rows),
        }
        shown = {
            "item_id": range(items),
            "item_feature_0": np.linspace(0, 1, items),
            **{f"item_feature_{n}": ["x", "y"] * (items // 2) for n in range(1, 4)},
        }
        _parquet(place, f"{campaign}.parquet", log)
        _parquet(place, f"items_{campaign}.parquet", shown)


def _ifood(place: Path, rows: int, draw: np.random.Generator) -> None:
    columns = {
        "ID": range(rows),
        **_features("ifood_campaigns", rows, draw, "days_joined"),
        "Dt_Customer": ["2012-01-01", "2012-02-01"] * (rows // 2),
        **{f"AcceptedCmp{number}": _bits(rows, draw) for number in range(1, 6)},
        "Response": _bits(rows, draw),
        "Z_CostContact": [3] * rows,
        "Z_Revenue": [11] * rows,
        "fold": _folds(rows),
    }
    _parquet(place, "ifood_campaigns.parquet", columns)


def _restaurants(place: Path, rows: int, draw: np.random.Generator) -> None:
    marks = ("rating", "food_rating", "service_rating")
    log = {
        "user_id": draw.integers(1, 9, size=rows),
        "place_id": draw.integers(1, 13, size=rows),
        **{mark: draw.integers(1, 4, size=rows) for mark in marks},
        "fold": _folds(rows),
    }
    _parquet(place, "ratings.parquet", log)
    columns = catalog.describe("uci_restaurants").tables[0].columns or ()
    places = {"place_id": range(1, 13), **{column: ["a", "b"] * 6 for column in columns}}
    _parquet(place, "places.parquet", places)


def _taobao(place: Path, rows: int, draw: np.random.Generator) -> None:
    split = ["train", "none", "train", "test"] * (rows // 4)
    bought = np.array([0 if part == "none" else 1 for part in split], dtype=np.int8)
    log = {
        # Pairs are unique, as in the published file.
        "user_id": pl.Series(np.arange(rows) // 8, dtype=pl.Int32),
        "item_id": pl.Series(np.arange(rows) % 8 + np.arange(rows) // 8 % 5, dtype=pl.Int32),
        "buy": bought,
        "cart": np.maximum(1 - bought, _bits(rows, draw)),
        "buy_split": split,
    }
    _parquet(place, "pairs.parquet", log)


def _kuairand(place: Path, rows: int, draw: np.random.Generator) -> None:
    feedback = ("is_like", "is_follow", "is_comment", "is_forward", "is_hate")
    click = _bits(rows, draw)
    log = pl.DataFrame(
        {
            "user_id": draw.integers(8, size=rows),
            "video_id": draw.integers(12, size=rows),
            "date": [20220408] * rows,
            "hourmin": [400, 1600] * (rows // 2),
            "time_ms": 1_649_400_000_000 + np.arange(rows) * 60_000,
            "is_click": click,
            **{name: _bits(rows, draw, 0.2) for name in feedback},
            "long_view": click * _bits(rows, draw),
            "play_time_ms": draw.integers(60_000, size=rows),
            "duration_ms": np.where(np.arange(rows) % 20 == 0, 0, 30_000),
            "profile_stay_time": [0] * rows,
            "comment_stay_time": [0] * rows,
            "is_profile_enter": [0] * rows,
            "is_rand": [0] * rows,
            "tab": draw.integers(3, size=rows),
        }
    )
    log.head(rows // 2).write_csv(place / "log_standard_4_08_to_4_21_pure.csv")
    log.tail(rows - rows // 2).write_csv(place / "log_standard_4_22_to_5_08_pure.csv")
    log.with_columns(is_rand=1).write_csv(place / "log_random_4_22_to_5_08_pure.csv")
    users, videos = catalog.describe("kuairand").tables
    pl.DataFrame(
        {"user_id": range(8), **{column: ["0", "1"] * 4 for column in users.columns or ()}}
    ).write_csv(place / "user_features_pure.csv")
    pl.DataFrame(
        {
            "video_id": range(12),
            "visible_status": [1] * 12,
            **{column: ["1", "2"] * 6 for column in videos.columns or ()},
            "tag": ["12,65", "7", None] * 4,
        }
    ).write_csv(place / "video_features_basic_pure.csv")


def _aliexpress(place: Path, rows: int, draw: np.random.Generator) -> None:
    for file, first in (("train.csv", 0), ("test.csv", rows)):
        click = _bits(rows, draw)
        pl.DataFrame(
            {
                "search_id": first + np.arange(rows) // 2,
                **{f"categorical_{n}": draw.integers(5, size=rows) for n in range(1, 17)},
                **{f"numerical_{n}": draw.random(rows) for n in range(1, 64)},
                "click": click,
                "conversion": click * _bits(rows, draw),
            }
        ).write_csv(place / file)


def _ali_ccp(place: Path, rows: int, draw: np.random.Generator) -> None:
    for part in ("train", "val", "test"):
        pl.DataFrame(
            {
                "click": _bits(rows, draw),
                "purchase": _bits(rows, draw),
                **{
                    feature.source: draw.integers(5, size=rows)
                    for feature in catalog.describe("ali_ccp").schema.features
                },
            }
        ).write_csv(place / f"ali_ccp_{part}.csv")


_USER = ("101", "121", "122", "124", "125", "126", "127", "128", "129")
_SAMPLE = ("205", "206", "207", "216", "301", "508", "509", "702")
_HISTORY = ("109_14", "110_14", "127_14", "150_14")


def _slots(place: Path, rows: int, draw: np.random.Generator) -> None:
    for part in ("train", "test"):
        lines = []
        for number in range(1, rows + 1):
            fields = [f"{field}:{value}" for field in ("210", "853") for value in (1, 2)]
            fields += [f"{field}:{draw.integers(5)}" for field in (*_USER, *_SAMPLE)]
            fields += [f"{field}:{value}" for field in _HISTORY for value in range(number % 3)]
            lines.append(f"{number},{number % 2},{number % 4 // 3}," + ",".join(fields))
        (place / f"{part}.txt").write_text("\n".join(lines) + "\n")


def _raw(place: Path, rows: int, draw: np.random.Generator) -> None:
    def written(fields: Sequence[str]) -> str:
        parts = [f"{field}\x02{draw.integers(5)}\x03{draw.random():.4f}" for field in fields]
        return f"{len(parts)}," + "\x01".join(parts)

    for part in ("train", "test"):
        samples = [
            f"{n},{n % 2},{n % 4 // 3},{part}{n % 5},{written([*_SAMPLE, '210', '210', '853'])}"
            for n in range(1, rows + 1)
        ]
        shared = [f"{part}{n},{written([*_USER, *_HISTORY, *_HISTORY])}" for n in range(5)]
        (place / f"sample_skeleton_{part}.csv").write_text("\n".join(samples) + "\n")
        (place / f"common_features_{part}.csv").write_text("\n".join(shared) + "\n")


def _byterec(place: Path, rows: int, draw: np.random.Generator) -> None:
    columns = [
        draw.integers(-1 if unknown else 0, 6, size=rows)
        for unknown in (False, True, False, False, True, False)
    ]
    columns += [_bits(rows, draw), _bits(rows, draw), draw.integers(-1, 6, size=rows)]
    columns += [draw.integers(6, size=rows), 53_000_000_000 + np.arange(rows)]
    columns += [draw.integers(5, 15, size=rows)]
    lines = ["\t".join(map(str, row)) for row in zip(*columns, strict=True)]
    (place / "final_track2_train.txt").write_text("\n".join(lines) + "\n")


_MAKERS: dict[str, Callable[[Path, int, np.random.Generator], None]] = {
    "census_income": _census,
    "ml100k": _ml100k,
    "anime": _anime,
    "steam200k": _steam,
    "hillstrom": _hillstrom,
    "open_bandit": _open_bandit,
    "ifood_campaigns": _ifood,
    "uci_restaurants": _restaurants,
    "taobao_cart_buy": _taobao,
    "kuairand": _kuairand,
    "aliexpress": _aliexpress,
    "ali_ccp": _ali_ccp,
    "ali_ccp_slots": _slots,
    "ali_ccp_raw": _raw,
    "byterec": _byterec,
}
