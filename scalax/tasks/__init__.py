"""What is learnt: what a batch is, its loss, what is measured of it. Training knows tasks by this alone."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jax import Array

from scalax.config import RunConfig
from scalax.data import Splits
from scalax.errors import UserError
from scalax.registry import Registry
from scalax.schedule import Shape

Batch = Mapping[str, Array]  # raw arrays by name, [b, ...], as the data set holds them


class Task(Protocol):
    """One task on one data set. A kind of task is a file of this package that defines TASK, a `TaskKind`.

    - unit: of an example, in records and speeds: 'images', 'sequences'.
    - input, target: what the model reads and what it should say, of one example.
    - outputs: of the model: classes, or the size of the vocabulary.
    - measured: names of its validation metrics (scalax.metrics).

    One that knows better units for them is Worded, too; one whose examples can be resized is Resizable.
    """

    @property
    def unit(self) -> str: ...
    @property
    def input(self) -> jax.ShapeDtypeStruct: ...
    @property
    def target(self) -> jax.ShapeDtypeStruct: ...
    @property
    def outputs(self) -> int: ...
    @property
    def measured(self) -> tuple[str, ...]: ...

    def describe(self) -> dict[str, int]:
        """What run.json says of the outputs, by the field's name for them."""
        ...

    def model_options(self) -> dict[str, Any]:
        """What models.build needs to know of the data, e.g. image_size."""
        ...

    def prepare(self, batch: Batch, keys: Array | None) -> tuple[Array, Array]:
        """(inputs [b, ...], targets [b, ...]) of raw examples, on the device; augmented by `keys` [b], one an
        example, for training, and as they are without."""
        ...

    def loss(self, outputs: Array, targets: Array) -> Array:
        """What training minimises: a scalar, the mean over the batch."""
        ...

    def scores(self, outputs: Array, targets: Array) -> dict[str, Array]:
        """What validation keeps of each example, by name: [b] each."""
        ...

    def metrics(self, scores: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Values of `measured`, from the scores [n] of all examples."""
        ...


@runtime_checkable
class Worded(Protocol):
    """A task that says of some metrics, by name, a unit that is more exact than the one in scalax.metrics."""

    @property
    def units(self) -> Mapping[str, str]: ...


@runtime_checkable
class Resizable(Protocol):
    """A task whose models may see its examples at another resolution; a task without this sees them as they
    are."""

    def at_resolution(self, resolution: int) -> Task:
        """The same task with examples of so many pixels a side, itself where they have these. Raises
        UserError where there is no such one."""
        ...


def of_shape(task: Task, shape: Shape) -> Task:
    """The task as a model of this shape sees it: its input, model_options and prepare are at the shape's
    resolution.

    Raises UserError where there is none of that resolution.
    """
    if not shape.resolution:
        return task
    if not isinstance(task, Resizable):
        raise UserError(
            f"shape {shape}: the task {type(task).__name__} has no images to resize; leave out its resolution"
            f" {shape.resolution}"
        )
    try:
        return task.at_resolution(shape.resolution)
    except UserError as e:
        raise UserError(f"shape {shape}: {e}") from None


class TaskKind(NamedTuple):
    """open: from a run's config and its data to the task."""

    name: str
    open: Callable[[RunConfig, Splits], Task]


TASKS: Registry[TaskKind] = Registry("task", "scalax.tasks", "TASK")


def register(kind: TaskKind) -> TaskKind:
    """Add a kind of task, for RunConfig.task to name."""
    return TASKS.register(kind)


def open_task(config: RunConfig, splits: Splits) -> Task:
    """Raises UserError where config.task is unknown, or the data do not serve it."""
    return TASKS.get(config.task).open(config, splits)
