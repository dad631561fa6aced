"""A model of any name in the train step of runs, fed as runs are."""

import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from scalax import models
from scalax.config import DataConfig, ModelConfig, RunConfig
from scalax.data import Dataset, Splits
from scalax.data.sources import Source
from scalax.errors import UserError
from scalax.models import vit
from scalax.schedule import Shape
from scalax.throughput.spec import Spec
from scalax.train import Setup
from scalax.train import mesh as meshes

BATCHES = 8  # of different images in memory
RATE = 1e-4
CROP_PADDING = 4


class NamedSetup(Setup):
    """A setup whose one shape, `shape`, is the model called `name`."""

    def __init__(self, name: str, config: RunConfig, splits: Splits):
        super().__init__(config, splits)
        self.name = name
        self.shape = Shape(1, 1, 1, "V" if vit.parse(name) else "R")

    def _build(self, shape: Shape, options: dict):
        return models.build(
            self.name,
            self.splits.classes,
            image_size=self.config.data.image_size,
            dtype=jnp.dtype(self.precision),
            **options,
        )


def make_setup(spec: Spec) -> NamedSetup:
    """Of random images, cropped and flipped. Raises UserError for a bad name, image or batch."""
    config = RunConfig(
        data=DataConfig(image_size=spec.image, crop_padding=CROP_PADDING, flip=True),
        model=ModelConfig(precision=spec.precision, attention=spec.attention),
        batch_size=spec.batch,
        cost_note="measured by its products and convolutions",
    )
    meshes.check_batch(meshes.make_mesh(), spec.batch, "--batch")
    models.build(spec.model, spec.classes, image_size=spec.image)
    train = random_images(spec.batch * BATCHES, spec.image, spec.classes)
    return NamedSetup(spec.model, config, Splits(train, train, spec.classes))


def random_images(count: int, size: int, classes: int) -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3), np.uint8)
    labels = rng.integers(0, classes, count, np.int32)
    rows = range(count)
    source = Source("random images", rows, np.array(rows), images.__getitem__, labels.__getitem__, classes)
    return Dataset(source, images, labels, (size, size, 3))


class Training:
    """Steps of a setup. compile_s: of its step. peak_bytes (Memory): of state, data and two steps.

    flops: of products and convolutions in a step, forward and backward.
    """

    def __init__(self, setup: NamedSetup, batch: int):
        self.setup, self.batch = setup, batch
        self.flops = setup.cost(setup.shape, batch).step.flops_matmul
        started = time.perf_counter()
        self.program = setup.step(setup.shape, batch)
        self.compile_s = time.perf_counter() - started
        memory = Memory()
        self.state = setup.new_state(setup.shape, 0)
        self.feed = setup.feed(0, batch)
        self.round(2)
        self.peak_bytes, self.on_device = memory.peak_bytes(), memory.on_device

    def round(self, steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            arguments = (self.setup.dataset(), self.setup.batch(self.feed), self.setup.knobs(RATE))
            self.state, metrics = self.program(self.state, *arguments)
        loss = float(metrics["loss"])
        jax.block_until_ready(self.state)
        seconds = time.perf_counter() - started
        if not np.isfinite(loss):
            raise UserError(f"the loss of {self.setup.name} is {loss}: its speed would mean nothing")
        return seconds


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
