"""Evaluations: ridge regression against scikit-learn; any number in a run, each example embedded once."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from scalax import metrics, train
from scalax.config import DataConfig
from scalax.evals import Evaluator, FewShot, Outputs, Predicted, Validation, evaluations, ridge
from tests.rejects import rejects
from tests.toy import CONFIG, LARGE, SMALL, toy_experiment, train_one, two_stages, with_config


@pytest.mark.parametrize("d", [5, 60])
def test_equals_scikit_learn(d):
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, d))
    labels = np.tile(np.repeat(np.arange(4), 6), (3, 1))
    features = (centres[labels] + rng.normal(size=(3, 24, d)) * 1.5).astype(np.float32)
    test_labels = rng.integers(0, 4, 200)
    test = (centres[test_labels] + rng.normal(size=(200, d)) * 1.5).astype(np.float32)
    ours = ridge.fewshot_errors(*map(jnp.asarray, (features, labels, test, test_labels)), 4, 1e-2)
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
    assert float(ridge.fewshot_errors(features, labels, features[0], labels[0], 3, 1e-2)[0]) == 0.0


def test_draws_are_balanced_fixed_and_different():
    labels = np.random.default_rng(1).integers(0, 5, 300)
    rows = ridge.draw_shots(labels, 5, shots=7, draws=3)
    assert rows.shape == (3, 35)
    for draw in rows:
        assert len(set(draw)) == 35
        np.testing.assert_array_equal(np.bincount(labels[draw]), [7] * 5)
    np.testing.assert_array_equal(rows, ridge.draw_shots(labels, 5, shots=7, draws=3))
    assert not np.array_equal(rows[0], rows[1])


def test_too_few_images_of_a_class():
    with rejects("eval.shots 10", "class 1", 2):
        ridge.draw_shots(np.array([0] * 20 + [1] * 2), 2, shots=10, draws=1)


@pytest.fixture(scope="module")
def experiment():
    return toy_experiment()


def test_each_example_goes_through_the_model_once(experiment):
    validation, asked = experiment.splits.validation, []

    def predict(dataset, rows):
        asked.extend(rows)
        return Predicted({"loss": rows.astype(float)}, {"a": np.stack([rows, -rows], 1)})

    outputs = Outputs(predict)
    np.testing.assert_array_equal(outputs.features(validation, "a", np.array([3, 1, 3]))[:, 0], [3, 1, 3])
    np.testing.assert_array_equal(outputs.scores(validation)["loss"], np.arange(40))
    np.testing.assert_array_equal(outputs.features(validation, "a")[:, 1], -np.arange(40))
    assert sorted(asked) == list(range(40))
    outputs.scores(experiment.splits.train, np.array([0]))
    assert len(asked) == 41


def test_a_run_with_many_evaluations(experiment, tmp_path):
    """By layer, on another data set, and at a period of its own; the plain ones come out as without them."""
    other = dataclasses.replace(CONFIG.data, max_validation_images=20)
    more = (
        FewShot("early", shots=2, draws=2, layer="block00"),
        FewShot("late", shots=2, draws=2),
        FewShot("seldom", shots=2, draws=1, every=2, data=other),
        Validation("other", data=other),
    )
    many = with_config(experiment, eval=dataclasses.replace(CONFIG.eval, points=5, more=more))
    plain = with_config(experiment, eval=dataclasses.replace(CONFIG.eval, points=5))
    ours = train_one(many, two_stages(experiment), 0, tmp_path / "many")
    theirs = train_one(plain, two_stages(experiment), 0, tmp_path / "plain")
    for a, b in zip(ours.records, theirs.records, strict=True):
        assert {name: a.metrics[name] for name in b.metrics} == b.metrics
        assert {"early/fewshot_error", "late/fewshot_error", "other/val_error"} <= a.metrics.keys()
    assert [("seldom/fewshot_error" in r.metrics) for r in ours.records] == [True, False, True, True, True][
        : len(ours.records)
    ] or sum("seldom/fewshot_error" in r.metrics for r in ours.records) < len(ours.records)
    assert "seldom/fewshot_error" in ours.records[-1].metrics
    assert any(a.metrics["early/fewshot_error"] != a.metrics["late/fewshot_error"] for a in ours.records)
    names = [each["name"] for each in ours.info.config["eval"]["more"]]
    assert names == ["early", "late", "seldom", "other"]
    assert metrics.label("early/fewshot_error") == "few-shot error of early (share of images)"


def test_bad_evaluations_are_named_before_training(experiment, tmp_path):
    deep = with_config(
        experiment, eval=dataclasses.replace(CONFIG.eval, more=(FewShot("x", layer="block07"),))
    )
    with rejects("'block07'", "'block00'"):
        train.check(deep, two_stages(experiment))
    for more in ((FewShot(""),), (FewShot("x"), Validation("x", data=DataConfig()))):
        with rejects("eval.more"):
            evaluations(dataclasses.replace(CONFIG, eval=dataclasses.replace(CONFIG.eval, more=more)))
    with rejects("eval.more", "every", "0"):
        evaluations(
            dataclasses.replace(CONFIG, eval=dataclasses.replace(CONFIG.eval, more=(FewShot("x", every=0),)))
        )
    with rejects("'x/fewshot_error'", "val_error, val_loss"):
        experiment.evaluator.check("x/fewshot_error")
    experiment.evaluator.check("val_loss")
    for part in (FewShot("x", data=DataConfig(image_size=16)), FewShot("x", shots=1000)):
        with rejects():
            Evaluator([part], experiment.task, experiment.splits, experiment.load)


def test_metrics_know_unit_and_direction():
    assert metrics.get("val_loss").lower_is_better
    assert metrics.compared(["skipped_steps", "fewshot_error", "val_error"]) == ["val_error", "fewshot_error"]
    assert metrics.least("x/fewshot_error", 50) == metrics.least("val_error", 50) == 0.01
    assert metrics.least("val_loss", 50) == metrics.SMALLEST
    with rejects("'val_eror'", "'val_error'"):
        metrics.get("val_eror")
    with pytest.raises(ValueError, match="registered already"):
        metrics.register(metrics.Metric("val_error", "other", "share"))
    assert {LARGE.patch, SMALL.patch} == {4, 2}
