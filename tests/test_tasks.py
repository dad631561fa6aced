"""Tasks: the next token of a text is learnt by the loop that images are, and runs begin from others."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from scalax import metrics, records, tasks, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig, StartConfig
from scalax.schedule import Schedule, Shape, Stage
from scalax.tasks.next_token import NextToken
from tests.rejects import rejects
from tests.toy import LARGE, SMALL, toy_experiment, train_group, train_one, with_config

SHALLOW, DEEP = Shape(1, 16, 1, "D"), Shape(1, 16, 2, "D")
TEXT = "the cat sat on the mat and the dog sat on the log. " * 60


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "cats.txt"
    path.write_text(TEXT)
    config = RunConfig(
        task="next_token",
        data=DataConfig(source="text", dir=str(path), context=16),
        model=ModelConfig(names=("D16-1",), head_dim=8),
        optim=OptimConfig(lr=1e-2, warmup_steps=5, label_smoothing=0.0),
        eval=EvalConfig(points=4, batch_size=16, shots=0),
        batch_size=16,
    )
    return train.open_experiment(config)


def test_a_decoder_learns_text_and_grows(language, tmp_path):
    first, second = (language.cost(shape).step.flops for shape in (SHALLOW, DEEP))
    schedule = Schedule((Stage(SHALLOW, 60.5 * first), Stage(DEEP, 60 * first + 20.5 * second)))
    run = train_one(language, schedule, 0, tmp_path / "run")
    last = run.records[-1]
    assert (last.step, last.examples, last.unit, last.family) == (80, 80 * 16, "sequences", "D")
    assert run.records[0].metrics.keys() == {"val_loss", "val_token_error"}
    assert last.metrics["val_loss"] < 2.5 < run.records[0].metrics["val_loss"]  # a guess has log 256 = 5.5
    assert last.metrics["val_token_error"] < 0.7
    at_change = [r for r in run.records if r.step == 60]
    assert [r.depth for r in at_change] == [1, 2]
    assert at_change[0].metrics["val_loss"] == pytest.approx(at_change[1].metrics["val_loss"], abs=1e-4)
    assert run.info.data["vocabulary"] == 256
    assert records.read(tmp_path / "run" / "metrics.jsonl") == run.records


def test_it_says_what_its_losses_are_of(language):
    assert isinstance(language.task, tasks.Worded)
    assert metrics.label("val_loss", language.task.units) == "validation loss (nats a byte)"
    assert metrics.label("val_token_error", language.task.units) == "validation error (share of bytes)"
    assert metrics.label("val_error", language.task.units) == metrics.label("val_error")
    assert NextToken(4, 8, 0.0).units["val_loss"] == "nats a token"


def test_its_loss_is_the_mean_over_all_places():
    task = NextToken(4, 8, 0.0)
    tokens = np.arange(10).reshape(2, 5) % 8
    inputs, targets = task.prepare({"tokens": jnp.asarray(tokens)}, None)
    np.testing.assert_array_equal(inputs, tokens[:, :-1])
    np.testing.assert_array_equal(targets, tokens[:, 1:])
    logits = jax.random.normal(jax.random.key(0), (2, 4, 8))
    plain = -np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), tokens[:, 1:, None], 2)[..., 0]
    assert float(task.loss(logits, targets)) == pytest.approx(plain.mean(), rel=1e-6)
    scores = {name: np.asarray(value) for name, value in task.scores(logits, targets).items()}
    np.testing.assert_allclose(scores["loss"], plain.mean(1), rtol=1e-6)
    found = task.metrics(scores)
    assert found["val_token_error"] == pytest.approx(np.mean(logits.argmax(-1) != tokens[:, 1:]))
    smooth = dataclasses.replace(task, label_smoothing=0.2)
    targets_of = optax.smooth_labels(jax.nn.one_hot(targets, 8), 0.2)
    expected = optax.softmax_cross_entropy(logits, targets_of).mean()
    assert float(smooth.loss(logits, targets)) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"task": "next_tokn"}, ["'next_tokn'", "'next_token'"]),
        ({"task": "image_classification"}, ["image_classification", "data.source 'text'", "tokens"]),
    ],
)
def test_tasks_and_data_must_fit(language, changes, names):
    with rejects(*names):
        with_config(language, **changes)
    images = toy_experiment()
    with rejects("next_token", "data.source 'digits'", "image", "label"):
        with_config(images, task="next_token")


@pytest.fixture(scope="module")
def images():
    return toy_experiment()


@pytest.fixture(scope="module")
def source(images, tmp_path_factory):
    """A finished run of 20 steps at patch 4, alone; and two that trained together."""
    place = tmp_path_factory.mktemp("source")
    schedule = Schedule((Stage(LARGE, 20.5 * images.cost(LARGE).step.flops),))
    train_one(images, schedule, 0, place / "alone")
    train_group(images, schedule, [train.Member(place / name, seed) for name, seed in (("a", 0), ("b", 1))])
    return place


def test_fine_tuning_is_a_run_like_any_other(images, source, tmp_path):
    """From another run, at another patch size; its first step is the source's last error, not a guess."""
    from scalax.train.checkpoint import Checkpoints

    tuned = with_config(images, start=StartConfig(run=str(source / "alone")))
    under_way = source / "alone" / "ckpt" / "99.orbax-checkpoint-tmp"  # of whoever trains there
    under_way.mkdir()
    state = tuned.first_state(LARGE, 5)
    under_way.rmdir()
    _, saved, _ = Checkpoints(source / "alone" / "ckpt").restore(
        lambda *_: images.programs.abstract_state(LARGE)
    )
    jax.tree.map(np.testing.assert_array_equal, state.params, saved.params)
    assert int(state.step) == 0
    schedule = Schedule((Stage(SMALL, 3.5 * images.cost(SMALL).step.flops),))
    run = train_one(tuned, schedule, 5, tmp_path / "tuned")
    again = train_one(images, schedule, 5, tmp_path / "random")
    assert run.records[0].metrics["val_loss"] < again.records[0].metrics["val_loss"]
    assert run.info.config["start"]["run"] == str(source / "alone")
    with rejects(tmp_path / "random", "config.start.run"):
        train_one(tuned, schedule, 5, tmp_path / "random")


