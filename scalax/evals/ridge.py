"""Ridge regression from frozen features to classes, and the draws of images that it learns from."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from scalax.errors import UserError

DRAW_SEED = 0  # fixed, so that every run is probed with the same images


def draw_shots(
    labels: np.ndarray, classes: int, shots: int, draws: int, setting: str = "eval.shots"
) -> np.ndarray:
    """Rows of `shots` images of each class, drawn without replacement `draws` times over.

    - labels: int [N], of the data to draw from.
    - classes: number of them.
    - shots: images of each class.
    - draws: number of draws.
    - setting: what errors call the number of shots.

    Returns int [draws, classes * shots], class by class. Raises UserError where a class has too few images.
    """
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < shots:
        raise UserError(
            f"{setting} {shots}: class {int(counts.argmin())} has {counts.min()} training images; lower it"
        )
    rows = [np.flatnonzero(labels == c) for c in range(classes)]
    generators = [np.random.default_rng((DRAW_SEED, draw)) for draw in range(draws)]
    return np.stack([np.concatenate([g.choice(r, shots, replace=False) for r in rows]) for g in generators])


@partial(jax.jit, static_argnames="classes")
def fewshot_errors(
    features: Array, labels: Array, test_features: Array, test_labels: Array, classes: int, ridge: float
) -> Array:
    """Share of test images that ridge regression on the shots gets wrong, for each draw.

    - features, labels: of the shots, [draws, n, d] and [draws, n].
    - test_features, test_labels: [N, d] and [N].
    - classes: number of them.
    - ridge: weight of the squared coefficients beside the summed squared errors.

    Features are standardised by the shots' own mean and deviation and joined by a constant; targets are -1
    and 1 ('Exploring the Limits of Large Scale Pre-training', section 2). Returns [draws].
    """

    def one(x: Array, y: Array) -> Array:
        mean, scale = x.mean(0), x.std(0) + 1e-6

        def prepared(z: Array) -> Array:
            return jnp.concatenate([(z - mean) / scale, jnp.ones((len(z), 1), z.dtype)], axis=1)

        a, targets = prepared(x), 2.0 * jax.nn.one_hot(y, classes) - 1.0
        n, d = a.shape
        if n < d:  # the dual problem is the smaller one
            weights = a.T @ jax.scipy.linalg.solve(a @ a.T + ridge * jnp.eye(n), targets, assume_a="pos")
        else:
            weights = jax.scipy.linalg.solve(a.T @ a + ridge * jnp.eye(d), a.T @ targets, assume_a="pos")
        return jnp.mean((prepared(test_features) @ weights).argmax(1) != test_labels)

    # Accelerators' default of about 8 bits in a product would ruin an ill-conditioned solve.
    with jax.default_matmul_precision("highest"):
        return jax.lax.map(lambda draw: one(*draw), (features, labels))
