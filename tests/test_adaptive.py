"""The analysis of an adaptive study on curves whose answer is known in closed form."""

import dataclasses

import numpy as np
import pytest

from scalax import plan
from scalax.config import EvalConfig, RunConfig
from scalax.errors import UserError
from scalax.records import RunRecord
from scalax.schedule import Shape
from scalax.studies.adaptive import (
    AdaptiveConfig,
    TuneConfig,
    compare,
    fits,
    planning,
    remarks,
    tables,
    tuning,
)
from scalax.studies.adaptive.result import FittedLaw, LadderResult, PlanSummary, Settings, Target
from tests.rejects import check_line, rejects

LARGE, SMALL = Shape(4, 16, 1), Shape(2, 16, 1)
FLOPS = np.geomspace(1e9, 1e11, 40)
CONFIG = AdaptiveConfig(RunConfig(budget_flops=1e11), patches=(4, 2), targets=3)
STATIC = [str(LARGE), str(SMALL)]


def run_of(values, flops=FLOPS, switch=np.inf, name="a") -> list[RunRecord]:
    """At patch 4, from `switch` FLOPs on at patch 2; a GFLOP takes a second."""
    return [
        RunRecord(
            name, i, i, float(f), float(f), f / 1e9, 4 if f < switch else 2, 16, 1, {"val_error": float(v)}
        )
        for i, (f, v) in enumerate(zip(flops, values, strict=True))
    ]


def power(scale: float, exponent: float = 0.5) -> np.ndarray:
    """Error of a run that needs `scale` times the FLOPs of the reference for the same error."""
    return 0.5 * (FLOPS / scale / 1e9) ** -exponent


def with_run(config: AdaptiveConfig, **settings) -> AdaptiveConfig:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, **settings))


def ladder_of(methods: list[str], targets: list[Target], message: str = "") -> LadderResult:
    """What words are made of, and nothing else."""
    plan = PlanSummary(message, None, [], [], [])
    runs = {name: [] for name in methods}
    return LadderResult(STATIC, {}, {}, plan, 0.0, [], [], [], runs, targets, {}, [], [])


def rows_of(config=CONFIG, **runs) -> list[Target]:
    """targets() of methods given as values of each seed; p4 and p2 are the static shapes."""
    named = {{"p4": STATIC[0], "p2": STATIC[1]}.get(name, name): r for name, r in runs.items()}
    records = {name: [run_of(values) for values in seeds] for name, seeds in named.items()}
    curves = {
        name: [plan.trajectory_of(run, "val_error", 0.5 / 1000) for run in seeds]
        for name, seeds in records.items()
    }
    static = [name for name in STATIC if name in curves]
    return compare.targets(config, static, curves, records)


def test_savings_are_the_ratio_of_flops_and_of_time():
    rows = rows_of(p4=[power(1.0)], p2=[power(4.0)], adaptive=[power(0.5)])
    assert len(rows) == 3
    for row in rows:
        assert row.best_static == ["V16-1/4"]
        ours = row.methods["adaptive"]
        assert ours.savings == pytest.approx(2.0)
        assert ours.wall_savings == pytest.approx(2.0, rel=0.05)  # time is linear between evaluations
        assert ours.flops[0] == pytest.approx(1e9 * 0.5 * (0.5 / row.target) ** 2)
        assert not row.methods["V16-1/2"].savings > 0.25 * 1.01
    assert rows[-1].target == pytest.approx(power(1.0)[-1])


