"""The programs of an experiment: one a shape, each compiled once and when it is first needed."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from scalax import morph
from scalax.compilation import give_back_memory
from scalax.config import RunConfig
from scalax.schedule import Shape
from scalax.tasks import Task, of_shape
from scalax.train import mesh as meshes
from scalax.train import state as states
from scalax.train import widths
from scalax.train.batches import Batches
from scalax.train.once import Once
from scalax.train.optimizer import Hyperparams, Optimizer
from scalax.train.state import TrainState
from scalax.train.step import check_accumulate, make_predict, make_train_step

CHANGE = 2**32 - 2  # folded into a step's key for a change of shape


class Programs:
    """States, and compiled functions of them. Programs may be asked for in one thread while another trains.

    - config: of the experiment.
    - task: what is learnt.
    - optimizer: of the step.
    - mesh: of the devices.
    - batches: that the step reads.
    - build: from a shape to the module that is trained.
    """

    def __init__(
        self,
        config: RunConfig,
        task: Task,
        optimizer: Optimizer,
        mesh: Mesh,
        batches: Batches,
        build: Callable[[Shape], nn.Module],
    ):
        self._config, self._task, self._optimizer = config, task, optimizer
        self._mesh, self._batches = mesh, batches
        self.build = build
        self._once = Once()

    def new_state(self, shape: Shape, seed: int | Sequence[int]) -> TrainState:
        """A state that begins at random; a sequence of seeds makes a population of as many runs."""
        members = None if isinstance(seed, int) else len(seed)

        def creator():
            transform, shardings = self._optimizer.transform, self.shardings(shape, members)
            begin = partial(
                widths.scale_initial, module=self.build(shape), base_width=self._config.optim.base_width
            )
            return states.creator(self.build(shape), transform, self._input(shape), members, shardings, begin)

        state = self._once(("new", shape, members), creator)(seed)
        give_back_memory()
        return state

    def abstract_state(self, shape: Shape, members: int | None = None) -> TrainState:
        """Shapes, types and shardings of `new_state`."""
        state = self._abstract(shape, members)
        check_accumulate(self._config.accumulate, state.model_state)
        shardings = meshes.state_shardings(self._mesh, state, self._config.shard_optimizer, members)
        return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), state, shardings)

    def _abstract(self, shape: Shape, members: int | None = None) -> TrainState:
        return states.abstract(self.build(shape), self._optimizer.transform, self._input(shape), members)

    def _input(self, shape: Shape) -> jax.ShapeDtypeStruct:
        """One example as the model of this shape sees it."""
        return of_shape(self._task, shape).input

    def shardings(self, shape: Shape, members: int | None = None) -> TrainState:
        return jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state(shape, members))

    def step(
        self, shape: Shape, batch_size: int, members: int | None = None, skip_nonfinite: bool = False
    ) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
        """The compiled train step (step.make_train_step).

        - shape: that is trained.
        - batch_size: of the global batch.
        - members: of a population; None for a run alone.
        - skip_nonfinite: leave out steps that are not finite.
        """

        def compiled():
            config, lead = self._config, () if members is None else (members,)
            meshes.check_batch(self._mesh, batch_size, "batch_size", config.accumulate)
            number = jax.ShapeDtypeStruct(lead, jnp.float32, sharding=meshes.replicated(self._mesh))
            task = of_shape(self._task, shape)
            module = self.build(shape)
            optimizer = widths.scaled(self._optimizer, module, task.input, config.optim.base_width)
            jitted = make_train_step(module, optimizer, task, config, self._mesh, members, skip_nonfinite)
            return _compiled(
                jitted.lower(
                    self.abstract_state(shape, members),
                    self._batches.abstract_dataset(),
                    self._batches.abstract_batch(batch_size, members),
                    Hyperparams(*[number] * len(Hyperparams._fields)),
                )
            )

        return self._once(("step", shape, batch_size, members, skip_nonfinite), compiled)

    def check_change(self, before: Shape, after: Shape) -> None:
        """Raises UserError where the one cannot become the other."""
        if before != after:
            self._traced_change(before, after)

    def change(
        self, before: Shape, after: Shape, members: int | None = None
    ) -> Callable[[TrainState], TrainState]:
        """The compiled change of shape (morph.change), by the run's own random key.

        - before, after: the shapes.
        - members: of a population; None for a run alone.
        """
        if before == after:
            return lambda state: state

        def compiled():
            return _compiled(self._traced_change(before, after, members).lower())

        return self._once(("change", before, after, members), compiled)

    def _traced_change(self, before: Shape, after: Shape, members: int | None = None) -> Any:
        def traced():
            changed = self._changed(before, after)
            program = changed if members is None else jax.vmap(changed)
            jitted = jax.jit(program, out_shardings=self.shardings(after, members))
            return jitted.trace(self.abstract_state(before, members))

        return self._once(("traced change", before, after, members), traced)

    def _changed(self, before: Shape, after: Shape) -> Callable[[TrainState], TrainState]:
        def changed(state: TrainState) -> TrainState:
            key = jax.random.fold_in(jax.random.fold_in(state.seed_key, state.step), CHANGE)
            params, model_state, opt_state = morph.change(
                self.build(before),
                self.build(after),
                state.params,
                state.model_state,
                state.opt_state,
                key,
                self._config.morph,
                self._input(before),
                self._input(after),
            )
            return state._replace(params=params, model_state=model_state, opt_state=opt_state)

        return changed

    def predict(self, shape: Shape, batch_size: int, layers: tuple[str, ...]) -> Callable:
        """The compiled evaluation step (step.make_predict).

        - shape: of the model.
        - batch_size: examples at a time, over all devices.
        - layers: whose features are wanted.
        """

        def compiled():
            jitted = make_predict(self.build(shape), of_shape(self._task, shape), self._mesh, layers)
            return _compiled(jitted.lower(*self._abstract_evaluation(shape, batch_size)))

        return self._once(("predict", shape, batch_size, layers), compiled)

    def layers(self, shape: Shape) -> tuple[str, ...]:
        """Names of the intermediates of a model, in order: 'block00', ..., 'pre_logits'."""
        one, module = self._input(shape), self.build(shape)
        inputs = jax.ShapeDtypeStruct((1, *one.shape), one.dtype)
        found = jax.eval_shape(lambda x: module.init_with_output(jax.random.key(0), x)[0][1], inputs)
        return tuple(found)

    def check_layers(self, shape: Shape, batch_size: int, layers: tuple[str, ...]) -> None:
        """Raises UserError where the model lacks one of the layers.

        - shape: of the model.
        - batch_size: examples at a time, over all devices.
        - layers: whose features are wanted.
        """

        def traced():
            program = make_predict(self.build(shape), of_shape(self._task, shape), self._mesh, layers)
            return jax.eval_shape(program, *self._abstract_evaluation(shape, batch_size))

        self._once(("layers", shape, batch_size, layers), traced)

    def _abstract_evaluation(self, shape: Shape, batch_size: int) -> tuple:
        """Arguments of make_predict's program."""
        everywhere, batched = meshes.replicated(self._mesh), meshes.batched(self._mesh)
        state = self._abstract(shape)
        variables = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere),
            (state.params, state.model_state),
        )
        return *variables, self._batches.abstract_raw((batch_size,), batched)


def _compiled(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    program = lowered.compile()
    give_back_memory()
    return program
