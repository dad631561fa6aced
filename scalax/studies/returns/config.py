"""Settings of a study of return curves, and the tasks that they make."""

import dataclasses
from typing import Literal, NamedTuple

from scalax import bounds
from scalax.config import DataConfig, RunConfig, at_least, inside, positive
from scalax.errors import UserError
from scalax.names import file_name

NOT_OF_THE_RUN = ("classes", "draw_classes", "train_per_class", "validation_per_class")  # the study sets them


class Task(NamedTuple):
    """name: of its runs. given: its place in the sequence, from 1. data: of its runs."""

    name: str
    given: int
    classes: int
    train_per_class: int
    data: DataConfig


@dataclasses.dataclass(frozen=True)
class ReturnsConfig:
    """Architectures trained with several budgets on tasks of growing difficulty.

    Attributes:
      run: what all runs share. Its model.names are the architectures, its data what tasks are made of.
      name: names the default output directory, runs/NAME.
      patches: patch size in pixels of the architectures that have patches, one for all or one for each.
      base_flops: the smallest budget of each architecture, in training FLOPs.
      ratios: all budgets of an architecture over its smallest, from 1 up.
      counted: what a step costs. fused: products and convolutions, padding counted, no optimiser, and the
        attention scores that a fused kernel computes anew in its backward pass; matmul: without these; xla:
        by XLA's count of the whole step, as in other studies.
      lrs: learning rate of each architecture; empty takes optim.lr.
      weights: file of published weights that each architecture starts from; empty starts all at random.
      classes: names of classes, of which each task has the first; empty draws their order by
        data.class_seed.
      task_classes: number of classes of each task, each task's classes among the next one's.
      train_images: of every task, shared out among its classes; 0 takes all.
      images_per_class: training images a class of each task; empty shares train_images out evenly.
      validation_per_class: validation images of each class; 0 takes all.
      sets: directories of data sets below data.dir, one a task, in place of task_classes.
      set_classes: number of classes of each of `sets`; of a set that has more, so many are drawn.
      channels: of the images: 3, or 1 for grey arrays and digits.
      difficulty: of a task. classes: log2 of their number; probe: error of a ridge regression on pixels;
        given: its place in the sequence.
      seeds: each is a run of its own.
      resamples: of the bootstrap over seeds and validation images.
      confidence: of all intervals.
    """

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    name: str = "returns"
    patches: tuple[int, ...] = (16,)
    base_flops: tuple[float, ...] = (1e12,)
    ratios: tuple[float, ...] = (1.0, 3.0, 6.0)
    counted: Literal["fused", "matmul", "xla"] = "fused"
    lrs: tuple[float, ...] = ()
    weights: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    task_classes: tuple[int, ...] = (5, 10, 15, 20, 25, 30)
    train_images: int = 3250
    images_per_class: tuple[int, ...] = ()
    validation_per_class: int = 50
    sets: tuple[str, ...] = ()
    set_classes: tuple[int, ...] = ()
    channels: int = 3
    difficulty: Literal["classes", "probe", "given"] = "classes"
    seeds: tuple[int, ...] = (0,)
    resamples: int = 2000
    confidence: float = 0.95

    def __post_init__(self):
        bounds.numbers(self)
        self._check_architectures()
        self._check_tasks()
        at_least("resamples", self.resamples, 100)
        inside("confidence", self.confidence, 0.5, 1.0)
        positive("channels", self.channels)
        bounds.seeds("seeds", self.seeds)

    def _check_architectures(self) -> None:
        names = self.run.model.names
        for setting in ("base_flops", "lrs", "weights"):
            values = getattr(self, setting)
            if len(values) != len(names) and (values or setting == "base_flops"):
                raise UserError(
                    f"{setting} has {len(values)} values, model.names {len(names)}; give one for each"
                )
        if len(self.patches) not in (1, len(names)):
            raise UserError(
                f"patches has {len(self.patches)} values; give one for all architectures or for each"
            )
        for setting in ("base_flops", "lrs", "patches"):
            for value in getattr(self, setting):
                positive(setting, value)
        if len(self.ratios) < 2:
            raise UserError(f"ratios {self.ratios}: returns need two budgets or more; add one")
        if self.ratios[0] != 1 or list(self.ratios) != sorted(set(self.ratios)):
            raise UserError(f"ratios must begin with 1 and increase, got {self.ratios}")
        if self.run.budget_flops != RunConfig.budget_flops:
            raise UserError("budget_flops does not apply: budgets are base_flops times ratios")
        if self.run.start.weights or self.run.start.run:
            raise UserError("start does not apply: give a file for each architecture in weights")

    def _check_tasks(self) -> None:
        data, count = self.run.data, len(self.sets or self.task_classes)
        for setting in NOT_OF_THE_RUN:
            if getattr(data, setting):
                raise UserError(f"data.{setting} does not apply: tasks have classes and images of their own")
        if count < 2:
            raise UserError(
                f"{'sets' if self.sets else 'task_classes'}: returns need two tasks or more; add one"
            )
        if self.sets and len(self.set_classes) != count:
            raise UserError(
                f"set_classes has {len(self.set_classes)} values, sets {count}; give one for each"
            )
        if self.set_classes and not self.sets:
            raise UserError("set_classes does not apply without sets; leave it out")
        if len(set(zip(self.sets, self.set_classes, strict=True))) < len(self.sets):
            raise UserError(f"sets must differ in directory or classes, got {', '.join(self.sets)}")
        if self.images_per_class and len(self.images_per_class) != count:
            raise UserError(
                f"images_per_class has {len(self.images_per_class)} values for {count} tasks; give one for"
                " each"
            )
        classes = self.set_classes or self.task_classes
        for number in classes:
            at_least("set_classes" if self.sets else "task_classes", number, 2)
        if not self.sets and list(classes) != sorted(set(classes)):
            raise UserError(f"task_classes must increase, got {classes}")
        if self.classes and self.sets:
            raise UserError("classes does not apply to sets; leave it out")
        if self.classes and len(self.classes) < classes[-1]:
            raise UserError(
                f"classes names {len(self.classes)}, and task_classes asks for {classes[-1]}; name more"
            )
        for number in self.images_per_class:
            at_least("images_per_class", number, 1)
        if 0 < self.train_images < max(classes) and not self.images_per_class:
            raise UserError(
                f"train_images {self.train_images} are fewer than the {max(classes)} classes; raise it"
            )

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Places in `ratios` of the larger and the smaller budget of each pair, the farthest apart first."""
        places = range(len(self.ratios))
        found = [(high, low) for low in places for high in places if high > low]
        return sorted(found, key=lambda pair: self.ratios[pair[1]] / self.ratios[pair[0]])

    def pair_name(self, pair: tuple[int, int]) -> str:
        """'6:1', as the paper writes it."""
        high, low = pair
        return f"{self.ratios[high] / self.ratios[low]:g}:1"

    def tasks(self) -> list[Task]:
        """In the order given."""
        counts = self.set_classes or self.task_classes
        per_class = self.images_per_class or tuple(self._share(number) for number in counts)
        rows = zip(counts, per_class, range(1, len(counts) + 1), strict=True)
        return [self._of_set(*row) if self.sets else self._of_classes(*row) for row in rows]

    def _share(self, classes: int) -> int:
        """Of train_images, a class; 0, which takes all, where it is 0."""
        return int(self.train_images / classes + 0.5)

    def _of_classes(self, classes: int, per_class: int, given: int) -> Task:
        named = {"classes": self.classes[:classes]} if self.classes else {"draw_classes": classes}
        return Task(f"{classes}classes", given, classes, per_class, self._data(per_class, **named))

    def _of_set(self, classes: int, per_class: int, given: int) -> Task:
        name = self.sets[given - 1]
        short = name.strip("/").partition("/")[0]
        if self.sets.count(name) > 1:
            short = f"{short}{classes}"
        elif sum(each.strip("/").partition("/")[0] == short for each in self.sets) > 1:
            short = file_name(name)
        where = f"{self.run.data.dir.rstrip('/')}/{name}" if self.run.data.dir else name
        data = self._data(per_class, dir=where, draw_classes=classes)
        return Task(short, given, classes, per_class, data)

    def _data(self, per_class: int, **changes: object) -> DataConfig:
        limits = {"train_per_class": per_class, "validation_per_class": self.validation_per_class}
        return dataclasses.replace(self.run.data, **{**limits, **changes})
