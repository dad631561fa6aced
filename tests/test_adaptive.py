"""The analysis of an adaptive study on curves whose answer is known in closed form."""

import dataclasses

import numpy as np
import pytest

from scalax import plan, records
from scalax.config import EvalConfig, RunConfig
from scalax.errors import UserError
from scalax.records import RunRecord
from scalax.report.progress import Display
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive import (
    AdaptiveConfig,
    TuneConfig,
    beforehand,
    compare,
    fits,
    planning,
    rivals,
    seconds,
    tables,
    tuning,
    verdict,
)
from scalax.studies.adaptive.result import (
    Change,
    Cooled,
    CooledCurve,
    FittedLaw,
    LadderResult,
    LawForm,
    MethodRun,
    PlanSummary,
    Settings,
    Target,
)
from scalax.train import Progress
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


def ladder_of(
    ends: dict[str, float], targets: list[Target], message: str = "", switches: tuple[Change, ...] = ()
) -> LadderResult:
    """What words are made of, and nothing else. ends: the last value of each method."""
    plan = PlanSummary(message, None, [], [], [])
    through = {name: [name] if name in STATIC else STATIC for name in ends}
    runs = {name: [MethodRun(name, [1e11], [end], end, through[name], 1.0)] for name, end in ends.items()}
    return LadderResult(STATIC, {}, {}, plan, 0.0, [], [], list(switches), runs, targets, {}, [], [], {})


FORM = LawForm("", "", {}, [])


def rows_of(config=CONFIG, switch=1e9, **runs) -> list[Target]:
    """targets() of methods given as values of each seed; p4 and p2 are the static shapes, and all others
    change from the one to the other at `switch` FLOPs."""
    named = {{"p4": STATIC[0], "p2": STATIC[1]}.get(name, name): r for name, r in runs.items()}
    at = {STATIC[0]: np.inf, STATIC[1]: 0.0}
    records = {
        name: [run_of(values, switch=at.get(name, switch)) for values in seeds]
        for name, seeds in named.items()
    }
    curves = {
        name: [plan.trajectory_of(run, "val_error", 0.5 / 1000) for run in seeds]
        for name, seeds in records.items()
    }
    static = [name for name in STATIC if name in curves]
    return compare.targets(config, static, curves, records, seconds.paces(records[name] for name in static))


def test_savings_are_the_ratio_of_flops():
    rows = rows_of(p4=[power(1.0)], p2=[power(4.0)], adaptive=[power(0.5)])
    assert len(rows) == 3
    for row in rows:
        assert row.best_static == ["V16-1/4"]
        ours = row.methods["adaptive"]
        assert ours.savings == pytest.approx(2.0)
        assert ours.flops[0] == pytest.approx(1e9 * 0.5 * (0.5 / row.target) ** 2)
        assert not row.methods["V16-1/2"].savings > 0.25 * 1.01
    assert rows[-1].target == pytest.approx(power(1.0)[-1])


def said(rows: list[Target], switches=(), message="", name="adaptive", end=0.3) -> str:
    ends = {STATIC[0]: 0.5, STATIC[1]: 0.4, name: end}
    return verdict.verdict(ladder_of(ends, rows, message, switches), "val_error", FORM)


def test_verdict_is_of_the_middle_target():
    methods = {"p4": [power(1.0)] * 2, "p2": [power(4.0)] * 2, "adaptive": [power(0.5), power(1 / 8)]}
    rows = rows_of(**methods)
    middle = rows[1].target
    check_line(said(rows), f"validation error of {middle:.3g}", "4.00x fewer", "2.00x to 8.00x, 2 seeds")
    assert "but it ended" in said(rows, end=0.45)
    methods["online"] = methods.pop("adaptive")
    none = said(rows_of(**methods), message="no change of shape pays", name="online")
    check_line(none, "No change of shape pays. To reach", "4.00x fewer")
    statics = ladder_of(dict.fromkeys(STATIC, 0.5), [], "no change of shape pays")
    assert verdict.verdict(statics, "val_error", FORM) == "No change of shape pays"


def test_a_loss_is_called_one_with_its_reason():
    rows = rows_of(p4=[power(1.0)] * 2, p2=[power(4.0)] * 2, adaptive=[power(2.0), power(2.0)])
    change = Change("a", *STATIC, 1e9, 0.2, 0.3, 9e8, True, 0.5, 0.9)
    lost = said(rows, [change], end=0.45)
    check_line(lost, "lost here", "2.00x more FLOPs", "2 seeds", "because", "90%")
    assert "never came back" in said(rows, [change._replace(recovered=False)])
    assert "0.5 times as fast" in said(rows, [change._replace(recovery_share=0.1)])
    missed = rows_of(p4=[power(1.0)] * 2, adaptive=[power(50.0), power(1.0)])
    check_line(said(missed), "lost here", "in 1 of 2 seeds", f"{missed[1].target:.3g}")


def test_seeds_that_disagree_are_no_saving():
    for scales in ((0.5, 1.1), (0.95, 2.0)):
        adaptive = [power(scale) for scale in scales]
        rows = rows_of(p4=[power(1.0)] * 2, p2=[power(4.0)] * 2, adaptive=adaptive)
        assert "do not tell" in said(rows)
        assert "lost" not in said(rows)


