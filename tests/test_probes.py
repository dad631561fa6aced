"""Few-shot ridge regression against scikit-learn, and the draws it is made from."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from scalax import probes
from scalax.errors import UserError


@pytest.mark.parametrize("d", [5, 60])
def test_equals_scikit_learn(d):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, d))
    labels = np.tile(np.repeat(np.arange(4), 6), (3, 1))
    features = (centres[labels] + rng.normal(size=(3, 24, d)) * 1.5).astype(np.float32)
    test_labels = rng.integers(0, 4, 200)
    test = (centres[test_labels] + rng.normal(size=(200, d)) * 1.5).astype(np.float32)
    ours = probes.fewshot_errors(*map(jnp.asarray, (features, labels, test, test_labels)), 4, 1e-2)
    for i in range(3):
        x = features[i].astype(float)
        mean, scale = x.mean(0), x.std(0) + 1e-6
        prepare = lambda z, m=mean, s=scale: np.hstack([(z - m) / s, np.ones((len(z), 1))])  # noqa: E731
        model = Ridge(alpha=1e-2, fit_intercept=False).fit(prepare(x), 2.0 * np.eye(4)[labels[i]] - 1)
        theirs = (model.predict(prepare(test)).argmax(1) != test_labels).mean()
        assert float(ours[i]) == pytest.approx(theirs, abs=0.011)


def test_separable_features_have_no_error():
    features = np.eye(3, dtype=np.float32)[np.repeat(np.arange(3), 5)][None]
    labels = np.repeat(np.arange(3), 5)[None]
    assert float(probes.fewshot_errors(features, labels, features[0], labels[0], 3, 1e-2)[0]) == 0.0


def test_draws_are_balanced_fixed_and_different():
    labels = np.random.default_rng(1).integers(0, 5, 300)
    rows = probes.draw_shots(labels, 5, shots=7, draws=3)
    assert rows.shape == (3, 35)
    for draw in rows:
        assert len(set(draw)) == 35
        np.testing.assert_array_equal(np.bincount(labels[draw]), [7] * 5)
    np.testing.assert_array_equal(rows, probes.draw_shots(labels, 5, shots=7, draws=3))
    assert not np.array_equal(rows[0], rows[1])


def test_too_few_images_of_a_class():
    with pytest.raises(UserError, match=r"eval\.shots 10: class 1 has 2 training images"):
        probes.draw_shots(np.array([0] * 20 + [1] * 2), 2, shots=10, draws=1)