def test_verdict_is_of_the_middle_target():
    methods = {"p4": [power(1.0)] * 2, "p2": [power(4.0)] * 2, "adaptive": [power(0.5), power(1 / 8)]}
    rows = rows_of(**methods)
    middle = rows[1].target
    said = remarks.verdict(ladder_of([*STATIC, "adaptive"], rows), "val_error")
    check_line(said, f"val_error {middle:.4g}", "V16-1/4", "adaptive 4.00x (2.00–8.00)")
    methods["linear"] = methods.pop("adaptive")
    none = ladder_of([*STATIC, "linear"], rows_of(**methods), "no change of shape pays")
    assert remarks.verdict(none, "val_error") == (
        "no change of shape pays; " + said.replace("adaptive", "linear")
    )
    assert remarks.verdict(ladder_of(STATIC, [], "no change of shape pays"), "val_error") == (
        "no change of shape pays"
    )


def test_laws_at_the_end_of_their_range_are_not_determined():
    stderr = {"a": 0.1, "b": 0.0, "c": 3.0, "d": 0.0}
    law = FittedLaw(dict.fromkeys("abcd", 2.0), stderr, 0.01, ["b"], [], [])
    assert [name for name in "abcd" if law.determined(name)] == ["a"]
    (header, (row,)) = tables.laws({"V16-1/4": law}, fits.form("shifted_power"))
    shown = dict(zip((name[0] for name in header[1:5]), row[1:5], strict=True))
    assert shown == {
        "a": "2 ± 0.1",
        "b": "2 (end of its range)",
        "c": "2 (undetermined)",
        "d": "2 (undetermined)",
    }


def test_savings_over_seeds_are_a_geometric_mean():
    rows = rows_of(p4=[power(1.0)] * 2, p2=[power(4.0)] * 2, adaptive=[power(0.5), power(1 / 8)])
    assert rows[0].methods["adaptive"].savings_by_seed == pytest.approx([2.0, 8.0])
    assert rows[0].methods["adaptive"].savings == pytest.approx(4.0)


def test_no_saving_before_the_first_change():
    """The same trajectory, looked at at other moments and with noise, is no saving."""
    rng = np.random.default_rng(0)
    truth = power(1.0) * np.exp(0.1 * rng.standard_normal(40))
    runs = {
        STATIC[0]: [run_of(truth[0::2], FLOPS[0::2])],
        STATIC[1]: [run_of(power(9.0))],
        "adaptive": [run_of(truth[1::2], FLOPS[1::2], switch=1e10)],
    }
    curves = {name: [plan.trajectory_of(r, "val_error", 5e-4) for r in seeds] for name, seeds in runs.items()}
    joined = compare.share_starts(curves, runs)
    early = FLOPS < 1e10
    for name in (STATIC[0], "adaptive"):
        np.testing.assert_array_equal(joined[name][0][1][: early.sum()], truth[early])
        assert np.all(np.diff(joined[name][0][0]) >= 0)
    for target in np.geomspace(truth[0], truth[early].min(), 7):
        a, b = (plan.flops_to_reach(*joined[name][0], target) for name in (STATIC[0], "adaptive"))
        assert a == b
    assert len(joined["adaptive"][0][0]) + len(joined[STATIC[0]][0][0]) == 40 + early.sum()


def test_all_that_share_a_start_are_read_at_the_evaluations_of_any():
    rng = np.random.default_rng(0)
    truth = power(1.0) * np.exp(0.1 * rng.standard_normal(40))
    runs = {
        STATIC[0]: [run_of(truth[0::3], FLOPS[0::3])],
        "adaptive": [run_of(truth[1::3], FLOPS[1::3], switch=5e9)],
        "linear": [run_of(truth[2::3], FLOPS[2::3], switch=2e10)],
    }
    curves = {name: [plan.trajectory_of(r, "val_error", 5e-4) for r in seeds] for name, seeds in runs.items()}
    joined = compare.share_starts(curves, runs)
    for name, until in (("adaptive", 5e9), ("linear", 2e10)):
        (flops, values), (static_flops, static_values) = joined[name][0], joined[STATIC[0]][0]
        last = max(f for f in curves[name][0][0] if f < until)
        np.testing.assert_array_equal(flops[flops <= last], static_flops[static_flops <= last])
        np.testing.assert_array_equal(values[flops <= last], static_values[static_flops <= last])


