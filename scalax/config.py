"""What a user may set, as plain frozen dataclasses: built by `configs/*.py`, overridden by launch."""

import dataclasses
import typing
from typing import Any, Literal

from scalax import bounds
from scalax.bounds import at_least as at_least
from scalax.bounds import colour as colour
from scalax.bounds import divisors as divisors
from scalax.bounds import inside as inside
from scalax.bounds import positive as positive
from scalax.bounds import share as share
from scalax.errors import UserError, suggest
from scalax.model_config import ModelConfig as ModelConfig
from scalax.model_config import parse_name as parse_name


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where examples come from, and how images are augmented.

    Attributes:
      source: a kind of data: photographs (grey crops, embedded), digits (embedded, 8x8 grey), tfds (a
        dataset by name, or prepared in dir), folder (dir holds a folder of images per class), arrays (dir is
        a .npz with images and labels), text (dir is a text file or a directory of them; empty, it is the
        source of Python's standard library), addition (drawn problems; name is their number of digits), or
        one that is registered (data.register).
      name: name of a TFDS dataset, e.g. cifar10; of some other kinds of data, what they say.
      dir: directory or file of the source; for tfds with a name, the data directory it was prepared in.
      image_size: side in pixels that images are resized to.
      shorter_side: pixels that the shorter side of an image is first resized to, the other in proportion; 0
        leaves that step out.
      fit: how an image becomes a square. crop: its central square, resized; pad: as a whole, made smaller
        where it does not fit but never larger, with black around it.
      background: colour that images with transparent parts are laid on: white, grey, black or #rrggbb.
      normalize: range of the pixels that a model sees. symmetric: -1 to 1; unit: 0 to 1; imagenet, clip: less
        the mean, over the standard deviation, of the colours of that data; auto: what start.weights or
        start.run were trained on, else symmetric.
      context: of text, the tokens that an example predicts; it holds one more.
      train_split: split to train on.
      validation_split: split held out; empty holds out validation_share of the training split.
      validation_share: share of the training split held out where there is no validation split.
      max_train_images: train on so many examples, drawn once and for all; 0 takes all.
      max_validation_images: validate on so many examples, drawn once and for all; 0 takes all.
      classes: names of the classes to keep, in the order of their labels; empty keeps all.
      draw_classes: keep so many classes, the first of an order drawn by class_seed; 0 keeps all.
      class_seed: of the order of draw_classes, and of which images train_per_class and validation_per_class
        take: fewer classes or images are among more.
      train_per_class: train on so many images of each class; 0 takes all.
      validation_per_class: validate on so many images of each class; 0 takes all.
      allow_empty_classes: of folders, keep the class of a folder without images, rather than refuse it.
      crop_padding: of images, pixels of zero padding before the random crop; 0 for no crop.
      flip: mirror half of the training images.
      resize: how images are made smaller for a shape with a resolution of its own: linear, antialiased; or
        frequencies, the lowest alone.
      device_gib: keep a split in memory and on the device up to this size, else decode it as it is read.
    """

    source: str = "digits"
    name: str = ""
    dir: str = ""
    image_size: int = 8
    shorter_side: int = 0
    fit: Literal["crop", "pad"] = "crop"
    background: str = "white"
    normalize: Literal["auto", "symmetric", "unit", "imagenet", "clip"] = "auto"
    context: int = 64
    train_split: str = "train"
    validation_split: str = ""
    validation_share: float = 0.25
    max_train_images: int = 0
    max_validation_images: int = 0
    classes: tuple[str, ...] = ()
    draw_classes: int = 0
    class_seed: int = 0
    train_per_class: int = 0
    validation_per_class: int = 0
    allow_empty_classes: bool = False
    crop_padding: int = 1
    flip: bool = False
    resize: Literal["linear", "frequencies"] = "linear"
    device_gib: float = 8.0

    def __post_init__(self):
        bounds.numbers(self, "data.")
        positive("data.image_size", self.image_size)
        positive("data.context", self.context)
        colour("data.background", self.background)
        at_least("data.crop_padding", self.crop_padding, 0)
        at_least("data.device_gib", self.device_gib, 0)
        at_least("data.max_train_images", self.max_train_images, 0)
        at_least("data.max_validation_images", self.max_validation_images, 0)
        for name in ("shorter_side", "draw_classes", "class_seed", "train_per_class", "validation_per_class"):
            at_least(f"data.{name}", getattr(self, name), 0)
        if self.classes and self.draw_classes:
            raise UserError("data.classes and data.draw_classes are both given; leave one out")
        if len(set(self.classes)) < len(self.classes):
            raise UserError(f"data.classes must be different names, got {', '.join(self.classes)}")
        inside("data.validation_share", self.validation_share, 0.0, 1.0)
        if self.validation_split and self.validation_split == self.train_split:
            raise UserError(
                f"data.validation_split {self.validation_split!r} is the training split; name another, or"
                " leave it empty to hold out data.validation_share"
            )


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """The optimiser, its learning rate along the run, and its weight decay, which is decoupled.

    Attributes:
      name: adam (decay on kernels alone), adamw (decay on every parameter) or sgd (with momentum; decay on
        kernels alone).
      lr: peak learning rate.
      lr_head: multiplies the learning rate of the head.
      schedule: what follows the linear warm-up: constant; cosine to zero over the budget's FLOPs; wsd,
        constant with a linear cooldown to zero at the end of the budget; rsqrt, the inverse square root of
        the step with the same cooldown.
      base_width: of adam and adamw, the width whose learning rate this is: at other widths, kernels that sum
        over the width learn at base_width / width times the rate, and initial values follow
        (maximal-update parametrisation); 0 takes the rate as it is at every width.
      warmup_steps: steps of linear warm-up from zero.
      cooldown_share: share of the budget's FLOPs that the cooldown of wsd and rsqrt takes.
      b1: of adam and adamw, decay of the first moment.
      b2: of adam and adamw, decay of the second moment.
      momentum: of sgd.
      weight_decay: of the body, times the learning rate.
      weight_decay_head: of the head, times the learning rate.
      clip_norm: global norm that gradients are clipped to.
      loss: of images: softmax, cross-entropy over the classes; or sigmoid, the sum over the classes of a
        binary cross-entropy each.
      label_smoothing: share of the target spread evenly over all classes.
      rewarm_steps: steps of linear warm-up from zero after each change of shape.
      on_nonfinite: what a loss or gradient that is not finite does. stop ends the run; skip leaves that step
        out; lower_rate goes back to the last checkpoint and halves the learning rate from there.
    """

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-3
    lr_head: float = 1.0
    base_width: int = 0
    schedule: Literal["constant", "cosine", "wsd", "rsqrt"] = "constant"
    warmup_steps: int = 100
    cooldown_share: float = 0.2
    b1: float = 0.9
    b2: float = 0.999
    momentum: float = 0.9
    weight_decay: float = 0.01
    weight_decay_head: float = 0.01
    clip_norm: float = 1.0
    loss: Literal["softmax", "sigmoid"] = "softmax"
    label_smoothing: float = 0.2
    rewarm_steps: int = 0
    on_nonfinite: Literal["stop", "skip", "lower_rate"] = "stop"

    def __post_init__(self):
        bounds.numbers(self, "optim.")
        positive("optim.lr", self.lr)
        at_least("optim.lr_head", self.lr_head, 0)
        at_least("optim.base_width", self.base_width, 0)
        if self.base_width and self.name == "sgd":
            raise UserError("optim.base_width serves adam and adamw, not sgd; leave it out")
        positive("optim.clip_norm", self.clip_norm)
        at_least("optim.warmup_steps", self.warmup_steps, 0)
        at_least("optim.rewarm_steps", self.rewarm_steps, 0)
        at_least("optim.weight_decay", self.weight_decay, 0)
        at_least("optim.weight_decay_head", self.weight_decay_head, 0)
        inside("optim.cooldown_share", self.cooldown_share, 0.0, 1.0)
        for name in ("b1", "b2", "momentum", "label_smoothing"):
            share(f"optim.{name}", getattr(self, name))
        for name in ("b1", "b2") if self.name == "sgd" else ("momentum",):
            if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                raise UserError(f"optim.{name} does not apply to optim.name {self.name}; leave it out")


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """When a run is evaluated, and by what: its validation data, a few-shot probe of its features, and any
    number of further evaluations.

    Attributes:
      points: evaluations, spaced evenly in log FLOPs.
      first_share: share of the budget at the first of them.
      batch_size: examples evaluated at a time, over all devices.
      shots: images a class that the few-shot probe learns from; 0 leaves the probe out.
      draws: fixed draws of the shots; their mean and standard deviation are recorded.
      ridge: lambda of the probe's ridge regression.
      probe_name: another TFDS dataset for the probe; probe_name and probe_dir empty take the training data.
      probe_dir: directory of that dataset.
      probe_validation_split: its split held out; empty holds out a share.
      keep_scores: keep what is measured of each validation example, at each evaluation (records.read_scores).
      more: further evaluations, objects of scalax.evals, each with a name; to be set in a config file.
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
    keep_scores: bool = False
    more: tuple[Any, ...] = ()

    def __post_init__(self):
        bounds.numbers(self, "eval.")
        at_least("eval.points", self.points, 2)
        inside("eval.first_share", self.first_share, 0.0, 1.0)
        positive("eval.batch_size", self.batch_size)
        at_least("eval.shots", self.shots, 0)
        positive("eval.draws", self.draws)
        positive("eval.ridge", self.ridge)
        for each in self.more:
            if isinstance(each, str):  # from a command line; a file that is read back has their settings
                raise UserError(
                    f"eval.more holds evaluations of scalax.evals, got {each!r}; set it in a config file"
                )


@dataclasses.dataclass(frozen=True)
class StartConfig:
    """Where the parameters of a run begin: at random, or, for fine-tuning, from weights or from another run.

    Attributes:
      weights: a file of published or converted weights (scalax.models.load).
      run: the directory of another run, whose last checkpoint is taken.
      keep_head: take the head too; without it the head begins at random.
    """

    weights: str = ""
    run: str = ""
    keep_head: bool = True

    def __post_init__(self):
        if self.weights and self.run:
            raise UserError(
                "start.weights and start.run are both given; a run begins from one, so leave one out"
            )
        if not (self.weights or self.run or self.keep_head):
            raise UserError(
                "start.keep_head does not apply to a random start; name start.weights or start.run"
            )


@dataclasses.dataclass(frozen=True)
class MorphConfig:
    """How parameters, optimiser state and learning rate follow a change of shape; scalax.morph has the rules.

    Attributes:
      width: what new entries of a wider weight are: normal (drawn with the mean and gamma times the variance
        of the old ones), zero or copy (both leave the function as it was; copy needs a whole factor).
      gamma: variance of the new entries over that of the old; of copies, of the noise that parts them.
      depth: where new blocks go: end, or interleaved with the old ones.
      blocks: what new blocks start as: identity (the function stays), copy (of old blocks; it changes) or
        split (copies that share what the old block did; it changes little).
      moments: optimiser state: zeros (starts anew), carried (as it is; zero first and mean second moments
        for new entries) or scaled (carried, in the units of the gradients of the changed model).
      settle: after a change of stage the learning rate moves from the old stage's to the new stage's, evenly
        in the logs of rate and FLOPs, until total FLOPs reach `settle` times those at the change. 1 changes
        it at once.
    """

    width: Literal["normal", "zero", "copy"] = "normal"
    gamma: float = 0.75
    depth: Literal["end", "interleaved"] = "end"
    blocks: Literal["identity", "copy", "split"] = "identity"
    moments: Literal["zeros", "carried", "scaled"] = "carried"
    settle: float = 5.0

    def __post_init__(self):
        bounds.numbers(self, "morph.")
        at_least("morph.gamma", self.gamma, 0)
        at_least("morph.settle", self.settle, 1)
        for field in dataclasses.fields(self):
            value, choices = getattr(self, field.name), typing.get_args(field.type)
            if choices and value not in choices:
                raise UserError(f"morph.{field.name}: {value!r} is unknown{suggest(value, choices)}")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What every run of a study shares; its schedule and seed are given apart.

    Attributes:
      task: what a batch is and what is learnt from it (scalax.tasks): image_classification, next_token
        or answer.
      batch_size: examples a step, over all devices.
      accumulate: micro-batches that each device's part of a batch is computed in, one after the other, where
        it does not fit into memory at once; the result is that of the whole.
      shard_optimizer: split the optimiser's state over the devices (ZeRO-1); the result is the same.
      population: train runs that differ in seed, learning rate or weight decay as one program. auto decides
        by what is faster (train/population.py).
      budget_flops: training FLOPs of one run, by XLA's count.
      checkpoint_steps: steps between checkpoints; there is one at each change of shape and at the end too.
      cost_note: why XLA's FLOPs may exceed those of products and convolutions by more than 10%. Needed only
        where element-wise work, padding and the like do not explain the difference; such a run is rejected
        without it.
    """

    task: str = "image_classification"
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    start: StartConfig = dataclasses.field(default_factory=StartConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)
    morph: MorphConfig = dataclasses.field(default_factory=MorphConfig)
    batch_size: int = 128
    accumulate: int = 1
    shard_optimizer: bool = False
    population: Literal["auto", "always", "never"] = "auto"
    budget_flops: float = 1e12
    checkpoint_steps: int = 500
    cost_note: str = ""

    def __post_init__(self):
        bounds.numbers(self)
        positive("batch_size", self.batch_size)
        positive("accumulate", self.accumulate)
        positive("budget_flops", self.budget_flops)
        positive("checkpoint_steps", self.checkpoint_steps)

    def resolved(self) -> "RunConfig":
        """With what names of published models, and auto, stand for."""
        return dataclasses.replace(self, model=self.model.resolved(self.data.image_size))
