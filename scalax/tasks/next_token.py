"""The next token of a text, from those before it: cross-entropy over all places of a sequence."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from scalax.config import RunConfig
from scalax.data import KINDS, Splits
from scalax.errors import UserError
from scalax.tasks import Batch, TaskKind


@dataclasses.dataclass(frozen=True)
class NextToken:
    """Raw examples: 'tokens' int32 [context + 1]; the model reads the first `context` and says the last.

    - context: tokens of a sequence that are predicted. outputs: size of the vocabulary.
    - label_smoothing: as in OptimConfig.
    - token: what one is, in the singular.
    """

    context: int
    outputs: int
    label_smoothing: float
    token: str = "token"
    unit: str = "sequences"
    measured: tuple[str, ...] = ("val_loss", "val_token_error")

    @property
    def input(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.context,), jnp.int32)

    @property
    def target(self) -> jax.ShapeDtypeStruct:
        return self.input

    @property
    def units(self) -> dict[str, str]:
        return {"val_loss": f"nats a {self.token}", "val_token_error": f"share of {self.token}s"}

    def describe(self) -> dict[str, int]:
        return {"vocabulary": self.outputs, "context": self.context}

    def model_options(self) -> dict[str, Any]:
        return {"context": self.context}

    def prepare(self, batch: Batch, keys: Array | None) -> tuple[Array, Array]:
        """Tokens, and the same moved by one; nothing is augmented."""
        tokens = batch["tokens"].astype(jnp.int32)
        return tokens[:, :-1], tokens[:, 1:]

    def loss(self, outputs: Array, targets: Array) -> Array:
        """Cross-entropy a token, smoothed, nats. outputs: [b, t, vocabulary], targets: [b, t]."""
        if not self.label_smoothing:
            return optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean()
        smooth = optax.smooth_labels(jax.nn.one_hot(targets, outputs.shape[-1]), self.label_smoothing)
        return optax.softmax_cross_entropy(outputs, smooth).mean()

    def scores(self, outputs: Array, targets: Array) -> dict[str, Array]:
        """Means over the places of each sequence. wrong: share; loss: nats a token."""
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
        return {"wrong": (outputs.argmax(-1) != targets).mean(-1, jnp.float32), "loss": losses.mean(-1)}

    def metrics(self, scores: Mapping[str, np.ndarray]) -> dict[str, float]:
        means = {name: float(values.mean(dtype=np.float64)) for name, values in scores.items()}
        return {"val_loss": means["loss"], "val_token_error": means["wrong"]}


def _open(config: RunConfig, splits: Splits) -> NextToken:
    example = splits.train.example
    if "tokens" not in example:
        raise UserError(
            f"task next_token needs tokens; data.source {config.data.source!r} has {', '.join(example)}"
        )
    if config.optim.loss != "softmax":
        raise UserError(f"optim.loss {config.optim.loss} does not apply to task next_token; leave it out")
    context = example["tokens"].shape[0] - 1
    token = KINDS.get(config.data.source).token
    return NextToken(context, splits.outputs, config.optim.label_smoothing, token)


TASK = TaskKind("next_token", _open)