def test_a_start_that_drifted_is_not_shared():
    """Same schedule and seed, other rounding: each keeps its own evaluations."""
    runs = {STATIC[0]: [run_of(power(1.0))], "adaptive": [run_of(power(1.0) * 0.999, switch=1e10)]}
    curves = {name: [plan.trajectory_of(r, "val_error", 5e-4) for r in seeds] for name, seeds in runs.items()}
    for name, (curve,) in compare.share_starts(curves, runs).items():
        np.testing.assert_array_equal(curve, curves[name][0])


def test_targets_out_of_reach_are_no_savings():
    row = rows_of(p4=[power(1.0)], adaptive=[power(50.0)])[-1]
    assert np.isnan(row.methods["adaptive"].savings)
    assert np.isnan(row.methods["adaptive"].flops[0])
    assert np.isfinite(row.methods["V16-1/4"].flops[0])


def test_no_image_wrong_is_no_zero_in_the_logarithm():
    values = power(1.0)
    values[10:] = 0.0
    rows = rows_of(p4=[values], adaptive=[values])
    assert rows[-1].target == 0.5 / 1000
    assert all(row.methods["adaptive"].savings == pytest.approx(1.0) for row in rows)


def test_targets_are_reached_in_every_seed():
    rows = rows_of(p4=[power(1.0), power(3.0)], adaptive=[power(0.5), power(1.5)])
    assert [row.methods["adaptive"].savings for row in rows] == pytest.approx([2.0] * 3)
    assert rows[-1].best_static == ["V16-1/4"] * 2


def test_wall_time_is_read_along_the_run():
    run = run_of(power(1.0))
    assert compare.wall_at(run, 5e10) == pytest.approx(50.0)
    assert compare.wall_at(run, 5e8) == pytest.approx(0.5)
    assert np.isnan(compare.wall_at(run, np.nan))


def test_greedy_search_takes_the_best_of_each_in_turn():
    """A made-up metric whose best learning rate and batch size depend on the shape."""
    config = dataclasses.replace(
        CONFIG, tune=TuneConfig(share=0.1, lrs=(1e-3, 1e-2), batch_sizes=(32,), weight_decays=(0.1,))
    )
    seen = []

    def train_candidates(specs):
        seen.append(len(specs))
        results = []
        for run in specs:
            (stage,) = run.schedule.stages
            assert stage.until_flops == 1e10
            best_lr, best_batch = (1e-2, 32) if stage.shape == SMALL else (1e-3, 128)
            score = abs(np.log(run.optim.lr / best_lr)) + abs(np.log(stage.batch_size / best_batch))
            results.append(run_of([score + run.optim.weight_decay], FLOPS[:1], name=run.name))
        return results

    found, spent = tuning.tune(config, [LARGE, SMALL], train_candidates)
    assert spent == pytest.approx(8 * FLOPS[0])  # of twelve runs four came up again
    assert found[LARGE] == Settings(128, 1e-3, 0.01)
    assert found[SMALL] == Settings(32, 1e-2, 0.01)
    assert seen == [4, 4, 4]  # 1e-3 is the config's own, 0.01 the decay's
    assert tuning.tune(CONFIG, [LARGE], train_candidates) == ({LARGE: Settings()}, 0.0)


def test_candidates_that_fail_are_passed_over():
    config = dataclasses.replace(CONFIG, tune=TuneConfig(share=0.1, lrs=(1e-3, 1.0)))

    def train_candidates(specs):
        return [None if run.optim.lr == 1.0 else run_of([0.5], FLOPS[:1]) for run in specs]

    assert tuning.tune(config, [LARGE], train_candidates)[0][LARGE].lr == 1e-3
    with rejects("lr", "[0.001, 1.0]", "V16-1/4"):
        tuning.tune(config, [LARGE], lambda specs: [None for _ in specs])


