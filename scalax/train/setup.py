"""What the runs of a study share: devices, data on them, and one compiled program per shape."""

import copy
import dataclasses
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from scalax import cost, data, models, morph
from scalax.config import EvalConfig, RunConfig
from scalax.cost.model import forward_flops
from scalax.data import Dataset, Splits
from scalax.errors import UserError
from scalax.schedule import Shape
from scalax.train import mesh as meshes
from scalax.train import state as states
from scalax.train.optimizer import Knobs, make_optimizer
from scalax.train.step import check_accumulate, make_predict, make_train_step, update
from scalax.train.timeline import StepCost

CHANGE = 2**32 - 2  # folded into a step's key for a change of shape
TOLERANCE = 0.1  # share of XLA's count


class Cost(NamedTuple):
    """One shape's training step at the global batch, and its forward pass for one image (weights resized
    to the patch in use count in the step alone)."""

    step: StepCost
    explained: dict[str, float]  # XLA's FLOPs by name: products and convolutions, element-wise work, ...
    reason: str  # why the two counts of `step` differ, where they do by over 10%
    forward_macs: float
    params: int

    def to_json(self) -> dict:
        return {**self._asdict(), "step": self.step._asdict()}


class Once:
    """Values by key, each made once: threads that ask for one that is being made wait for it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._made: dict[Hashable, Future] = {}

    def __call__(self, key: Hashable, make: Callable[[], Any]) -> Any:
        with self._lock:
            mine = key not in self._made
            future = self._made.setdefault(key, Future())
        if mine:
            try:
                future.set_result(make())
            except BaseException as e:
                with self._lock:
                    del self._made[key]  # the next to ask may have more luck
                future.set_exception(e)
        return future.result()


class Setup:
    """Programs and device data for runs of `config` on `splits`, each made once and when first needed.

    Programs may be asked for in one thread while another trains.
    """

    def __init__(self, config: RunConfig, splits: Splits):
        self.config = config
        self.splits = splits
        self.mesh = meshes.make_mesh()
        meshes.check_batch(self.mesh, config.eval.batch_size, "eval.batch_size")
        self.optimizer = make_optimizer(config.optim)
        self.precision = config.model.precision
        if self.precision == "auto":
            self.precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
        self._once = Once()

    def evaluated(self, evaluation: EvalConfig) -> "Setup":
        """The same programs, for runs that are evaluated otherwise."""
        other = copy.copy(self)
        fields = dataclasses.fields(RunConfig)  # of no study, which asks for more evaluations
        own: dict[str, Any] = {field.name: getattr(self.config, field.name) for field in fields}
        own["eval"] = evaluation
        other.config = RunConfig(**own)
        return other

    def model(self, shape: Shape) -> nn.Module:
        """The module that is trained, with the config's options."""
        config = self.config.model
        options = {name: getattr(config, name) for name in ("scan", "remat", "dropout", "drop_path")}
        if shape.family == "V":
            options["attention"] = config.attention
        return self._build(shape, {name: value for name, value in options.items() if value})

    def _build(self, shape: Shape, options: dict) -> nn.Module:
        return models.build(
            str(shape),
            self.splits.classes,
            image_size=self.config.data.image_size,
            dtype=jnp.dtype(self.precision),
            **self.config.model.options(shape.family),
            **options,
        )

    def new_state(self, shape: Shape, seed: int | Sequence[int]) -> states.TrainState:
        """The state before the first step; a sequence of seeds makes a population of as many runs."""
        shardings = self._shardings(shape, None if isinstance(seed, int) else len(seed))
        return states.create(self.model(shape), self.optimizer, self.splits.image_shape, seed, shardings)

    def abstract_state(self, shape: Shape, members: int | None = None) -> states.TrainState:
        """Shapes, types and shardings of `new_state`."""
        state = states.abstract(self.model(shape), self.optimizer, self.splits.image_shape, members)
        check_accumulate(self.config.accumulate, state.model_state)
        shardings = meshes.state_shardings(self.mesh, state, self.config.shard_optimizer, members)
        return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), state, shardings)

    def _shardings(self, shape: Shape, members: int | None):
        return jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state(shape, members))

    def dataset(self):
        """The training images and labels on every device, or () where they are fed from the host."""
        train = self.splits.train
        if train.images is None:
            return ()
        return self._once("dataset", lambda: meshes.replicate(self.mesh, (train.images, train.labels)))

    def feed(self, seed: int | Sequence[int], batch_size: int, first: int = 0):
        """This process's part of the batches of one run, or of each run of a population, from image number
        `first` of their order on (data.feed)."""
        share = (jax.process_index(), jax.process_count())
        return data.feed(self.splits.train, batch_size, seed, *share, first=first)

    def batch(self, feed: Iterator):
        """The next batch of `feed`, for the step: with one process the program itself places host arrays, at
        a fraction of the time that placing them first would take."""
        arrays = next(feed)
        if jax.process_count() == 1:
            return arrays
        rows = arrays["label"] if isinstance(arrays, dict) else arrays
        return meshes.split(self.mesh, arrays, axis=rows.ndim - 1)

    def knobs(self, rate, decay=None, decay_head=None) -> Knobs:
        """Knobs as host arrays from numbers, or from [M] numbers each for a population; decays that are left
        out are the config's."""
        optim = self.config.optim
        decay = optim.weight_decay if decay is None else decay
        decay_head = optim.weight_decay_head if decay_head is None else decay_head
        return Knobs(*(np.full(np.shape(rate), x, np.float32) for x in (rate, decay, decay_head)))

    def step(
        self, shape: Shape, batch_size: int, members: int | None = None, skip_nonfinite: bool = False
    ) -> Callable:
        """The compiled train step (train.step.make_train_step), for a population with `members`."""

        def compiled():
            config, lead = self.config, () if members is None else (members,)
            meshes.check_batch(self.mesh, batch_size, "batch_size", config.accumulate)
            batched = meshes.batched(self.mesh, len(lead))
            knob = jax.ShapeDtypeStruct(lead, jnp.float32, sharding=meshes.replicated(self.mesh))
            rows = jax.ShapeDtypeStruct((*lead, batch_size), jnp.int32, sharding=batched)
            dataset, batch = (), rows
            if self.splits.train.images is not None:
                whole = (self.splits.train.images, self.splits.train.labels)
                dataset = jax.tree.map(lambda x: _like(x, meshes.replicated(self.mesh)), whole)
            else:
                batch = {"image": self._images(batched, (*lead, batch_size)), "label": rows}
            jitted = make_train_step(
                self.model(shape), self.optimizer, config, self.mesh, members, skip_nonfinite
            )
            state = self.abstract_state(shape, members)
            return jitted.lower(state, dataset, batch, Knobs(knob, knob, knob)).compile()

        return self._once(("step", shape, batch_size, members, skip_nonfinite), compiled)

    def _images(self, sharding, lead: tuple[int, ...]) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((*lead, *self.splits.image_shape), jnp.uint8, sharding=sharding)

    def cost(self, shape: Shape, batch_size: int | None = None) -> Cost:
        """FLOPs of one training step, from shapes alone. batch_size: the config's where it is not given.

        Raises UserError where XLA's count and that of products and convolutions differ by over 10%, and
        neither the work that is counted beside them nor config.cost_note gives the reason.
        """
        batch = batch_size or self.config.batch_size
        return self._once(("cost", shape, batch), lambda: self._count(shape, batch))

    def _count(self, shape: Shape, batch_size: int) -> Cost:
        config = self.config
        meshes.check_batch(self.mesh, batch_size, "batch_size", config.accumulate)
        model = self._build(shape, {})  # no option of training changes what a step costs
        image_shape = self.splits.image_shape
        state = states.abstract(model, self.optimizer, image_shape)
        check_accumulate(config.accumulate, state.model_state)  # before anything compiles
        images = jax.ShapeDtypeStruct((batch_size, *image_shape), jnp.float32)
        labels = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
        knob = jax.ShapeDtypeStruct((), jnp.float32)
        knobs = Knobs(knob, knob, knob)

        def train_step(state, images, labels, knobs):
            return update(model, self.optimizer, config.optim.label_smoothing, state, images, labels, knobs)

        counted = cost.count(train_step, state, images, labels, knobs)
        xla = cost.xla_flops(train_step, state, images, labels, knobs)
        explained = cost.reconcile(counted, xla)
        one = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
        forward = forward_flops(model, {"params": state.params, **state.model_state}, one)
        macs = (forward["embedding"] + forward["blocks"] + forward["head"]) / 2
        params = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(state.params))
        reason = _reason(shape, StepCost(xla, counted.matmul), explained, config.cost_note)
        return Cost(StepCost(xla, counted.matmul), explained, reason, macs, params)

    def check_change(self, before: Shape, after: Shape) -> None:
        """Raises UserError where the one cannot become the other."""
        if before != after:
            changed, state = self._changed(before, after), self.abstract_state(before)
            self._once(("check", before, after), lambda: jax.eval_shape(changed, state))

    def change(self, before: Shape, after: Shape, members: int | None = None) -> Callable:
        """The compiled change of shape (morph.change), from state to state, by the run's own random key."""
        if before == after:
            return lambda state: state

        def compiled():
            changed = self._changed(before, after)
            program = changed if members is None else jax.vmap(changed)
            jitted = jax.jit(program, out_shardings=self._shardings(after, members))
            return jitted.lower(self.abstract_state(before, members)).compile()

        return self._once(("change", before, after, members), compiled)

    def _changed(self, before: Shape, after: Shape) -> Callable:
        def changed(state: states.TrainState) -> states.TrainState:
            key = jax.random.fold_in(jax.random.fold_in(state.seed_key, state.step), CHANGE)
            params, model_state, opt_state = morph.change(
                self.model(before),
                self.model(after),
                state.params,
                state.model_state,
                state.opt_state,
                key,
                self.config.morph,
                self.splits.image_shape,
            )
            return state._replace(params=params, model_state=model_state, opt_state=opt_state)

        return changed

    def prepare_predict(self, shape: Shape) -> Callable:
        """The compiled evaluation step (train.step.make_predict)."""

        def compiled():
            everywhere, batched = meshes.replicated(self.mesh), meshes.batched(self.mesh)
            state = states.abstract(self.model(shape), self.optimizer, self.splits.image_shape)
            variables = jax.tree.map(lambda x: _like(x, everywhere), (state.params, state.model_state))
            rows = (self.config.eval.batch_size,)
            labels = jax.ShapeDtypeStruct(rows, jnp.int32, sharding=batched)
            jitted = make_predict(self.model(shape), self.mesh)
            return jitted.lower(*variables, self._images(batched, rows), labels).compile()

        return self._once(("predict", shape, self.config.eval.batch_size), compiled)

    def predictor(self, shape: Shape, state: states.TrainState, member: int | None = None) -> Callable:
        """(dataset, rows or None for all) -> wrong [N], loss [N], features [N, d] as host arrays.

        Each process reads its part of every batch, and has all results; all must call it. `member` is the
        number of a run in a population.
        """
        program, batch = self.prepare_predict(shape), self.config.eval.batch_size
        variables = (state.params, state.model_state)
        if member is not None:
            variables = _take(variables, member)
        share = batch // jax.process_count()
        mine = slice(jax.process_index() * share, (jax.process_index() + 1) * share)

        def predict(dataset: Dataset, rows: np.ndarray | None = None):
            rows = np.arange(len(dataset)) if rows is None else rows
            parts = []
            for start in range(0, len(rows), batch):
                index = rows[start : start + batch]
                padded = np.resize(index, batch)  # repeats rows to fill the batch; cut off below
                inputs = meshes.split(self.mesh, dataset.read(padded[mine]))
                outputs = program(*variables, *inputs)
                parts.append([np.asarray(output)[: len(index)] for output in outputs])
            return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

        return predict


@jax.jit
def _take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def _like(array, sharding) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)


def _reason(shape: Shape, step: StepCost, explained: dict[str, float], note: str) -> str:
    if not step.flops > 0:
        raise UserError(
            f"cost of {shape}: XLA's cost analysis counts no FLOPs; report this with your version of jax"
        )
    if abs(step.flops - step.flops_matmul) <= TOLERANCE * step.flops:
        return ""
    if abs(explained["unexplained"]) <= TOLERANCE * step.flops:
        parts = {k: v for k, v in explained.items() if k != "matmul" and abs(v) > 0.001 * step.flops}
        return ", ".join(f"{name} {flops / step.flops:.1%}" for name, flops in parts.items())
    if note:
        return note
    raise UserError(
        f"cost of {shape}: XLA counts {step.flops:.4g} FLOPs a step, products and convolutions take"
        f" {step.flops_matmul:.4g}, and {explained['unexplained'] / step.flops:.0%} have no reason;"
        " give it with --cost-note to run all the same"
    )
