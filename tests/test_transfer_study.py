"""The study of transfer: its verdicts on rows whose answer is known, and a tiny one from runs to report."""

import csv
import dataclasses
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from scalax import cli, launch, records, studies, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig, StartConfig
from scalax.data.named import named_set
from scalax.studies.finetune import FinetuneConfig, vtab
from scalax.studies.protocol import Device
from scalax.studies.sweep import SweepConfig
from scalax.studies.transfer import HeadConfig, TransferConfig, tables, verdicts, words
from scalax.studies.transfer.grid import planned
from scalax.studies.transfer.result import HeadRow, ModelRow, SetInfo, StudyResult
from scalax.tasks.image_classification import ImageClassification
from tests.rejects import rejected, rejects

SETS = [f"set{i}" for i in range(8)]
LAYERS = ["block00", "block01", "block02", "pre_logits"]


def result_of(models=(), heads=(), **config) -> StudyResult:
    settings = TransferConfig(sets=tuple(SETS), shots=(10,), **config)
    sets = {name: SetInfo(100, 10_000, 10) for name in SETS}
    device = Device("cpu", "cpu", 1, 1)
    result = StudyResult(settings, device, {}, 10_000, sets, list(models), list(heads), [], None, [])
    return result._replace(analysis=tables.analysis(result)) if models else result


def models_of(params_matter: float = 0.0, seed: int = 0) -> list[ModelRow]:
    """40 runs of two models each. Set i follows upstream less, and its best layer is lower, the smaller i."""
    rng, rows = np.random.default_rng(seed), []
    for run in range(40):
        params = float(np.exp(rng.uniform(8, 12)))
        for last in (False, True):
            upstream = rng.uniform(0.3, 0.9)
            downstream = {}
            for i, name in enumerate(SETS):
                error = 0.2 + 0.05 * i * upstream**2 + params_matter * (np.log(params) - 10)
                best = i // 2
                for j, layer in enumerate(LAYERS):
                    noise = 0.002 * rng.normal()
                    downstream[f"{name}/{layer}@10"] = error + 0.01 * abs(j - best) + noise
            images = int(rng.integers(1000, 9000))
            flops = float(np.exp(rng.uniform(20, 25)))
            rows.append(
                ModelRow(
                    f"run{run}", "grid", last, "V8-3/8", "V", int(params), LAYERS, images,
                    float(rng.uniform(1, 9)), flops, upstream, downstream,
                )
            )  # fmt: skip
    return rows


def heads_of(downstream_best: int, upstream_best: int) -> list[HeadRow]:
    """The head's norm and margin fall and the body's rise with the decay; the best decays are as given."""
    rng, rows = np.random.default_rng(0), []
    for place, decay in enumerate((0.0, 0.1, 1.0, 5.0)):
        for lr_head in (0.1, 1.0):
            for seed in range(3):
                error = 0.3 + 0.01 * abs(place - downstream_best)
                margins = {
                    "upstream/head_margin_size": 3.0 - place / 2,
                    "upstream/pre_logits_margin_size": 1.0 + place,
                }
                rows.append(
                    HeadRow(
                        f"{decay}-{lr_head}-{seed}", decay, lr_head, seed,
                        0.5 + 0.01 * abs(place - upstream_best) + 0.001 * rng.normal(),
                        {f"{name}@10": error + 0.001 * rng.normal() for name in SETS},
                        {"head": 4.0 - place, "block00": 2.0 + place, "embedding": 1.0}, {}, margins,
                    )
                )  # fmt: skip
    return rows


def answers(found: list[verdicts.Verdict]) -> dict[str, str]:
    return {verdict.of: verdict.answer for verdict in found}


def test_verdicts_find_one_curve_and_lower_layers():
    result = result_of(models_of())
    assert answers(verdicts.one_curve(result)) == dict.fromkeys(tables.SIZES, "yes")
    layer = verdicts.best_layer(result)
    assert layer.answer == "yes"
    assert 0.3 < layer.low <= layer.value <= layer.high <= 1
    saturated = verdicts.saturation(result)
    assert [verdict.of for verdict in saturated] == SETS
    assert saturated[-1].answer == "yes"
    assert saturated[-1].low < 0.2 < saturated[-1].high