def test_ladders_and_bad_configs():
    models = dataclasses.replace(CONFIG.run.model, names=("V16-1", "V32-1"))
    apart = with_run(CONFIG, model=models)
    both = dataclasses.replace(apart, joint=True)
    assert [str(s) for s in both.ladders()["joint"]] == ["V16-1/4", "V16-1/2", "V32-1/4", "V32-1/2"]
    assert list(apart.ladders()) == ["V16-1", "V32-1"]
    assert dataclasses.replace(CONFIG, scale=3.0).scaled().run.budget_flops == 3e11
    for bad in (
        {"patches": (4,)},
        {"patches": (3, 2)},
        {"metric": "val_errr"},
        {"metric": "skipped_steps"},
        {"run": dataclasses.replace(CONFIG.run, eval=EvalConfig(points=4))},
        {"seeds": (1, 1)},
        {"scale": 0.0},
        {"run": both.run, "joint": True, "online": True},
        {"run": both.run, "joint": True, "baselines": ("flexi",)},
    ):
        with pytest.raises(UserError):
            dataclasses.replace(CONFIG, **bad)


def test_isoflop_and_frontier_of_a_study():
    """Small needs 4x the FLOPs of large until both end; the scheduled run half of those of large."""
    curves = {LARGE: [(FLOPS, power(1.0))] * 2, SMALL: [(FLOPS, power(4.0))] * 2}
    rows = compare.isoflop(curves, {LARGE: 1e6, SMALL: 4e6}, 2e9)
    assert [row.flops for row in rows] == pytest.approx(np.geomspace(2e9, 1e11, compare.ISOFLOPS))
    for row in rows:
        assert row.best == str(LARGE)
        assert row.example_flops == [1e6, 4e6]
        assert row.values[str(SMALL)] == pytest.approx(2 * row.values[str(LARGE)], rel=1e-3)
    named = {str(shape): runs for shape, runs in curves.items()} | {"adaptive": [(FLOPS, power(0.5))] * 2}
    for seed in compare.frontier(named, STATIC, ["adaptive"]):
        assert [point.static for point in seed] == [str(LARGE)] * len(seed)
        assert [point.ratio for point in seed] == pytest.approx([2.0] * len(seed), rel=1e-6)
    assert compare.frontier(named, STATIC, []) == []


def test_a_plan_and_what_less_data_would_have_made_of_it():
    laws = {LARGE: 0.3 + 0.4 * (FLOPS / 1e9 + 1) ** -0.8, SMALL: 0.1 + 0.8 * (FLOPS / 1e9 + 8) ** -0.35}
    curves = {shape: [(FLOPS, values)] for shape, values in laws.items()}
    made = planning.make_plan(curves, "shifted_power", 1e11, 2e9)
    assert made.changing
    kept = made.summary()
    assert kept.transitions[0].after == str(SMALL)
    assert kept.message == made.message
    assert len(kept.flops) == len(kept.errors) > 100
    for shape, fit in made.laws.items():
        law = fits.summary(fit, 2e9, 1e11)
        truth = np.interp(law.flops, FLOPS, laws[shape])
        assert law.values == pytest.approx(truth, rel=0.01)
    cheap = made.cheap(curves)
    assert [row.share for row in cheap] == [0.05, 0.1, 0.25, 0.5, 1.0]
    assert cheap[-1].plan == made.message
    assert cheap[-1].planning_flops == pytest.approx(2e11)
    for row in cheap:
        assert row.plan or row.reason
        assert row.plan is None or row.net_savings < row.savings
    few = {shape: [(f[:2], v[:2]) for f, v in runs] for shape, runs in curves.items()}
    none = planning.make_plan(few, "shifted_power", 1e11, 1e9)
    assert none.changing is None
    assert none.message.startswith("no plan: ")
    assert none.summary().schedule is None
    assert none.cheap(few) == []
