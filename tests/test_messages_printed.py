"""What commands, plans, fits and studies print, word for word (errors of libraries: test_messages.py)."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalax import cli, launch, laws, plan
from scalax.laws.curves import clean
from scalax.studies.adaptive import AdaptiveConfig, remarks, verdict
from scalax.studies.adaptive.result import (
    AdaptiveResult,
    FittedLaw,
    Foretold,
    LadderResult,
    LawForm,
    MethodRun,
    Needed,
    Pilot,
    PlanSummary,
    Target,
    Transition,
)
from tests.plan_laws import LARGE, SMALL, PowerLaw

ROOT = Path(__file__).parents[1]
QUICKSTART = "tests/digits.py"
X = np.geomspace(1e3, 1e6, 12)

# Arguments of a command -> what it prints.
COMMANDS = [
    (
        ["scalax", "transfer"],
        "scalax transfer: error: no file of models given; see scalax transfer --help, or try --simulated",
    ),
    (
        ["scalax", "transfer", "nowhere.csv"],
        "scalax transfer: error: --upstream must name the column of upstream accuracies or errors",
    ),
    (
        ["scalax", "transfer", "nowhere.csv", "--upstream", "up"],
        "scalax transfer: error: nowhere.csv: No such file or directory; give a file of models",
    ),
    (["scalax", "fit"], "scalax fit: error: no file of curves given; try --example"),
    (
        ["scalax", "fit", "nowhere.csv"],
        "scalax fit: error: nowhere.csv: no such file or directory; give a file of curves",
    ),
    (
        ["scalax", "fit", "--example", "--laws", ""],
        "scalax fit: error: no law is named; give one or more in --laws, e.g. m4",
    ),
    (
        ["scalax", "forecast", "--example", "--at", "1e9,x"],
        "scalax forecast: error: --at: 'x' is not a positive number",
    ),
    (
        ["scalax", "forecast", "--example", "--target", "-1"],
        "scalax forecast: error: --target must be positive, got -1.0",
    ),
    (
        ["scalax", "bench", "curves.csv", "--simulated"],
        "scalax bench: error: --simulated takes no files; leave one of them out",
    ),
    (
        ["scalax", "bench", "--simulated", "--count", "0"],
        "scalax bench: error: --count must be at least 1, got 0",
    ),
    (
        ["scalax", "cost", "vit-b/16", "--device", "abacus"],
        (
            "scalax cost: error: --device 'abacus' is unknown; choose one of h200, h100 pcie, h100, a100,"
            " v100, l4, t4, tpu v6, tpu v5p, tpu v5, tpu v4, tpu v3, tpu v2"
        ),
    ),
    (
        ["scalax", "cost", "VIT-B/16"],
        (
            "scalax cost: error: unknown model 'VIT-B/16' (did you mean 'vit-b/16'? families: bit-r50x1,"
            " D128-4, mixer-b/16, M64-4/8, resnet50, R64-50, vit-b/16, V192-12/8)"
        ),
    ),
    (["scalax", "plan", "TMP"], "scalax plan: error: TMP: has no runs/; name the directory of a study"),
    (
        ["scalax", "plan", "TMP", "--first-share", "1"],
        "scalax plan: error: --first-share must lie between 0 and 1, got 1",
    ),
    (
        ["scalax", "plan", "TMP", "--budget", "1e9", "--target", "0.3"],
        "scalax plan: error: give --budget or --target, not both",
    ),
    (
        ["scalax", "plan", "TMP", "--out", "plan.txt"],
        "scalax plan: error: --out plan.txt: want the name of a file that ends in .json",
    ),
    (
        ["scalax", "report", "TMP"],
        (
            "scalax report: error: TMP/study.json: no such file; finish the study with python -m"
            " scalax.launch first"
        ),
    ),
    (
        ["scalax", "status", "TMP/none"],
        "scalax status: error: TMP/none: no such directory; name that of a study, or of one run",
    ),
    *(
        (
            [*words, str(Path(__file__))],
            f"{' '.join(words)}: error: {Path(__file__)}: is a file, want a directory; {remedy}",
        )
        for words, remedy in (
            (["scalax", "status"], "name that of a study, or of one run"),
            (["scalax", "report"], "give that of a study"),
            (["scalax", "plan"], "name the directory of a study"),
        )
    ),
    (
        ["scalax", "throughput"],
        (
            "scalax throughput: error: MODEL is missing, e.g. scalax throughput V256-6/8 --image 64; or give"
            " --data-only"
        ),
    ),
    (
        ["scalax", "throughput", "V16-1/4", "--data-only"],
        "scalax throughput: error: --data-only trains no model; leave MODEL and --against out",
    ),
    (
        ["scalax", "throughput", "resnet18", "--image", "32", "--against", "flax-reference"],
        "scalax throughput: error: --against flax-reference has Vision Transformers only, not 'resnet18'",
    ),
    (
        ["scalax", "convert", "TMP/none.safetensors"],
        "scalax convert: error: weights TMP/none.safetensors: cannot read it (No such file or directory)",
    ),
    (
        ["scalax.launch", "tests/digits.py:confg"],
        ("scalax.launch: error: config tests/digits.py:confg: no function 'confg' (did you mean 'config'?)"),
    ),
    (
        ["scalax.launch", QUICKSTART, "--optim.lrr", "1"],
        (
            "scalax.launch: error: unknown override --optim.lrr (did you mean --optim.lr?); see python -m"
            " scalax.launch tests/digits.py --help"
        ),
    ),
    (
        ["scalax.launch", QUICKSTART, "--optim.lr", "fast"],
        "scalax.launch: error: --optim.lr: could not convert string to float: 'fast'",
    ),
    (
        ["scalax.launch", QUICKSTART, "--out"],
        "scalax.launch: error: --out: expected one argument; see python -m scalax.launch --help",
    ),
    (
        ["scalax.launch", QUICKSTART, "--profile", "5", "--out", "TMP/out"],
        "scalax.launch: error: --profile 5: want START:STOP in steps with START < STOP, e.g. 10:20",
    ),
]


@pytest.mark.parametrize(("argv", "line"), COMMANDS, ids=[" ".join(argv) for argv, _ in COMMANDS])
def test_commands(tmp_path, monkeypatch, capsys, argv, line):
    monkeypatch.chdir(ROOT)
    program, *arguments = [word.replace("TMP", str(tmp_path)) for word in argv]
    assert {"scalax": cli.main, "scalax.launch": launch.main}[program](arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.replace(str(tmp_path), "TMP") == line + "\n"
    assert not printed.out


FLAGS = [
    (laws.Flag("not_settled"), "the solver had not settled when it stopped"),
    (laws.Flag("few_agree", "", {"share": 0.25}), "only 25% of the polished starts agree on the best cost"),
    (laws.Flag("at_bound", "c", {"side": -1}), "c is at the lower end of its range"),
    (laws.Flag("at_bound", "c", {"side": 1}), "c is at the upper end of its range"),
    (laws.Flag("too_few_points", "", {"points": 3, "parameters": 5}), "too few points: 3 for 5 parameters"),
    (
        laws.Flag("undetermined", "", {"condition": 2e9}),
        "the data do not determine the parameters (condition 2e+09)",
    ),
    (laws.Flag("outside_data", "d1"), "break d1 lies outside the data"),
    (laws.Flag("far_away", "d", {"x": 3.0}), "d far away (x 3)"),
]


@pytest.mark.parametrize(("flag", "line"), FLAGS, ids=[flag.kind for flag, _ in FLAGS])
def test_flags_of_fits(flag, line):
    assert str(flag) == line


NOTES = [
    (np.append(X, 0), np.append(1 / X, 1), "1 rows with a non-positive or non-finite value left out"),
    (X[::-1], 1 / X[::-1], "rows were not sorted by x"),
    (np.repeat(X, 2), 1 / np.repeat(X, 2), "12 rows are exact copies of others; each counts once"),
    (X, 0 * X + 0.5, "flat: y is the same in every row, and no law can be told from another"),
    (X, 1 - 1 / X, "y rises with x and stays below 1: if it is an accuracy, give 1 - y"),
    (
        X,
        np.append(0.5 / X[0], 1 / X[1:]),
        "y rises over the first 1 rows before it falls (warm-up?): leave them out",
    ),
]


@pytest.mark.parametrize(("x", "y", "line"), NOTES, ids=[line[:30] for *_, line in NOTES])
def test_notes_on_curves(x, y, line):
    assert clean(laws.Curve(x, y))[1] == [line]


def test_plans():
    far = {LARGE: PowerLaw(10.0, 0.3, 0.2), SMALL: PowerLaw(60.0, 0.36, 0.02)}
    assert plan.steepest_descent(far, 1e9, 1e5).message == "V64-4/8 -> V64-4/2 at 0.3843, 605 kFLOP"
    alone = {LARGE: far[LARGE], SMALL: PowerLaw(5.0, 0.3, 0.02)}
    assert plan.steepest_descent(alone, 1e9, 1e6).message == (
        "by these laws no change of shape pays: V64-4/2 descends fastest throughout"
    )


def blank(kind: Any, **values: Any) -> Any:
    """A named tuple with these values alone."""
    return kind(**(dict.fromkeys(kind._fields) | values))


def test_remarks_on_a_study():
    law = FittedLaw({"c": 0.1}, {"c": 0.2}, 0.01, [], [], [])
    ladder = blank(
        LadderResult,
        shapes=["V64-4/8"],
        laws={"V64-4/8": law},
        plan=PlanSummary(
            "V64-4/8 -> V64-4/2 at 0.3, 1 GFLOP", None, [Transition("V64-4/8", "V64-4/2", 0.3, 1e9)], [], []
        ),
        planning_flops=3e9,
        switches=[],
        shifts=[],
        fewer=[],
        pilots=[Pilot("pilot1", "", 0.3, True, []), Pilot("pilot2", "", 0.4, False, [])],
        runs={
            "V64-4/8": [MethodRun("static", [], [0.4], 0.5, [], 0.0)],
            "adaptive": [MethodRun("adaptive", [], [0.3], 0.4, [], 0.0, examples=5000)],
        },
        targets=[Target(0.4, ["V64-4/8"], {"adaptive": Needed([1e9], [1.0], 2.0, [2.0], 1.5, [False])})],
    )
    result = blank(
        AdaptiveResult,
        config=AdaptiveConfig(replans=2),
        examples={"train": 2000, "validation": 599},
        unit="images",
        law=LawForm("m3", "", {}, ["c"]),
    )
    assert verdict.verdict(ladder, "val_error", result.law) == (
        "To reach a validation error of 0.4 the adaptive model needed 2.00x fewer FLOPs than the best fixed"
        " shape (one seed)"
    )
    assert remarks.remarks(ladder, result) == [
        "val_error at the end: adaptive 0.3, best static (V64-4/8) 0.4",
        "least val_error so far, geometric mean over log FLOPs: adaptive 0.4, best static (V64-4/8) 0.5",
        "passes over the 2,000 training images: at most 2.5 (adaptive)",
        "plan, by val_error: V64-4/8 -> V64-4/2 at 0.3, 1 GFLOP",
        "the best of 2 pilot runs: pilot1",
        "cost of planning: 3 GFLOP (static runs, search and pilot runs)",
        "the data do not determine the law of V64-4/8: take the plan as a guess",
        "there are 599 validation images, so one image changes the error by 0.0017",
    ]
    known = ladder._replace(foretold=(Foretold("a", 0.09, 0.02), Foretold("b", 0.07, 0.04)))
    by_examples = dataclasses.replace(result.config, carry="examples")
    said = remarks.remarks(known, result._replace(config=by_examples))
    assert said[4] == "the plan takes a run to keep what it learnt of all its examples when its shape changes"
    assert said[5] == (
        "val_error after changes of shape, 2 runs: foretold within 0.08 by errors, 0.03 by examples (rms of"
        " the log ratio, median)"
    )
    alone = ladder._replace(foretold=(Foretold("a", 0.09, None),))
    assert remarks.remarks(alone, result)[4] == (
        "val_error after changes of shape, 1 run: foretold within 0.09 by errors (rms of the log ratio,"
        " median)"
    )
    assert remarks.remarks(ladder._replace(pilots=[], runs={}), result)[0] == (
        "no pilot runs: the first plan has no change of shape"
    )
