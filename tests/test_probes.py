"""Probes by layer, linear probes, margins and norms: against scikit-learn and closed forms, and in runs."""

import dataclasses

import numpy as np
import pytest

from scalax import cli, records, train
from scalax.data.named import named_set
from scalax.evals import Evaluator, LinearProbe, Margins, Norms, Outputs, Predicted, Probes
from scalax.evals.classifiers import Linear, fit_classes, fit_ridge
from scalax.evals.linear import choose, fit_logistic
from scalax.evals.margins import head_of, margins
from scalax.evals.probes import Probed, probed
from scalax.schedule import Schedule, Stage
from tests.rejects import rejected, rejects
from tests.toy import CONFIG, SMALL, toy_experiment, train_group, train_one, with_config


def classes_of(n: int, d: int, seed: int = 0, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % count
    centres = np.random.default_rng(99).normal(size=(count, d))
    return (centres[labels] + 1.2 * rng.normal(size=(n, d))).astype(np.float32), labels


@pytest.mark.parametrize(("n", "d"), [(40, 5), (24, 60)])
def test_ridge_equals_scikit_learn(n, d):
    from sklearn.linear_model import Ridge

    features, labels = classes_of(n, d)
    targets = np.random.default_rng(1).normal(size=(n, 3))
    ours, theirs = fit_ridge(features, targets, 0.3), Ridge(0.3).fit(features.astype(float), targets)
    np.testing.assert_allclose(ours.weights, theirs.coef_.T, atol=1e-6)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, atol=1e-6)
    standard = (features - features.mean(0, dtype=float)) / (features.std(0, dtype=float) + 1e-6)
    theirs = Ridge(1e-2).fit(standard, 2 * np.eye(4)[labels] - 1)
    ours = fit_classes(features, labels, 4, 1e-2)
    np.testing.assert_allclose(ours.scores(features), theirs.predict(standard), atol=1e-6)


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_linear_probe_equals_scikit_learn(penalty):
    from sklearn.linear_model import LogisticRegression

    features, labels = classes_of(300, 12)
    test, test_labels = classes_of(2000, 12, seed=1)
    ours = fit_logistic(features, labels, 4, penalty)
    theirs = LogisticRegression(C=1 / (penalty * 300), tol=1e-8, max_iter=5000).fit(
        features.astype(float), labels
    )
    assert ours.error(test, test_labels) == pytest.approx(
        1 - theirs.score(test.astype(float), test_labels), abs=1e-3
    )
    np.testing.assert_allclose(ours.weights - ours.weights.mean(1, keepdims=True), theirs.coef_.T, atol=2e-3)


def test_penalty_is_chosen_on_a_held_out_part():
    features, labels = classes_of(80, 40)
    probe, penalty = choose(features, labels, 4, (1e-6, 1e-1, 1e3), 0.25)
    assert penalty == 1e-1
    test, test_labels = classes_of(1000, 40, seed=2)
    assert probe.error(test, test_labels) < choose(features, labels, 4, (1e-6,), 0.25)[0].error(
        test, test_labels
    )


def test_margins_are_distances_to_the_boundary():
    """At the pre-logits the margin is the distance to the plane where the two best classes have one score."""
    head = Linear(np.array([[3.0, 0.0, -1.0], [0.0, 4.0, 0.0]]), np.array([0.0, 1.0, -9.0]))
    features, labels = np.array([[2.0, 0.5], [2.0, 0.5]]), np.array([0, 1])
    at_head, at_pre_logits = margins(head, features, labels)
    np.testing.assert_allclose(at_head, np.array([3.0, -3.0]) / np.sqrt(2))  # scores 6, 3, -11
    direction = np.array([3.0, -4.0])
    np.testing.assert_allclose(at_pre_logits, np.array([3.0, -3.0]) / 5)
    moved = features[0] - 3.0 / 25 * direction
    scores = head.scores(moved[None])[0]
    assert scores[0] == pytest.approx(scores[1])


@pytest.fixture(scope="module")
def experiment():
    return toy_experiment()


class Data:
    """A data set of labels alone, for evaluations whose features are given."""

    def __init__(self, labels: np.ndarray):
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def labels(self) -> np.ndarray:
        return self._labels


def test_probes_learn_from_nested_fixed_draws(experiment):
    splits = experiment.splits
    features = np.random.default_rng(0).normal(size=(len(splits.train), 6)).astype(np.float32)
    seen = []

    def predict(dataset, rows):
        seen.append(len(rows))
        return Predicted({}, {"a": features[rows], "b": features[rows, :2]})

    part = Probes("x", layers=("a", "b"), shots=(1, 3), draws=2)
    measure = Evaluator([part], experiment.task, splits, experiment.load).measure
    found = measure(Outputs(predict), 0, True)
    assert [(p.name, p.layer, p.shots) for p in probed(found)] == [
        *(("x", layer, shots) for layer in "ab" for shots in (1, 3))
    ]
    assert probed({"n/a/pre_logits@5/fewshot_error": 0.5, "n/a/pre_logits@5/fewshot_error_std": 0.1}) == [
        Probed("n/a", "pre_logits", 5, 0.5, 0.1)
    ]
    assert len(seen) == 2  # once the test images, once the shots
    assert found == measure(Outputs(predict), 0, True)
    alone = Evaluator(
        [Probes("x", layers=("a",), shots=(3,), draws=2)], experiment.task, splits, experiment.load
    )
    assert alone.measure(Outputs(predict), 0, True)["x/a@3/fewshot_error"] == found["x/a@3/fewshot_error"]


