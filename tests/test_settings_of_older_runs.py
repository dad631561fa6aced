"""Runs that an older version made go on: settings added since have the value of what was done."""

import json

from scalax.config import RunConfig
from scalax.settings import ADDED, PARTS, differences, run_settings, upgraded

FIRST = {  # settings that every run.json has
    "": "batch_size budget_flops checkpoint_steps cost_note",
    "data": "source name dir image_size train_split validation_split validation_share max_train_images"
    " max_validation_images crop_padding flip device_gib",
    "model": "base_patch base_grid head_dim branch_scalars precision scan dropout drop_path",
    "optim": "lr schedule warmup_steps cooldown_share weight_decay weight_decay_head clip_norm"
    " label_smoothing rewarm_steps on_nonfinite",
    "eval": "points first_share batch_size shots draws ridge probe_name probe_dir probe_validation_split",
    "morph": "width gamma depth blocks moments settle",
}


def test_a_setting_that_was_added_is_known_as_such():
    """One that is in neither list would make all earlier runs those of another config."""
    settings = run_settings(RunConfig())
    groups = {part: settings[part] for part in PARTS if part != "start"}
    groups[""] = {name: value for name, value in settings.items() if name not in groups}
    for part, group in groups.items():
        assert group.keys() == {*FIRST[part].split(), *ADDED.get(part, {})}, part


def test_an_older_run_is_of_the_same_config():
    settings = json.loads(json.dumps(run_settings(RunConfig())))
    older = json.loads(json.dumps(settings))
    del older["data"]["resize"], older["optim"]["base_width"]
    assert differences(upgraded(settings), upgraded(older)) == []
