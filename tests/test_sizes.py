"""Addition as data and as a task, and the study of training-set sizes."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from scalax import data, launch, studies, tasks, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.sizes import SizesConfig
from scalax.studies.sizes.report import break_text, curve, is_sharp
from scalax.studies.sizes.result import SizeResult, SizesResult
from scalax.tasks.answer import Answer
from tests.rejects import rejects
from tests.toy import CONFIG

FILE = str(Path(__file__).parents[1] / "configs" / "law_addition.py")
ADDITION = DataConfig(source="addition", name="2", validation_split="test", max_validation_images=32)
RUN = RunConfig(
    task="answer",
    data=ADDITION,
    model=ModelConfig(names=("D8-1",), head_dim=4),
    optim=OptimConfig(lr=1e-2, warmup_steps=0, label_smoothing=0.0),
    eval=EvalConfig(points=3, batch_size=32, shots=0),
    population="always",
)
TOY = SizesConfig(run=RUN, train_sizes=(4, 6, 8, 12, 16), fit_until=12, steps=3, seeds=(0, 1))


def number(digits) -> int:
    return int("".join(map(str, digits)))


@pytest.mark.parametrize("digits", [1, 2, 4, 8])
def test_answers_are_sums_and_no_problem_is_in_both_splits(digits):
    config = dataclasses.replace(ADDITION, name=str(digits))
    found = {}
    for split in ("train", "test"):
        source = data.KINDS.get("addition").open(config, split)
        arrays = source.read(np.arange(min(200, len(source))))
        for prompt, answer in zip(arrays["prompt"], arrays["answer"], strict=True):
            assert number(answer[::-1]) == number(prompt[:digits]) + number(prompt[digits:])
        assert arrays["answer"].shape[1] == digits + 1
        prompts = source.read(np.arange(len(source)))["prompt"].tolist() if digits < 4 else arrays["prompt"]
        found[split] = {tuple(map(int, prompt)) for prompt in prompts}
        assert len(found[split]) == len(prompts)
    swapped = {(*prompt[digits:], *prompt[:digits]) for prompt in found["train"]}
    assert not (found["train"] | swapped) & found["test"]


def test_training_sets_are_parts_of_the_larger_ones():
    whole = data.open_whole(ADDITION)
    found = []
    for count in (10, 30):
        splits = data.load(dataclasses.replace(ADDITION, max_train_images=count), whole)
        assert splits.train.arrays is not None
        found.append({tuple(row) for row in splits.train.arrays["prompt"].tolist()})
    assert len(found[0]) == 10
    assert found[0] < found[1]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"name": ""}, ["data.name", "''", "1 to 8"]),
        ({"name": "9"}, ["data.name", "'9'"]),
        ({"validation_split": "validation"}, ["data.validation_split", "'validation'", "test"]),
    ],
)
def test_addition_checks_its_settings(changes, names):
    with rejects(*names):
        data.check(dataclasses.replace(ADDITION, **changes))


def test_loss_is_that_of_the_answer_alone():
    task = Answer(prompt=4, answer=3, outputs=10, label_smoothing=0.0)
    raw = np.random.default_rng(0).integers(0, 10, (5, 7))
    inputs, targets = task.prepare(
        {"prompt": jnp.asarray(raw[:, :4]), "answer": jnp.asarray(raw[:, 4:])}, None
    )
    np.testing.assert_array_equal(inputs, raw[:, :-1])
    np.testing.assert_array_equal(targets, raw[:, 4:])
    assert inputs.shape[1:] == task.input.shape
    assert targets.shape[1:] == task.target.shape
    logits = jax.random.normal(jax.random.key(0), (5, 6, 10))
    plain = -np.take_along_axis(np.asarray(jax.nn.log_softmax(logits[:, 3:])), raw[:, 4:, None], 2)[..., 0]
    assert float(task.loss(logits, targets)) == pytest.approx(plain.mean(), rel=1e-6)
    other = logits.at[:, :3].set(7.0)  # at the prompt
    assert float(task.loss(other, targets)) == float(task.loss(logits, targets))
    scores = {name: np.asarray(value) for name, value in task.scores(logits, targets).items()}
    wrong = np.asarray(logits[:, 3:].argmax(-1)) != raw[:, 4:]
    found = task.metrics(scores)
    assert found["val_loss"] == pytest.approx(plain.mean(), rel=1e-6)
    assert found["val_token_error"] == pytest.approx(wrong.mean())
    assert found["val_answer_error"] == pytest.approx(wrong.any(1).mean())
    smooth = optax.smooth_labels(jax.nn.one_hot(targets, 10), 0.2)
    expected = optax.softmax_cross_entropy(logits[:, 3:], smooth).mean()
    smoothed = dataclasses.replace(task, label_smoothing=0.2)
    assert float(smoothed.loss(logits, targets)) == pytest.approx(float(expected))


def test_answers_need_prompts():
    with rejects("task answer", "'digits'", "image"):
        tasks.open_task(RunConfig(task="answer"), data.load(CONFIG.data))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("sizes")
    studies.run(TOY, where)
    return where


def test_the_study_trains_seeds_together_and_reports(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    made = studies.run(TOY, tmp_path)
    assert len(list((tmp_path / "runs").glob(".group-*"))) == len(TOY.train_sizes)
    study, found = studies.load(tmp_path)
    assert (study.name, found) == ("sizes", made)
    assert [each.size for each in found.sizes] == list(TOY.train_sizes)
    assert all(
        least <= last for each in found.sizes for least, last in zip(each.best, each.last, strict=True)
    )
    assert set(found.first) == {"bnsl", "m1", "m2", "m3", "m4"}
    assert found.first["m2"].rmsle_held_out is not None
    assert found.whole["m2"].rmsle_held_out is None
    text = studies.report(tmp_path)
    assert "fall" in text.splitlines()[0]
    for name in ("report.html", "figures/curve.png", "figures/curve.csv", "figures/seeds.csv"):
        assert (tmp_path / name).exists()
    rows = (tmp_path / "figures" / "curve.csv").read_text().splitlines()
    assert rows[0].startswith("examples,val_loss,stderr,fit")
    assert len(rows) == 1 + len(TOY.train_sizes)


def test_an_error_of_zero_is_half_a_target(trained, tmp_path):
    """Laws live in logarithms: the size stays in the fits, and the report has it as they do."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    config = dataclasses.replace(TOY, metric="val_answer_error")
    largest = TOY.train_sizes[-1]
    for path in tmp_path.glob(f"runs/*_n{largest}_*/metrics.jsonl"):
        lines = list(map(json.loads, path.read_text().splitlines()))
        lines[-1]["val_answer_error"] = 0.0
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = studies.run(config, tmp_path)
    assert found.sizes[-1].best == [0.5 / train.open_experiment(RUN).targets] * len(TOY.seeds)
    assert np.isfinite([law.rmsle for law in found.whole.values()]).all()
    assert found.sizes[-1].last == found.sizes[-1].best