PARTS = (
    Probes("own", layers=("block00", "pre_logits"), shots=(1, 2), draws=2),
    LinearProbe("own/linear", penalties=(0.01, 1.0)),
    Margins("upstream", images=0),
    Margins("drawn", named_set("drawn_kind", 8, 40)[1], images=100),
    Norms(),
)


def test_a_run_and_its_checkpoint_measure_the_same(experiment, tmp_path, capsys):
    """In training and afterwards; alone and in a population; margins by the run's own head."""
    measured = with_config(
        experiment, eval=dataclasses.replace(CONFIG.eval, points=2, more=PARTS), population="always"
    )
    schedule = Schedule((Stage(SMALL, 4.5 * experiment.cost(SMALL).step.flops),))
    run = train_one(measured, schedule, 1, tmp_path / "alone")
    last = run.records[-1].metrics
    directory = tmp_path / "alone"
    opened = train.open_finished(directory)
    assert opened.layers == ("block00", "pre_logits")
    again = opened.measure(PARTS)
    assert again == {name: last[name] for name in again}
    outputs = opened.outputs(opened.layers)
    validation = opened.experiment.splits.validation
    scores = head_of(outputs.params).scores(outputs.features(validation, "pre_logits"))
    assert np.mean(scores.argmax(1) != validation.labels()) == pytest.approx(last["val_error"])
    head = head_of(outputs.params)
    squares = np.sum(head.weights**2) + np.sum(head.bias**2)
    assert last["norms/head/weight_norm"] == pytest.approx(np.sqrt(squares))
    assert last["norms/head/weight_distance"] == last["norms/head/weight_norm"]  # it began at 0
    assert 0 < last["norms/block00/weight_distance"] < last["norms/block00/weight_norm"]
    both = train_group(measured, schedule, [train.Member(tmp_path / f"m{i}", i) for i in range(2)])
    for name in ("norms/block00/weight_distance", "norms/block00/weight_norm", "upstream/head_margin"):
        assert both[1].records[-1].metrics[name] == pytest.approx(last[name], rel=1e-4)
    member = train.open_finished(tmp_path / "m1").measure([Norms()])
    assert (
        member["norms/block00/weight_distance"]
        == both[1].records[-1].metrics["norms/block00/weight_distance"]
    )

    out = tmp_path / "probes.csv"
    arguments = ["probe", str(directory), "--set", "drawn_kind", "--shots", "1,5", "--max-test", "50"]
    assert cli.main([*arguments, "--margins", "--linear", "--out", str(out)]) == 0
    rows = out.read_text().splitlines()
    assert rows[0] == "run,set,layer,shots,metric,value,std"
    assert sum("fewshot_error" in row for row in rows) == 4
    assert sum("linear_error" in row for row in rows) == 2
    assert sum(",head_margin," in row for row in rows) == 2
    capsys.readouterr()
    for more, names in (
        (["--layers", "block07"], ("'block07'", "'block00'", "'pre_logits'")),
        (["--shots", "1,x"], ("--shots", "1,x")),
        (["--shots", "0"], ("shots", 0)),
        (["--set", "drawn_kidn"], ("'drawn_kidn'", "'drawn_kind'")),
        (["--max-test", "-1"], ("--max-test",)),
    ):
        assert cli.main([*arguments[:4], *more]) == 2
        rejected(capsys, *names)
    for checkpoint in (directory / "ckpt").iterdir():
        checkpoint.rename(directory / f"gone{checkpoint.name}")
    assert cli.main(arguments) == 2
    rejected(capsys, directory, "no checkpoint")
    info = records.read_info(directory)
    records.write_info(directory, dataclasses.replace(info, finished=False))
    assert cli.main(arguments) == 2
    rejected(capsys, directory, "not finished")


def test_bad_evaluations(experiment):
    for part, names in (
        (Probes("x", shots=()), ("'x'", "shots")),
        (Probes("x", shots=(1, 50)), ("'x'", "shots", 50)),
        (Probes("x", draws=0), ("'x'", "draws")),
        (LinearProbe("x", penalties=(0.0,)), ("'x'", "penalties")),
        (LinearProbe("x", held_out=1.0), ("'x'", "held_out")),
        (Margins("x", images=-1), ("'x'", "images")),
        (Probes("x", named_set("drawn_kind", 16)[1]), ("'x'", "data.image_size")),
    ):
        with rejects(*names):
            Evaluator([part], experiment.task, experiment.splits, experiment.load)
    deep = with_config(
        experiment, eval=dataclasses.replace(CONFIG.eval, more=(Probes("x", layers=("block07",)),))
    )
    with rejects("'block07'", "'block00'", "'pre_logits'"):
        train.check(deep, Schedule((Stage(SMALL, 1e9),)))