def test_members_begin_alike_but_for_a_new_head(images, source):
    tuned = with_config(images, start=StartConfig(run=str(source / "b"), keep_head=False))
    state, fresh = tuned.first_state(LARGE, [7, 8]), images.programs.new_state(LARGE, [7, 8])
    body = state.params["block00"]["mlp"]["in"]["kernel"]
    np.testing.assert_array_equal(body[0], body[1])
    jax.tree.map(np.testing.assert_array_equal, state.params["head"], fresh.params["head"])
    other = with_config(images, start=StartConfig(run=str(source / "a"))).first_state(LARGE, 7)
    assert not np.array_equal(
        other.params["block00"]["mlp"]["in"]["kernel"], body[0]
    )  # each its own of the group


def test_published_weights_start_a_run(images, tmp_path):
    from flax.traverse_util import flatten_dict

    state = images.programs.new_state(LARGE, 3)
    flat = {f"params/{key}": np.asarray(x) for key, x in flatten_dict(state.params, sep="/").items()}
    np.savez(tmp_path / "weights.npz", **flat)
    begun = with_config(images, start=StartConfig(weights=str(tmp_path / "weights.npz"))).first_state(
        SMALL, 9
    )
    jax.tree.map(np.testing.assert_array_equal, begun.params, state.params)


def test_a_start_that_does_not_fit_is_one_line(images, source, tmp_path):
    going = tmp_path / "going"
    shutil.copytree(source / "alone", going)
    info = records.read_info(going)
    records.write_info(going, dataclasses.replace(info, finished=False))
    for start, shape, file in (
        (StartConfig(run=str(source / "alone")), Shape(4, 16, 1), source / "alone"),
        (StartConfig(run=str(tmp_path)), LARGE, tmp_path / "run.json"),
        (StartConfig(run=str(going)), LARGE, "not finished"),
        (StartConfig(weights=str(tmp_path / "none.npz")), LARGE, tmp_path / "none.npz"),
    ):
        with rejects(file):
            with_config(images, start=start).first_state(shape, 0)
    with rejects("start.weights", "start.run"):
        StartConfig(weights="a", run="b")
