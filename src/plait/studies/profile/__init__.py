"""Where the time of an experiment goes, and what to do about it."""

from __future__ import annotations

from .advice import Advice, first_thing
from .page import profile_document, profile_json
from .profiling import Profile, profile_experiment, profile_training

__all__ = [
    "Advice",
    "Profile",
    "first_thing",
    "profile_document",
    "profile_experiment",
    "profile_json",
    "profile_training",
]