@pytest.mark.parametrize("scale", [0.999, 1.001])
def test_a_ratio_that_is_shown_as_one_is_neither_saving_nor_loss(scale):
    rows = rows_of(p4=[power(1.0)], p2=[power(4.0)], adaptive=[power(scale)])
    check_line(said(rows), "as many FLOPs as the best fixed shape", "one seed")
    assert not {"fewer", "more", "lost"} & set(said(rows).replace(",", " ").split())


def test_what_was_reached_before_the_first_change_is_no_result():
    """The run is the static one up to its change, and then learns faster."""
    for change, same in ((2e10, 2), (1e12, 3)):
        values = np.where(change > FLOPS, power(1.0), power(0.5))
        rows = rows_of(p4=[power(1.0)], p2=[power(4.0)], adaptive=[values], switch=change)
        assert [row.methods["adaptive"].same for row in rows] == [[True]] * same + [[False]] * (3 - same)
        assert [row.methods["adaptive"].wall_savings for row in rows[: same - 1]] == [1.0] * (same - 1)
        table = tables.targets(ladder_of({**dict.fromkeys(STATIC, 0.5), "adaptive": 0.3}, rows), rows, "e")
        assert [row[-1] for row in table.rows[:same]] == ["no change yet"] * same
        ladder = ladder_of({**dict.fromkeys(STATIC, 0.5), "adaptive": 0.3}, rows)
        assert verdict.before_change(ladder, "adaptive").startswith(f"{same} of the 3 targets")
    assert f"{rows[-1].target:.3g}" not in said(rows)
    check_line(said(rows, end=0.45), "lost here", "had not changed its shape", "0.45", "0.4")
    assert "lost" not in said(rows, end=0.4)


def test_a_run_that_never_changes_is_no_loss():
    """Though it drifted from the static run by rounding, and missed a target that this one reached."""
    rows = rows_of(p4=[power(1.0)], p2=[power(4.0)], online=[1.001 * power(1.0)], switch=np.inf)
    assert not np.isfinite(rows[-1].methods["online"].savings)
    assert all(row.methods["online"].same == [True] for row in rows)
    ladder = ladder_of({STATIC[0]: 0.5, STATIC[1]: 0.6, "online": 0.501}, rows, "no change of shape pays")
    stays = [run._replace(shapes=[STATIC[0]]) for run in ladder.runs["online"]]
    ladder = ladder._replace(runs={**ladder.runs, "online": stays})
    said = verdict.verdict(ladder, "val_error", FORM)
    assert "lost" not in said
    assert "never changed its shape" in said
    assert verdict.before_change(ladder, "online") == ""


def test_time_is_steps_times_the_seconds_of_a_step():
    """Two runs of the same steps take the same time, whatever a clock says beside one of them."""
    static = {shape: [run_of(power(1.0), switch=at)] for shape, at in ((LARGE, np.inf), (SMALL, 0.0))}
    known = seconds.paces(static.values())
    assert known[LARGE].step_s == pytest.approx(100 / 39)
    changing = [r._replace(wall_s=3 * r.wall_s) for r in run_of(power(1.0), switch=1e10)]
    steps = next(r.step for r in changing if r.patch == 2) - 1
    assert seconds.first_change(changing) == pytest.approx(FLOPS[steps + 1])
    alike = {s: pace._replace(step_flops=FLOPS[1] - FLOPS[0]) for s, pace in known.items()}
    drawn = seconds.seconds_until(changing, 1e11, alike)
    assert drawn == pytest.approx(300, rel=0.02)  # steps of another cost: as the run itself measured them
    even = [r._replace(flops=r.step * 1e9, wall_s=r.wall_s) for r in changing]
    own = {LARGE: seconds.Pace(1e9, 1.0), SMALL: seconds.Pace(1e9, 4.0)}
    assert seconds.seconds_until(even, 39e9, own) == pytest.approx(steps + 4 * (39 - steps))
    assert seconds.seconds_until(even, 1.5e9, own) == pytest.approx(1.5)
    assert np.isnan(seconds.seconds_until(even, np.nan, own))


