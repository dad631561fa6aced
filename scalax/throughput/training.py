"""A model of any name in the train step of runs, fed as runs are."""

import functools
import time
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from scalax import models
from scalax.config import DataConfig, ModelConfig, RunConfig
from scalax.data import Dataset, Source, Splits
from scalax.errors import UserError
from scalax.schedule import Shape
from scalax.throughput.spec import Spec
from scalax.train import Experiment, open_experiment
from scalax.train import mesh as meshes
from scalax.train.rates import hyperparams

BATCHES = 8  # of different images in memory
LR = 1e-4
CROP_PADDING = 4
SHAPE = Shape(1, 1, 1)  # stands for the one model there is


def open_random(spec: Spec) -> Experiment:
    """Of random images, cropped and flipped; SHAPE is the model called `spec.model`.

    Raises UserError for a bad name, image or batch.
    """
    config = RunConfig(
        data=DataConfig(image_size=spec.image, crop_padding=CROP_PADDING, flip=True),
        model=ModelConfig(precision=spec.precision, attention=spec.attention),
        batch_size=spec.batch,
        cost_note="measured by its products and convolutions",
    )
    meshes.check_batch(meshes.make_mesh(), spec.batch, "batch")
    family, _ = models.find(spec.model)
    models.build(spec.model, spec.classes, image_size=spec.image)
    train = random_images(spec.batch * BATCHES, spec.image, spec.classes)

    def build(shape: Shape, training: bool) -> nn.Module:
        options: dict[str, Any] = {"dtype": jnp.dtype(experiment.precision)}
        if training and "attention" in family.options:
            options["attention"] = spec.attention
        return models.build(spec.model, spec.classes, image_size=spec.image, **options)

    experiment = open_experiment(config, Splits(train, train, spec.classes), build)
    return experiment


def random_images(count: int, size: int, classes: int) -> Dataset:
    """Random uint8 images with 3 channels, and labels.

    - count: of images.
    - size: side in pixels.
    - classes: of labels.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3), np.uint8)
    labels = rng.integers(0, classes, count, np.int32)
    rows = range(count)
    source = Source(
        "random images", rows, np.array(rows), lambda i: {"image": images[i]}, classes, labels.__getitem__
    )
    return Dataset(source, {"image": images, "label": labels})


class Training:
    """Steps of an experiment that `open_random` made.

    - experiment: of open_random.
    - name: of the model.
    - batch: examples a step.
    - lr: the learning rate.
    - warm: make two steps at once, so that the first round meets nothing new.
    - flops: of products and convolutions in a step, forward and backward.
    - compile_s: of its step. peak_bytes (Memory): of state, data and two steps.
    """

    def __init__(self, experiment: Experiment, name: str, batch: int, lr: float = LR, warm: bool = True):
        programs, self.batches, self.name = experiment.programs, experiment.batches, name
        self._experiment, self._batch = experiment, batch
        self.rates = hyperparams(lr, [experiment.config.optim])
        started = time.perf_counter()
        self.program = programs.step(SHAPE, batch)
        self.compile_s = time.perf_counter() - started
        memory = Memory()
        self.state = programs.new_state(SHAPE, 0)
        self.feed = self.batches.feed(0, batch)
        if warm:
            self.round(2)
        self.peak_bytes, self.on_device = memory.peak_bytes(), memory.on_device

    @functools.cached_property
    def flops(self) -> float:
        return self._experiment.cost(SHAPE, self._batch).step.flops_matmul

    def round(self, steps: int) -> float:
        """Make so many steps; returns the seconds that they took."""
        started = time.perf_counter()
        for _ in range(steps):
            loss = self._start_step()
        loss = float(loss)
        jax.block_until_ready(self.state)
        seconds = time.perf_counter() - started
        if not np.isfinite(loss):
            raise UserError(f"{self.name}: the loss is {loss}, so its speed means nothing; report this")
        return seconds

    def step(self) -> float:
        """Make one step; returns its loss."""
        return float(self._start_step())

    def _start_step(self) -> jax.Array:
        arguments = (self.batches.dataset(), self.batches.next(self.feed), self.rates)
        self.state, metrics = self.program(self.state, *arguments)
        return metrics["loss"]


class Memory:
    """Peak memory since it was made: of a device where its backend says so, else, on Linux, by how much the
    resident memory of this process grew."""

    def __init__(self):
        self.on_device = bool(jax.local_devices()[0].memory_stats())
        reset = Path("/proc/self/clear_refs")
        self._before = None
        if not self.on_device and reset.exists():
            reset.write_text("5")  # the peak starts anew
            self._before = _resident("VmRSS")

    def peak_bytes(self) -> int | None:
        if self.on_device:
            return max((device.memory_stats() or {})["peak_bytes_in_use"] for device in jax.local_devices())
        return None if self._before is None else _resident("VmHWM") - self._before


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
