"""The study of repeated examples: peaks, gaps, verdicts, and the whole of it on few images."""

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from scalax import launch, studies
from scalax.config import DataConfig, EvalConfig, ModelConfig, RunConfig
from scalax.studies.bootstrapped import BootstrappedConfig, analysis, words
from scalax.studies.bootstrapped.result import Gap
from tests.rejects import rejects

CONFIG = Path(__file__).parents[1] / "configs" / "bootstrapped_examples.py"
X = np.geomspace(1e2, 1e5, 24).round()
IMAGES = (500, 2000, 100_000)


def curves(apart=0.0, noise=0.004, seeds=3):
    """[part][seed, evaluation]: an error that falls as x^-0.15, and rises from 8 passes on in the smallest
    part; `apart` is added to log errors of the smaller parts from their first repeat on."""
    rng, found = np.random.default_rng(0), []
    for place, images in enumerate(IMAGES):
        level = -0.15 * np.log(X)
        if place == 0:
            level = level + 0.3 * np.maximum(0, np.log(X / (8 * images)))
        if place < 2:
            level = level + apart * (images < X)
        found.append(np.exp(level + noise * rng.standard_normal((seeds, len(X)))))
    return found


def parts(**options):
    config = BootstrappedConfig(shares=(0.005, 0.02, 1.0))
    own = curves(**options)
    return analysis.parts(config, X.astype(int).tolist(), IMAGES, own, own)


def test_curves_that_coincide_until_one_is_overfitted():
    smallest, middle, whole = parts()
    assert smallest.peak.x == pytest.approx(4000, rel=0.3)
    assert smallest.peak.rise == pytest.approx(0.15 * np.log(1e5 / 4000), rel=0.2)
    assert not middle.peak.found
    assert [each.verdict for each in (smallest, middle, whole)] == ["coincide", "coincide", "no repeats"]
    assert abs(smallest.before.value) < 0.01
    assert smallest.after.low > 0.1
    assert smallest.peak.x < smallest.leaves < 5 * smallest.peak.x
    assert np.isnan([middle.leaves, whole.leaves]).all()
    assert (middle.peak_gap, middle.after, whole.before) == (None, None, None)
    seen = X[(X > 500) & (smallest.peak.x >= X)]
    assert smallest.before.evaluations == len(seen)
    assert smallest.before.fall == pytest.approx(0.15 * np.log(seen[-1] / X[0]), rel=0.05)


def test_curves_that_part_at_their_first_repeat():
    smallest, middle, _ = parts(apart=0.2)
    assert smallest.verdict == middle.verdict == "apart"
    assert middle.before.value == pytest.approx(0.2, abs=0.01)
    assert middle.leaves == pytest.approx(X[(X > 2000).argmax()], rel=0.01)


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [((-0.01, 0.02), "coincide"), ((0.01, 0.02), "coincide"), ((0.01, 0.2), "apart"),
     ((-0.2, -0.01), "apart"), ((-0.2, 0.2), "not determined")],
)  # fmt: skip
def test_verdicts(ends, verdict):
    assert analysis.verdict(Gap(sum(ends) / 2, *ends, 3, 0.5), 0.1) == verdict


def test_settings_are_checked():
    for bad in ({"shares": (1.0,)}, {"shares": (1.0, 0.5)}, {"seeds": (0,)}, {"examples": 0}):
        with rejects(*bad):
            BootstrappedConfig(**bad)
    with rejects("model.names"):
        BootstrappedConfig(RunConfig(model=ModelConfig(names=("V16-1", "V16-2"))))
    with rejects("eval.points"):
        BootstrappedConfig(RunConfig(eval=EvalConfig(points=4)))


def test_the_whole_study(tmp_path):
    quick = launch.load(f"{CONFIG}:quick")
    data = DataConfig(source="digits", image_size=8, crop_padding=0, classes=("0", "1", "2", "3", "4"))
    run = dataclasses.replace(
        quick.run,
        data=data,
        model=ModelConfig(names=("V8-1",), base_patch=4, base_grid=2, head_dim=8),
        eval=EvalConfig(points=12, first_share=0.02, batch_size=128, shots=3, draws=2),
        batch_size=16,
    )
    config = dataclasses.replace(
        quick, run=run, patch=4, shares=(0.1, 1.0), seeds=(0, 1), examples=960, metric="fewshot_error"
    )
    made = studies.run(config, tmp_path)
    study, found = studies.load(tmp_path)
    assert (study.name, found.parts[0].images) == ("bootstrapped", made.parts[0].images)
    assert found.examples[-1] == 960
    assert found.parts[1].images == pytest.approx(10 * found.parts[0].images, rel=0.05)
    text = studies.report(tmp_path)
    assert text.startswith(words.lines(found)[0])
    rows = (tmp_path / "figures" / "bootstrapped.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2 * len(found.examples)
    assert words.lines(found)[0] in (tmp_path / "report.html").read_text()

    [validation] = {
        json.loads(path.read_text())["data"]["validation"] for path in tmp_path.glob("runs/*/run.json")
    }
    for path in tmp_path.glob("runs/*/metrics.jsonl"):  # from the third evaluation on, no image is wrong
        lines = list(map(json.loads, path.read_text().splitlines()))
        for line in lines[2:]:
            line["fewshot_error"] = 0.0
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        learned = studies.run(config, tmp_path)
    for part in learned.parts:
        assert (np.array(part.errors)[:, 2:] == 0.5 / validation).all()
    assert learned.parts[0].before.value == 0
