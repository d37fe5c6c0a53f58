"""KuaiRand: short videos, many kinds of feedback on each exposure, and time watched."""

from __future__ import annotations

from plait.data.joins import Table
from plait.data.schema import Categorical, MultiHot, Numeric, Schema
from plait.data.splits import TimeSplit
from plait.tasks import Binary, WatchTime

from .entry import Entry

__all__ = ["KUAIRAND"]

_USER_CATEGORIES = (
    "user_active_degree",
    "is_lowactive_period",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num_range",
    "fans_user_num_range",
    "friend_user_num_range",
    "register_days_range",
    *(f"onehot_feat{number}" for number in range(18)),
)
_USER_NUMBERS = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
# visible_status is the state of a video *now*, after the log; video_duration is duration_ms again.
_VIDEO_CATEGORIES = ("author_id", "video_type", "upload_type", "music_id", "music_type")
_VIDEO_NUMBERS = ("server_width", "server_height")

KUAIRAND = Entry(
    name="kuairand",
    title="KuaiRand: click, long view, like, follow, comment, forward, hate, time watched",
    terms="CC BY-SA 4.0 by its repository; the publishers have asked for a signed form at times",
    source="https://kuairand.com (Gao et al., arXiv 2208.08696): 27K, 1K or Pure; its data folder",
    folder="kuairand",
    log="log_standard_*.csv",
    schema=Schema(
        (
            Categorical("user_id"),
            Categorical("video_id"),
            Categorical("tab"),
            Categorical("hourmin"),
            Numeric("duration_ms"),
            *map(Categorical, _USER_CATEGORIES),
            *map(Numeric, _USER_NUMBERS),
            *map(Categorical, _VIDEO_CATEGORIES),
            *map(Numeric, _VIDEO_NUMBERS),
            MultiHot("tag", delimiter=","),
        ),
        user="user_id",
        item="video_id",
        time="time_ms",
        scenario="tab",
    ),
    tasks=(
        Binary("click", label="is_click"),
        # By their published definitions no view is long without being a click.
        Binary("long_view", parents=("click",)),
        Binary("like", label="is_like"),
        Binary("follow", label="is_follow"),
        Binary("comment", label="is_comment"),
        Binary("forward", label="is_forward"),
        Binary("hate", label="is_hate"),
        WatchTime(
            "watch_seconds",
            label="play_time_ms / 1000",
            duration="duration_ms / 1000",
            space="duration_ms > 0",
        ),
    ),
    split=TimeSplit(),
    tables=(
        Table(
            "users", "user_features_*.csv", "user_id", columns=(*_USER_CATEGORIES, *_USER_NUMBERS)
        ),
        Table(
            "videos",
            "video_features_basic_*.csv",
            "video_id",
            columns=(*_VIDEO_CATEGORIES, *_VIDEO_NUMBERS, "tag"),
        ),
    ),
    notes=(
        "video_features_statistic_*.csv holds means over the whole month, the test days among "
        "them: no feature is taken from it.",
        "log_random_*.csv holds videos that were drawn at random: judge a run on it by "
        "`plait evaluate` for a figure without the bias of what was shown.",
        "play_time_ms, profile_stay_time and comment_stay_time are known only afterwards.",
    ),
)