def test_verdicts_find_that_size_matters():
    found = answers(verdicts.one_curve(result_of(models_of(params_matter=-0.02))))
    assert found["params"] == "no"
    assert found["images"] != "no"


def test_verdicts_of_the_head():
    result = result_of(
        heads=heads_of(downstream_best=3, upstream_best=1), head=HeadConfig((0.0, 0.1, 1.0, 5.0))
    )
    best = verdicts.best_decay(result)
    assert (best.answer, best.value) == ("yes", 2.0)
    assert set(answers(verdicts.moves(result)).values()) == {"yes"}
    lower = result_of(heads=heads_of(downstream_best=0, upstream_best=2))
    assert verdicts.best_decay(lower).answer == "no"
    same = verdicts.best_decay(result_of(heads=heads_of(1, 1)))
    assert (same.answer, same.value) == ("not determined", 0.0)


TINY = TransferConfig(
    run=RunConfig(
        data=DataConfig(max_train_images=64, max_validation_images=40),
        model=ModelConfig(names=("V8-1",), base_patch=4, base_grid=2),
        optim=OptimConfig(lr=1e-2, warmup_steps=2),
        eval=EvalConfig(points=2, batch_size=40, shots=0),
        batch_size=16,
    ),
    name="tiny",
    patch=4,
    sets=("drawn_kind", "drawn_count"),
    shares=(1.0,),
    epochs=(0.5, 2.0),
    random_runs=1,
    shots=(1, 2),
    best_shots=2,
    draws=2,
    max_test=40,
    head=HeadConfig(
        decays=(0.0, 0.5, 5.0), seeds=(0,), epochs=0.5, finetune=("drawn_kind",), finetune_steps=2
    ),
)


def test_a_tiny_study_from_runs_to_report(tmp_path, capsys):
    result = studies.run(TINY, tmp_path)
    assert len(result.models) == len(planned(TINY)) * 2 == 6
    assert sum(row.last for row in result.models) == 3
    assert {row.part for row in result.models} == {"grid", "random"}
    assert {row.images for row in result.models} == {64}
    assert len(result.models[0].downstream) == 2 * 2 * 2  # sets, layers, shots
    assert len(result.heads) == 3
    assert [(row.set, row.decay, row.seed) for row in result.finetuned] == [
        ("drawn_kind", decay, 0) for decay in (0.0, 5.0)
    ]
    groups = list((tmp_path / "head").glob(".group-*"))
    assert len(groups) == 1  # the whole sweep of the head trains as one population
    tuned = sorted(path for path in (tmp_path / "finetune").iterdir() if records.is_run(path))
    assert len({records.read_run(path).records[0].run for path in tuned}) == 2
    swapped = tmp_path / "swapped"
    shutil.copytree(tmp_path / "finetune", swapped / "finetune")
    shutil.copy(tuned[0] / "metrics.jsonl", swapped / "finetune" / tuned[1].name)
    with rejects(swapped / "finetune" / tuned[1].name, "run.json"):
        records.read_run(swapped / "finetune" / tuned[1].name)
    again = studies.load(tmp_path)[1]
    assert again.models == result.models
    assert again.heads == result.heads
    assert [v.answer for v in again.verdicts] == [v.answer for v in result.verdicts]
    assert {v.name for v in again.verdicts} == set(words.QUESTIONS)
    layer = next(v for v in again.verdicts if v.name == "best_layer")
    assert layer.answer == "not determined"  # of two sets
    assert np.isnan(layer.value)

    text = studies.report(tmp_path)
    assert text.count("?") == 5
    assert (tmp_path / "report.html").is_file()
    with (tmp_path / "figures" / "models.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert float(rows[0]["drawn_kind@2"]) == pytest.approx(
        1 - result.models[0].downstream["drawn_kind/pre_logits@2"]
    )
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"layers.csv", "heads.csv", "finetuned.csv", "verdicts.csv", "layers.png", "head.png"} <= names
    table = str(tmp_path / "figures" / "models.csv")
    arguments = [
        "transfer",
        table,
        "--upstream",
        "upstream",
        "--downstream",
        "drawn_kind@2",
        "--model",
        "model",
    ]
    assert cli.main([*arguments, "--resamples", "20", "--out", str(tmp_path / "again")]) == 0