def test_sharp_falls_are_told_from_power_laws():
    from scalax.studies.sizes.study import fitted

    sizes = np.geomspace(100, 1000, 14).round()

    def result(y) -> SizesResult:
        config = SizesConfig(train_sizes=tuple(map(int, sizes)), fit_until=700)
        runs = [SizeResult(int(n), [v], [1], [v], 1.0) for n, v in zip(sizes, y, strict=True)]
        every = np.ones(len(sizes), bool)
        return SizesResult(config, None, {}, 0.0, runs, {}, fitted(sizes, y, every))  # type: ignore[arg-type]

    falls = result(0.4 + 2 * sizes**-0.05 * (1 + (sizes / 500) ** 16) ** (-5 / 16))
    assert is_sharp(falls)
    assert "500 examples" in break_text(falls)
    assert not is_sharp(result(0.1 + 4 * sizes**-0.5))
    assert np.isnan(curve(falls)[2]).all()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"train_sizes": (4, 4, 8, 16, 32)}, ["train_sizes", "rise"]),
        ({"fit_until": 16}, ["fit_until", 16]),
        ({"fit_until": 4}, ["fit_until", 4]),
        ({"steps": 0}, ["steps", 0]),
        ({"metric": "val_los"}, ["'val_los'", "val_loss"]),
        ({"run": dataclasses.replace(RUN, model=ModelConfig(names=("D8-1", "D16-1")))}, ["model.names"]),
    ],
)
def test_settings_are_checked(changes, names):
    with rejects(*names):
        dataclasses.replace(TOY, **changes)


def test_more_examples_than_there_are_is_one_line(tmp_path):
    few = dataclasses.replace(RUN, data=dataclasses.replace(ADDITION, name="1"))
    with rejects("train_sizes", 100):
        studies.run(dataclasses.replace(TOY, run=few, train_sizes=(4, 6, 8, 12, 100)), tmp_path)


def test_the_papers_setting():
    """Width 128, MLP 512, two heads, one block; Adam .9/.95, 1e-4, decay .1, clip 1, no dropout."""
    paper = launch.load(f"{FILE}:paper")
    run = paper.run
    assert run.model.names == ("D128-1",)
    assert run.model.head_dim == 64
    assert run.model.dropout == 0
    optim = run.optim
    assert (optim.b1, optim.b2, optim.lr, optim.clip_norm) == (0.9, 0.95, 1e-4, 1.0)
    assert (optim.weight_decay, optim.weight_decay_head) == (0.1, 0.1)
    assert run.data.name == "4"
    assert (paper.train_sizes[0], paper.train_sizes[-1], paper.full_batch) == (144, 1008, True)
