"""What a user may set, as plain frozen dataclasses: built by `configs/*.py`, overridden by launch."""

import dataclasses
import math
import re
from typing import ClassVar, Literal

from scalax.errors import UserError
from scalax.schedule import Shape

LEAST_POINTS = 6  # of a curve, for a law of four parameters


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where images and labels come from, and how they are augmented.

    Attributes:
      source: digits (embedded, 8x8 grey), tfds (a dataset by name, or prepared in dir), folder (dir holds
        a folder of images per class), arrays (dir is a .npz with images and labels).
      name: name of a TFDS dataset, e.g. cifar10.
      dir: directory or file of the source; for tfds with a name, the data directory it was prepared in.
      image_size: side in pixels that images are resized to.
      train_split: split to train on.
      validation_split: split held out; empty holds out validation_share of the training split.
      validation_share: share of the training split held out where there is no validation split.
      max_train_images: train on so many images, drawn once and for all; 0 takes all.
      max_validation_images: validate on so many images, drawn once and for all; 0 takes all.
      crop_padding: pixels of zero padding before the random crop; 0 for no crop.
      flip: mirror half of the training images.
      device_gib: keep a split in memory and on the device up to this size, else decode it as it is read.
    """

    source: Literal["digits", "tfds", "folder", "arrays"] = "digits"
    name: str = ""
    dir: str = ""
    image_size: int = 8
    train_split: str = "train"
    validation_split: str = ""
    validation_share: float = 0.25
    max_train_images: int = 0
    max_validation_images: int = 0
    crop_padding: int = 1
    flip: bool = False
    device_gib: float = 8.0

    def __post_init__(self):
        _positive("data.image_size", self.image_size)
        _at_least("data.crop_padding", self.crop_padding, 0)
        _at_least("data.max_train_images", self.max_train_images, 0)
        _at_least("data.max_validation_images", self.max_validation_images, 0)
        _between("data.validation_share", self.validation_share, 0.0, 1.0)
        if self.validation_split and self.validation_split == self.train_split:
            raise UserError(
                f"data.validation_split {self.validation_split!r} is the training split; name another, or"
                " leave it empty to hold out data.validation_share"
            )
        if self.source in ("folder", "arrays") and not self.dir:
            raise UserError(f"data.dir is empty; --data.source {self.source} needs --data.dir PATH")
        if self.source == "tfds" and not (self.dir or self.name):
            raise UserError("data.dir and data.name are empty; --data.source tfds needs one of them")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The models of a study, without their patch sizes.

    Attributes:
      names: V{width}-{depth}, e.g. V64-4.
      base_patch: patch size, in pixels, at which the patch kernel's parameters live; it is resized for
        the patch size in use.
      base_grid: side of the grid at which the position embeddings live; likewise resized.
      precision: auto is bfloat16 compute on accelerators and float32 on CPU; parameters are float32.
    """

    names: tuple[str, ...] = ("V64-4",)
    base_patch: int = 4
    base_grid: int = 4
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self):
        _positive("model.base_patch", self.base_patch)
        _positive("model.base_grid", self.base_grid)
        if not self.names:
            raise UserError("model.names is empty; name at least one model, e.g. --model.names V64-4")
        for name in self.names:
            parse_name(name)

    def shape(self, name: str, patch: int) -> Shape:
        width, depth = parse_name(name)
        return Shape(patch, width, depth)


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """Adam (0.9, 0.999) with decoupled weight decay.

    Attributes:
      lr: peak learning rate.
      schedule: what follows the linear warm-up: constant; cosine to zero over the budget's FLOPs; rsqrt,
        the inverse square root of the step with a linear cooldown to zero at the end of the budget.
      warmup_steps: steps of linear warm-up from zero.
      cooldown_share: share of the budget's FLOPs that the cooldown of rsqrt takes.
      weight_decay: of all kernels but the head's, times the learning rate.
      weight_decay_head: of the head's kernel, times the learning rate.
      clip_norm: global norm that gradients are clipped to.
      label_smoothing: share of the target spread evenly over all classes.
    """

    lr: float = 1e-3
    schedule: Literal["constant", "cosine", "rsqrt"] = "constant"
    warmup_steps: int = 100
    cooldown_share: float = 0.2
    weight_decay: float = 0.01
    weight_decay_head: float = 0.01
    clip_norm: float = 1.0
    label_smoothing: float = 0.2

    def __post_init__(self):
        _positive("optim.lr", self.lr)
        _positive("optim.clip_norm", self.clip_norm)
        _at_least("optim.warmup_steps", self.warmup_steps, 0)
        _at_least("optim.weight_decay", self.weight_decay, 0)
        _at_least("optim.weight_decay_head", self.weight_decay_head, 0)
        _between("optim.cooldown_share", self.cooldown_share, 0.0, 1.0)
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"optim.label_smoothing must be in [0, 1), got {self.label_smoothing}")


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """When a run is evaluated, and the few-shot probe on its frozen features.

    Attributes:
      points: evaluations, spaced evenly in log FLOPs.
      first_share: share of the budget at the first of them.
      batch_size: images evaluated at a time, over all devices.
      shots: images a class that the probe learns from; 0 leaves the probe out.
      draws: fixed draws of the shots; their mean and standard deviation are recorded.
      ridge: lambda of the probe's ridge regression.
      probe_name: another TFDS dataset for the probe; probe_name and probe_dir empty take the training data.
      probe_dir: directory of that dataset.
      probe_validation_split: its split held out; empty holds out a share.
    """

    points: int = 24
    first_share: float = 0.01
    batch_size: int = 512
    shots: int = 10
    draws: int = 5
    ridge: float = 1e-2
    probe_name: str = ""
    probe_dir: str = ""
    probe_validation_split: str = ""

    def __post_init__(self):
        _at_least("eval.points", self.points, 2)
        _between("eval.first_share", self.first_share, 0.0, 1.0)
        _positive("eval.batch_size", self.batch_size)
        _at_least("eval.shots", self.shots, 0)
        _positive("eval.draws", self.draws)
        _positive("eval.ridge", self.ridge)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What every run of a study shares; its schedule and seed are given apart.

    Attributes:
      batch_size: images a step, over all devices.
      budget_flops: training FLOPs of one run, by XLA's count.
      checkpoint_steps: steps between checkpoints; there is one at each change of shape and at the end too.
      cost_note: the reason why XLA's FLOPs may exceed those of products and convolutions by over 10%, where
        counted element-wise work, padding and the like do not explain it; empty refuses such a run.
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)
    batch_size: int = 128
    budget_flops: float = 1e12
    checkpoint_steps: int = 500
    cost_note: str = ""

    def __post_init__(self):
        _positive("batch_size", self.batch_size)
        _positive("budget_flops", self.budget_flops)
        _positive("checkpoint_steps", self.checkpoint_steps)