def test_laws_at_the_end_of_their_range_are_not_determined():
    stderr = {"a": 0.1, "b": 0.0, "c": 3.0, "d": 0.0}
    law = FittedLaw(dict.fromkeys("abcd", 2.0), stderr, 0.01, ["b"], [], [])
    assert [name for name in "abcd" if law.determined(name)] == ["a"]
    (header, (row,)) = tables.laws({"V16-1/4": law}, fits.form("shifted_power"))
    shown = dict(zip((name[0] for name in header[1:5]), row[1:5], strict=True))
    assert shown == {
        "a": "2 ± 0.1",
        "b": "undetermined (end of its range)",
        "c": "undetermined",
        "d": "undetermined",
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


def test_what_a_study_will_train_is_known_beforehand(tmp_path):
    tune = TuneConfig(share=0.1, lrs=(1e-3, 1e-2), batch_sizes=(32,))
    config = dataclasses.replace(
        CONFIG, tune=tune, seeds=(0, 1), online=True, baselines=("linear",), replans=2
    )
    found = beforehand.wanted(config, tmp_path)
    # Statics, adaptive, online and linear, two seeds each, and three pilots; 1e-3 is the config's own rate,
    # and the best batch size so far comes again among those that are tried.
    assert found == (13, 2 * (2 + 2 - 1), 0, pytest.approx(13e11 + 0.1 * 6e11))
    assert beforehand.wanted(CONFIG, tmp_path) == (3, 0, 0, 3e11)
    done = records.RunInfo({}, Schedule((Stage(LARGE, 1e11),)), 0, {}, finished=True)
    for name, finished in (("a", True), ("b", False)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        records.write_info(tmp_path / "runs" / name, dataclasses.replace(done, finished=finished))
    assert beforehand.wanted(CONFIG, tmp_path) == (3, 0, 1, 2e11)
    line = beforehand.said(beforehand.wanted(CONFIG, tmp_path), 65.0)
    check_line(line, "3 runs", "(1 of them finished)", "200 GFLOP", "1:05", "on top")


def test_time_left_is_that_of_the_whole_study(capsys, monkeypatch):
    """Not of the runs that were announced so far; by the speed so far, and by that which was said before."""
    now = [0.0]
    monkeypatch.setattr("scalax.report.progress.time.monotonic", lambda: now[0])
    display = Display()
    display.study(1e12, 500.0)
    display.expect(1e11)
    for now[0], flops in ((0.0, 0.0), (20.0, 5e10)):
        display.progress(Progress("a", 1, LARGE, flops, 1e11, 10.0, 1e9))
    assert "5%" in (shown := capsys.readouterr().err)
    assert "7:23 left" in shown  # 950 GFLOP at 150 GFLOP in 70 s


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


def test_rivals_are_charged_for_what_it_takes_to_find_them():
    """FLOPs to an error fall by the scale of a method's curve; the middle target takes the best shape F."""
    curves = {"p4": [power(1.0), power(2.0)], "p2": [power(4.0)] * 2}
    rows = rows_of(**curves, adaptive=[power(0.5), power(0.5)], linear=[power(0.8), power(1.0)])
    goal = verdict.middle(rows)
    needed = [goal.methods[STATIC[0]].flops[seed] for seed in range(2)]
    assert needed[1] == pytest.approx(2 * needed[0])
    pilots, search, whole = 7e9, 3e9, 1e11
    ladder = ladder_of(dict.fromkeys([*STATIC, "linear", "adaptive"], 0.1), rows)
    runs = {name: each * 2 for name, each in ladder.runs.items()}
    ladder = ladder._replace(runs=runs, search_flops=search, planning_flops=search + 4 * whole + pilots)
    best, *others = rivals.rivals(ladder)
    assert [each.name for each in (best, *others)] == ["best static", "adaptive", "linear"]
    assert best.flops == needed
    assert best.found == pytest.approx([search + flops for flops in needed])  # one other shape, as far
    adaptive, linear = others
    assert adaptive.savings == pytest.approx([2.0, 4.0])
    assert adaptive.found == pytest.approx([search + 2 * whole + pilots] * 2)
    assert linear.found == [search] * 2
    assert linear.savings_found == pytest.approx(
        [(search + 2 * f) / (search + f * scale) for f, scale in zip(needed, (0.8, 0.5), strict=True)]
    )
    cells = rivals.table(ladder, "val_error").rows
    assert [len(row) for row in cells] == [6] * 3
    unknown = rivals.table(ladder._replace(search_flops=np.nan), "val_error").rows  # a result from before
    assert [row[:4] for row in unknown] == [row[:4] for row in cells]
    assert {cell for row in unknown for cell in row[4:]} == {"–"}
    untuned = rivals.table(ladder._replace(search_flops=0.0), "val_error").rows
    assert [row[4] for row in untuned if row[0] == "linear"] == ["nothing"]


def test_cooled_rivals_reach_the_target_of_the_others():
    rows = rows_of(p4=[power(1.0)], p2=[power(4.0)], adaptive=[power(0.5)])
    ladder = ladder_of(dict.fromkeys([*STATIC, "adaptive"], 0.1), rows)
    ends = {STATIC[0]: 0.8, STATIC[1]: 0.4, "adaptive": 0.2}
    curves = {n: [CooledCurve([], list(FLOPS), list(power(s)))] for n, s in ends.items()}
    ladder = ladder._replace(search_flops=0.0, cooled=Cooled([], curves, []))
    found = {each.name: each.savings for each in rivals.rivals(ladder)}
    assert list(found) == ["best static", "adaptive", "adaptive, cooled", "best static, cooled"]
    assert [value for [value] in found.values()] == pytest.approx([1.0, 2.0, 5.0, 2.5])
    missed = curves | {STATIC[i]: [CooledCurve([], [1e9], [0.9])] for i in range(2)}
    [last] = rivals.rivals(ladder._replace(cooled=Cooled([], missed, [])))[-1:]
    assert last.name == "best static, cooled"
    assert np.isnan(last.flops).all()
