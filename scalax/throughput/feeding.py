"""Batches as steps get them, without a model: rows gathered, cropped, mirrored and scaled on the device."""

import time

import jax
from jax.sharding import PartitionSpec as P

from scalax import data
from scalax.throughput.training import NamedSetup
from scalax.train import mesh as meshes
from scalax.train.step import local_batch


class Feeding:
    """Batches of a setup. compile_s: of the program that makes them."""

    def __init__(self, setup: NamedSetup, batch: int):
        self.setup, self.feed = setup, setup.feed(0, batch)
        mesh, spec = setup.mesh, meshes.batched(setup.mesh).spec
        mapped = jax.shard_map(
            lambda *batch: data.normalise(local_batch(setup.config.data, *batch)[0]),
            mesh=mesh,
            in_specs=(P(), P(), spec),
            out_specs=spec,
            check_vma=False,
        )
        self.key = jax.random.PRNGKey(0)
        started = time.perf_counter()
        rows = setup.batch(self.feed)
        self.program = jax.jit(mapped).lower(self.key, setup.dataset(), rows).compile()
        self.compile_s = time.perf_counter() - started
        self.round(2)

    def round(self, steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            images = self.program(self.key, self.setup.dataset(), self.setup.batch(self.feed))
        jax.block_until_ready(images)
        return time.perf_counter() - started