def test_random_runs_are_the_same_for_the_same_seed():
    assert planned(TINY) == planned(TINY)
    other = planned(dataclasses.replace(TINY, seed=1))
    assert [each.optim for each in other[2:]] != [each.optim for each in planned(TINY)[2:]]
    twice = dataclasses.replace(TINY, scale=2.0).scaled()
    assert (twice.epochs, twice.head.epochs, twice.scale) == ((1.0, 4.0), 1.0, 1.0)


def test_bad_configs(tmp_path, capsys):
    for changes, names in (
        ({"shares": (1.5,)}, ("shares",)),
        ({"epochs": ()}, ("epochs",)),
        ({"shots": (0,)}, ("shots",)),
        ({"best_shots": 7}, ("best_shots", 7)),
        ({"shares": (), "head": HeadConfig()}, ("shares", "head.decays")),
        ({"draws": 0}, ("draws", 0)),
    ):
        with rejects(*names):
            dataclasses.replace(TINY, **changes)
    for settings in ({"decays": (0.0, 1.0)}, {"decays": (0.0, 0.0, 1.0)}, {"lr_heads": ()}, {"epochs": 0.0}):
        with rejects("head."):
            HeadConfig(**settings)
    for changes, names in (
        ({"sets": ()}, ("sets",)),
        ({"sets": ("drawn_kind", "drawn_kind")}, ("sets",)),
        ({"sets": ("drawn_knid",)}, ("'drawn_knid'", "'drawn_kind'")),
        (
            {"head": dataclasses.replace(TINY.head, finetune=("drawn_knid",))},
            ("head.finetune", "'drawn_kind'"),
        ),
    ):
        with rejects(*names):
            studies.run(dataclasses.replace(TINY, **changes), tmp_path / "bad")
    path = tmp_path / "config.py"
    path.write_text(
        "from scalax.studies.finetune import FinetuneConfig\n\n\ndef config():\n    return FinetuneConfig()\n"
    )
    assert launch.main([str(path), "--out", str(tmp_path / "out")]) == 2
    rejected(capsys, "start.run")
    assert (
        launch.main([str(path), "--out", str(tmp_path / "out"), "--start.run", str(tmp_path / "none")]) == 2
    )
    rejected(capsys, tmp_path / "none")
    with rejects("steps", 0):
        FinetuneConfig(steps=0)


def test_fine_tuning_is_as_vtab_says():
    run = vtab(named_set("drawn_kind", 8)[1])
    assert (run.data.max_train_images, run.batch_size, run.optim.name, run.optim.schedule) == (
        1000,
        512,
        "sgd",
        "cosine",
    )
    assert FinetuneConfig(dataclasses.replace(run, start=StartConfig(run="x"))).steps == 500


def test_a_sweep_of_the_head():
    run = RunConfig(model=ModelConfig(names=("V8-1",)), optim=OptimConfig(weight_decay_head=0.01))
    sweep = SweepConfig(run, weight_decays_head=(0.0, 1.0), lr_heads=(0.1, 1.0))
    assert {(o.weight_decay_head, o.lr_head) for o in sweep.optims()} == {
        (d, lr) for d in (0.0, 1.0) for lr in (0.1, 1.0)
    }
    assert {(o.lr, o.weight_decay) for o in sweep.optims()} == {(run.optim.lr, run.optim.weight_decay)}
    with rejects("weight_decays_head"):
        SweepConfig(run, weight_decays_head=(-1.0,))
    with rejects("lr_heads"):
        SweepConfig(run, lr_heads=(1.0, 1.0))


def test_sigmoid_loss_is_a_sum_of_binary_ones():
    task = ImageClassification((8, 8, 3), 3, 0.0, 0, False, loss_name="sigmoid")
    scores = jnp.array([[2.0, -1.0, 0.0], [0.5, 0.5, -3.0]])
    own, others = np.log1p(np.exp([-2.0, -0.5])), np.log1p(np.exp([[-1.0, 0.0], [0.5, -3.0]])).sum(1)
    assert float(task.loss(scores, jnp.array([0, 1]))) == pytest.approx(float(np.mean(own + others)))
    with rejects("optim.loss", "next_token"):
        text = RunConfig(task="next_token", data=DataConfig(source="text"), optim=OptimConfig(loss="sigmoid"))
        train.open_experiment(text)
