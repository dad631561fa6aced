"""The answer to a prompt, token by token: cross-entropy over the answer alone."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from scalax.config import RunConfig
from scalax.data import Splits
from scalax.errors import UserError
from scalax.tasks import Batch, TaskKind


@dataclasses.dataclass(frozen=True)
class Answer:
    """Raw examples: 'prompt' int32 [p] and 'answer' int32 [k]. The model reads the prompt and the answer up
    to each token that it says: what it says of the prompt itself is not asked.

    - prompt, answer: tokens of each. outputs: size of the vocabulary.
    - label_smoothing: as in OptimConfig.
    """

    prompt: int
    answer: int
    outputs: int
    label_smoothing: float
    unit: str = "sequences"
    measured: tuple[str, ...] = ("val_loss", "val_token_error", "val_answer_error")

    @property
    def input(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.prompt + self.answer - 1,), jnp.int32)

    @property
    def target(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.answer,), jnp.int32)

    def describe(self) -> dict[str, int]:
        return {"vocabulary": self.outputs, "prompt": self.prompt, "answer": self.answer}

    def model_options(self) -> dict[str, Any]:
        return {"context": self.prompt + self.answer - 1}

    def prepare(self, batch: Batch, keys: Array | None) -> tuple[Array, Array]:
        """Prompt and answer without its last token [b, p + k - 1], and the answer [b, k]; nothing is
        augmented."""
        prompt, answer = (batch[name].astype(jnp.int32) for name in ("prompt", "answer"))
        return jnp.concatenate([prompt, answer[:, :-1]], 1), answer

    def loss(self, outputs: Array, targets: Array) -> Array:
        """Cross-entropy a token of the answer, smoothed, nats.

        - outputs: [b, p + k - 1, vocabulary].
        - targets: [b, k].
        """
        smooth = optax.smooth_labels(jax.nn.one_hot(targets, outputs.shape[-1]), self.label_smoothing)
        return optax.softmax_cross_entropy(self._said(outputs), smooth).mean()

    def scores(self, outputs: Array, targets: Array) -> dict[str, Array]:
        """Of each answer. wrong: share of its tokens; wrong_answer: 1 where any is wrong; loss: nats a
        token, without smoothing."""
        said = self._said(outputs)
        wrong = said.argmax(-1) != targets
        losses = optax.softmax_cross_entropy_with_integer_labels(said, targets)
        return {
            "wrong": wrong.mean(-1, jnp.float32),
            "wrong_answer": wrong.any(-1).astype(jnp.float32),
            "loss": losses.mean(-1),
        }

    def metrics(self, scores: Mapping[str, np.ndarray]) -> dict[str, float]:
        means = {name: float(values.mean(dtype=np.float64)) for name, values in scores.items()}
        named = ("loss", "wrong", "wrong_answer")
        return dict(zip(self.measured, (means[name] for name in named), strict=True))

    def _said(self, outputs: Array) -> Array:
        """Of the tokens of the answer: [b, k, vocabulary]."""
        return outputs[:, -self.answer :]


def _open(config: RunConfig, splits: Splits) -> Answer:
    example = splits.train.example
    if not {"prompt", "answer"} <= example.keys():
        raise UserError(
            f"task answer needs a prompt and an answer; data.source {config.data.source!r} has"
            f" {', '.join(example)}"
        )
    if config.optim.loss != "softmax":
        raise UserError(f"optim.loss {config.optim.loss} does not apply to task answer; leave it out")
    prompt, answer = (example[name].shape[0] for name in ("prompt", "answer"))
    return Answer(prompt, answer, splits.outputs, config.optim.label_smoothing)


TASK = TaskKind("answer", _open)
