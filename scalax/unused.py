"""Settings of a run that have no effect beside its others, and why: whoever sets one means something else."""

from collections.abc import Iterable

from scalax.config import OptimConfig, RunConfig
from scalax.data import KINDS
from scalax.models import find
from scalax.schedule import Schedule, Shape
from scalax.variants import variant

Unused = dict[str, str]  # from the name of a setting, or of a group of them, to the reason

OF_IMAGES = ("image_size", "shorter_side", "fit", "crop_padding", "flip", "resize")
OF_FAMILIES = ("base_patch", "base_grid", "head_dim", "pool", "branch_scalars", "attention")
OF_FAMILIES += ("representation", "exact_gelu")
OF_DRAWS = ("draw_classes", "train_per_class", "validation_per_class")


def of_run(run: RunConfig) -> Unused:
    """Those of any run; a study adds `of_shapes` of those that it trains."""
    data, optim, evaluation = run.data, run.optim, run.eval
    found: Unused = {"data.resize": "to images at their own resolution"}
    for name in {"dir", "name"} - set(KINDS.get(data.source).reads):
        found[f"data.{name}"] = f"to data.source {data.source}"
    if run.task in ("next_token", "answer"):
        found |= {f"data.{name}": f"to task {run.task}" for name in OF_IMAGES}
    if run.task in ("image_classification", "answer"):
        found["data.context"] = f"to task {run.task}"
    if data.validation_split:
        found["data.validation_share"] = f"beside data.validation_split {data.validation_split!r}"
    if not any(getattr(data, name) for name in OF_DRAWS):
        found["data.class_seed"] = f"without {' or '.join(f'data.{name}' for name in OF_DRAWS)}"
    if optim.schedule not in ("wsd", "rsqrt"):
        found["optim.cooldown_share"] = f"to optim.schedule {optim.schedule}"
    if not evaluation.shots:
        names = ("draws", "ridge", "probe_name", "probe_dir", "probe_validation_split")
        found |= {f"eval.{name}": "without eval.shots" for name in names}
    families = [find(str(run.model.shape(name)))[0] for name in run.model.names]
    for name in OF_FAMILIES:
        if not any(name in family.options for family in families):
            found[f"model.{name}"] = f"to {' and '.join(sorted({family.title for family in families}))}s"
    if any(run.model.patch_of(name) for name in run.model.names):
        why = "to published models whose names say their patch"
        found |= {"model.base_patch": why, "model.base_grid": why}
    if any(variant(name) for name in run.model.names):
        found["model.head_dim"] = "to published models, which have it"
    return found


def of_shapes(shapes: Iterable[Shape]) -> dict[str, None]:
    """Settings that `of_run` names and that have an effect after all where these shapes are trained."""
    return {"data.resize": None} if any(shape.resolution for shape in shapes) else {}


def of_constant_shape() -> Unused:
    """Those of runs that keep their shape."""
    why = "to runs that keep their shape"
    return {"morph": why, "optim.rewarm_steps": why}


def of_schedule(schedule: Schedule, run: RunConfig) -> Unused:
    """Those of runs by a given schedule that say other than it.

    - schedule: of the runs.
    - run: what they share.
    """
    found: Unused = {}
    named = {run.model.shape(name) for name in run.model.names}
    if not {stage.shape._replace(patch=1, resolution=0) for stage in schedule.stages} <= named:
        found["model.names"] = "to a schedule of other models"
    if run.budget_flops != schedule.budget_flops:
        found["budget_flops"] = f"to a schedule, which ends after {schedule.budget_flops:g} FLOPs"
    own = {"batch_size": "batch_size", "lr": "optim.lr", "weight_decay": "optim.weight_decay"}
    for name, setting in own.items():
        if all(getattr(stage, name) is not None for stage in schedule.stages):
            found[setting] = "to a schedule all of whose stages have their own"
    if len(schedule.stages) == 1:
        found |= of_constant_shape()
    return found


def of_swept(swept: dict[str, tuple]) -> Unused:
    """Settings of the optimiser of which each run has its own.

    swept: values of each by the name that the study gives to the list, e.g. lrs.
    """
    names = {f"{field}s": field for field in OptimConfig.__dataclass_fields__}
    names |= {"lr_heads": "lr_head", "weight_decays_head": "weight_decay_head"}
    return {f"optim.{names[name]}": f"beside {name}" for name, values in swept.items() if values}
