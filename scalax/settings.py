"""What a single run depends on, and whether two runs do so alike."""

import dataclasses
from typing import Any

from scalax import typed
from scalax.config import RunConfig, StartConfig

PARTS = ("data", "model", "start", "optim", "eval", "morph")
# How a step is computed does not change what it gives; each run has a shape of its own.
NO_MATTER = {"": ("accumulate", "shard_optimizer", "population"), "model": ("names", "remat", "attention")}
# Settings that older files do not have, at what was done.
ADDED: dict[str, dict[str, Any]] = {
    "": {"task": "image_classification", "start": dataclasses.asdict(StartConfig())},
    "data": {
        "context": 64,
        "shorter_side": 0,
        "fit": "crop",
        "classes": [],
        "draw_classes": 0,
        "class_seed": 0,
        "train_per_class": 0,
        "validation_per_class": 0,
        "allow_empty_classes": False,
        "background": "white",
        "normalize": "auto",
        "resize": "linear",
    },
    "model": {"pool": "gap", "representation": False, "exact_gelu": False},
    "optim": {
        "name": "adam",
        "lr_head": 1.0,
        "base_width": 0,
        "b1": 0.9,
        "b2": 0.999,
        "momentum": 0.9,
        "loss": "softmax",
    },
    "eval": {"more": [], "keep_scores": False},
}


def run_settings(config: RunConfig) -> dict[str, Any]:
    """What a single run depends on, in JSON form: a study may change the rest and keep its runs."""
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(RunConfig)}
    settings |= {part: dataclasses.asdict(settings[part]) for part in PARTS}
    settings["eval"]["more"] = [each.settings() for each in config.eval.more]
    for part, names in NO_MATTER.items():
        for name in names:
            del (settings[part] if part else settings)[name]
    return settings


def upgraded(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that an older version wrote, with those that were added since. What is no group of settings
    stays as it is: a comparison names it (differences)."""
    whole = {**ADDED[""], **settings}
    groups = {part: whole[part] for part in ADDED if isinstance(whole.get(part), dict)}
    return whole | {part: {**ADDED[part], **group} for part, group in groups.items()}


def config_of(settings: dict[str, Any], where: str) -> RunConfig:
    """The config that `run_settings` turned into `settings`, of any version, without eval.more.

    where: names the file in errors. Raises UserError where they are no settings of a run.
    """
    whole = upgraded(settings)
    if isinstance(whole.get("eval"), dict):
        whole |= {"eval": {**whole["eval"], "more": []}}
    return typed.from_json(RunConfig, whole, where)


def differences(ours: dict, theirs: dict, prefix: str = "") -> list[str]:
    """Names of the settings, dotted, whose values differ.

    - ours, theirs: configs in JSON form.
    - prefix: before each name.
    """
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif _plain(a) != _plain(b):
            found.append(f"{prefix}{key} (here {a}, there {b})")
    return found


def _plain(value: Any) -> Any:
    """JSON has lists alone."""
    return list(value) if isinstance(value, tuple) else value
