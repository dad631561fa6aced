"""Batches as steps get them, without a model: rows gathered, cropped, mirrored and scaled on the device."""

import time

import jax
from jax.sharding import PartitionSpec as P

from scalax.train import Experiment
from scalax.train import mesh as meshes
from scalax.train.step import local_batch


class Feeding:
    """Batches of an experiment. compile_s: of the program that makes them."""

    def __init__(self, experiment: Experiment, batch: int):
        self.batches, task = experiment.batches, experiment.task
        self.feed = self.batches.feed(0, batch)
        spec = meshes.batched(experiment.mesh).spec

        def prepared(key, dataset, rows):
            raw, keys, _ = local_batch(key, dataset, rows)
            return task.prepare(raw, keys)[0]

        mapped = jax.shard_map(
            prepared, mesh=experiment.mesh, in_specs=(P(), P(), spec), out_specs=spec, check_vma=False
        )
        self.key = jax.random.PRNGKey(0)
        started = time.perf_counter()
        rows = self.batches.next(self.feed)
        self.program = jax.jit(mapped).lower(self.key, self.batches.dataset(), rows).compile()
        self.compile_s = time.perf_counter() - started
        self.round(2)

    def round(self, steps: int) -> float:
        """Make so many batches; returns the seconds that they took."""
        started = time.perf_counter()
        for _ in range(steps):
            images = self.program(self.key, self.batches.dataset(), self.batches.next(self.feed))
        jax.block_until_ready(images)
        return time.perf_counter() - started