@dataclasses.dataclass(frozen=True)
class AdaptivePatchConfig(RunConfig):
    """Static runs at each patch size, their laws, and one run that changes its patch size by them.

    Attributes:
      name: names the default output directory, runs/NAME.
      patches: patch sizes in pixels.
      seeds: each static shape and the schedule are trained once a seed.
      metric: what the laws describe. Errors are shares of images, val_loss is cross-entropy in nats.
      law_points: points evenly spaced in log FLOPs that each law is fitted to.
      law_first_share: measurements before this share of the budget are left out of the laws (warm-up).
      targets: how many values of the metric the comparison is made at.
    """

    study: ClassVar[str] = "adaptive_patch"
    name: str = "adaptive_patch"
    patches: tuple[int, ...] = (4, 2, 1)
    seeds: tuple[int, ...] = (0,)
    metric: Literal["val_error", "val_loss", "fewshot_error"] = "val_error"
    law_points: int = 40
    law_first_share: float = 0.02
    targets: int = 5

    def __post_init__(self):
        super().__post_init__()
        if len(self.patches) < 2 or len(set(self.patches)) < len(self.patches):
            raise UserError(f"patches must be two or more different sizes, got {self.patches}")
        for patch in self.patches:
            _positive("patches", patch)
            if self.data.image_size % patch:
                raise UserError(
                    f"patches: {patch} does not divide data.image_size {self.data.image_size};"
                    f" choose from {divisors(self.data.image_size)}"
                )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds must be one or more different numbers, got {self.seeds}")
        if self.metric == "fewshot_error" and not self.eval.shots:
            raise UserError("metric fewshot_error needs eval.shots of 1 or more, got 0")
        if any(not 0 <= seed < 1000 for seed in self.seeds):
            raise UserError(f"seeds must lie in 0..999, got {self.seeds}")
        _at_least("law_points", self.law_points, 8)
        _between("law_first_share", self.law_first_share, 0.0, 1.0)
        usable = math.log(self.law_first_share) / math.log(self.eval.first_share) * (self.eval.points - 1)
        if usable < LEAST_POINTS:
            raise UserError(
                f"eval.points {self.eval.points}: about {usable:.0f} evaluations after law_first_share"
                f" {self.law_first_share:g} are too few for a law; raise it to have {LEAST_POINTS}"
            )
        _positive("targets", self.targets)


def parse_name(name: str) -> tuple[int, int]:
    """(width, depth) of V{width}-{depth}."""
    match = re.fullmatch(r"V(\d+)-(\d+)", name)
    if not match or not int(match[1]) or not int(match[2]):
        raise UserError(f"model.names: {name!r} is not V{{width}}-{{depth}}, e.g. V64-4")
    width, depth = int(match[1]), int(match[2])
    if width % max(1, width // 64):
        raise UserError(f"model.names: width {width} of {name!r} does not split into {width // 64} heads")
    return width, depth


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def run_settings(config: RunConfig) -> dict:
    """What a single run depends on, in JSON form: a study may change the rest and keep its runs."""
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(RunConfig)}
    for part in ("data", "model", "optim", "eval"):
        settings[part] = dataclasses.asdict(settings[part])
    del settings["model"]["names"]
    return settings


def differences(ours: dict, theirs: dict, prefix: str = "") -> list[str]:
    """Names of the settings, dotted, whose values differ between two configs in JSON form."""
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif (list(a) if isinstance(a, tuple) else a) != b:
            found.append(f"{prefix}{key} (here {a}, there {b})")
    return found


def _positive(name: str, value: float) -> None:
    if not value > 0 or not math.isfinite(value):
        raise UserError(f"{name} must be positive, got {value}")


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least or not math.isfinite(value):
        raise UserError(f"{name} must be at least {least}, got {value}")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise UserError(f"{name} must lie between {low:g} and {high:g}, got {value}")
