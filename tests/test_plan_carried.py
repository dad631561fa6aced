"""Plans by examples: what runs keep when their shape changes, by hand and against a search of all changes."""

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from plan_laws import LARGE, MIDDLE, SMALL, PowerLaw, record

from scalax import plan
from scalax.config import ModelConfig, RunConfig
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive import AdaptiveConfig, foretold, planning
from tests.rejects import rejects

FIRST, BUDGET = 1e8, 1e10
COST = {LARGE: 1e4, MIDDLE: 4e4, SMALL: 1.6e5}  # FLOPs of an example
# By examples each shape is better than the one before it, from its first evaluation on.
LAWS = {
    LARGE: PowerLaw(4.0, 0.2, 0.30),
    MIDDLE: PowerLaw(4.0 * 4**0.2, 0.2, 0.20),
    SMALL: PowerLaw(4.0 * 16**0.2, 0.2, 0.10),
}
LAGS = {(LARGE, MIDDLE): 0.03, (MIDDLE, SMALL): 0.05, (LARGE, SMALL): 0.08}
LAST = {shape: BUDGET / cost for shape, cost in COST.items()}  # examples of static runs
CARRIED = plan.Carried(COST, lambda before, after: LAGS[before, after], LAST)


def alone(shape: Shape, examples: float, laws: Mapping[Shape, PowerLaw] = LAWS) -> float:
    """Error of a shape from its first example on: by its law as far as its static runs, from there on it
    falls as the next cheaper one."""
    law = float(laws[shape].predict(min(examples, LAST[shape]) * COST[shape]))
    if examples <= LAST[shape]:
        return law
    if shape == LARGE:
        return float(laws[shape].predict(examples * COST[shape]))
    cheaper = {MIDDLE: LARGE, SMALL: MIDDLE}[shape]
    return law * alone(cheaper, examples, laws) / alone(cheaper, LAST[shape], laws)


def error_of(shapes: list[Shape], changes: list[float], stage: int, at: float, lags: dict = LAGS) -> float:
    """Of a run at so many FLOPs, in its stage of that number."""
    starts = [0.0, *changes[:stage]]
    ends = [*changes[:stage], at]
    seen = [(end - start) / COST[s] for s, start, end in zip(shapes, starts, ends, strict=False)]
    error = alone(shapes[stage], sum(seen))
    for i in range(1, stage + 1):
        before, since = sum(seen[:i]), sum(seen[i:])
        error *= max(1.0, before / max(since, 1.0)) ** lags[shapes[i - 1], shapes[i]]
    return error


def by_hand(shapes: list[Shape], changes: list[float], flops: np.ndarray) -> np.ndarray:
    """Least error so far of a run."""
    fine = np.union1d(np.geomspace(FIRST / 100, flops[-1], 1000), flops)
    stages = [sum(at > change for change in changes) for at in fine]
    errors = [error_of(shapes, changes, stage, at) for stage, at in zip(stages, fine, strict=True)]
    return np.minimum.accumulate(errors)[np.searchsorted(fine, flops)]


def scheduled(shapes: list[Shape], ends: list[float]) -> Schedule:
    return Schedule(tuple(Stage(shape, end) for shape, end in zip(shapes, ends, strict=True)))


def test_a_run_is_foretold_as_by_hand():
    flops = np.geomspace(FIRST, 2 * BUDGET, 60)
    for shapes, changes in (
        ([SMALL], []),
        ([LARGE, SMALL], [7e8]),
        ([LARGE, MIDDLE, SMALL], [2e8, 1.5e9]),
        ([LARGE, MIDDLE, SMALL], [2e8, 2.1e8]),
    ):
        found = plan.follow_examples(LAWS, CARRIED, scheduled(shapes, [*changes, BUDGET]), flops)
        np.testing.assert_allclose(found, by_hand(shapes, changes, flops), rtol=2e-3)


def test_a_run_ends_as_one_that_had_its_last_shape_from_the_start():
    schedule = scheduled([LARGE, SMALL], [1e8, BUDGET])
    late = np.array([1e8 + 1e4 * COST[SMALL]])  # as many examples as before, and from there on
    found = plan.follow_examples(LAWS, CARRIED, schedule, late)
    assert found == pytest.approx(LAWS[SMALL].predict(2e4 * COST[SMALL]), rel=1e-4)
    target = float(found[0])
    needed = plan.flops_by_examples(LAWS, CARRIED, schedule, target, FIRST)
    assert needed == pytest.approx(late[0], rel=2e-3)
    assert plan.flops_by_examples(LAWS, CARRIED, schedule, 0.05, FIRST) == np.inf


def test_a_law_is_believed_as_far_as_its_runs_and_falls_as_the_next_cheaper_one_from_there():
    """The dearest shape has by its last example the error that the middle one has there, and its law falls on
    more steeply."""
    at_last = LAWS[MIDDLE].predict(BUDGET / 4)
    laws = LAWS | {SMALL: PowerLaw(at_last * BUDGET**0.6, 0.6, 0.0)}
    curves = CARRIED.curves(laws)

    for shape in COST:
        seen = LAST[shape] * np.array([0.01, 0.3, 1.0])
        np.testing.assert_allclose(curves[shape](seen), laws[shape].predict(seen * COST[shape]), rtol=1e-12)
        beyond = np.array([1.5, 5.0, 40.0]) * LAST[shape]
        np.testing.assert_allclose(curves[shape](beyond), [alone(shape, n, laws) for n in beyond])
    assert laws[SMALL].predict(5 * BUDGET) < 0.8 * alone(SMALL, 5 * LAST[SMALL], laws)
    for last, shape in ((dict.fromkeys(COST, 1e9), SMALL), (LAST, MIDDLE)):
        made = plan.fewest_flops(laws, CARRIED._replace(last_examples=last), BUDGET, FIRST)
        assert made.schedule.stages[-1].shape == shape
    schedule = scheduled([LARGE, SMALL], [5e9, BUDGET])
    before, since = 5e9 / COST[LARGE], 5e9 / COST[SMALL]
    after = alone(SMALL, before + since, laws) * (before / since) ** LAGS[LARGE, SMALL]
    found = plan.follow_examples(laws, CARRIED, schedule, np.array([BUDGET]))
    assert found == pytest.approx(min(after, alone(LARGE, before, laws)))


def test_a_shape_that_saw_more_than_a_cheaper_one_is_believed_to_its_own_end():
    last = LAST | {SMALL: 4 * LAST[LARGE]}
    curves = CARRIED._replace(last_examples=last).curves(LAWS)
    far = np.array([2.0, 8.0]) * LAST[LARGE]
    np.testing.assert_allclose(curves[SMALL](far), LAWS[SMALL].predict(far * COST[SMALL]))
    falls = curves[SMALL](far) / curves[SMALL](np.array([LAST[LARGE]]))
    np.testing.assert_allclose(curves[LARGE](far), LAWS[LARGE].predict(BUDGET) * falls)


def mean_log_flops(shapes: list[Shape], changes: list[float]) -> float:
    """Over errors from what the best shape alone has at 2 FIRST to what it has at BUDGET."""
    ends = [min(float(law.predict(at)) for law in LAWS.values()) for at in (2 * FIRST, BUDGET)]
    flops = np.geomspace(FIRST, BUDGET, 2000)
    curve = by_hand(shapes, changes, flops)
    reached = [flops[curve <= error * (1 + 1e-9)] for error in np.geomspace(*ends, 60)]
    return float(np.mean([np.log(at[0]) if len(at) else np.log(BUDGET) + 1 for at in reached]))


def test_no_other_changes_need_fewer_flops():
    made = plan.fewest_flops(LAWS, CARRIED, BUDGET, FIRST)
    shapes = [stage.shape for stage in made.schedule.stages]
    ends = [stage.until_flops for stage in made.schedule.stages]
    assert len(shapes) > 1
    assert ends[-1] == BUDGET
    assert [t.flops for t in made.transitions] == ends[:-1]
    before = by_hand(shapes, ends[:-1], np.array(ends[:-1]))  # not what falls at once with the new shape
    np.testing.assert_allclose([t.error for t in made.transitions], before, rtol=2e-3)
    ours = mean_log_flops(shapes, ends[:-1])
    places = np.geomspace(FIRST, BUDGET, 16)[:-1]
    for count in (1, 2, 3):
        for path in itertools.combinations(LAWS, count):
            for changes in itertools.combinations(places, count - 1):
                assert ours < mean_log_flops(list(path), list(changes)) + 0.005, (path, changes)


def test_a_plan_stays_where_no_change_pays():
    level = {LARGE: LAWS[LARGE], SMALL: PowerLaw(4.0 * 16**0.2, 0.2, 0.35)}  # worse by examples, too
    made = plan.fewest_flops(level, CARRIED, BUDGET, FIRST)
    assert [stage.shape for stage in made.schedule.stages] == [LARGE]
    assert not made.transitions
    with rejects("falls"):
        plan.fewest_flops(LAWS, CARRIED, FIRST, FIRST)
    flat = {LARGE: PowerLaw(0.0, 0.2, 0.3), SMALL: PowerLaw(0.0, 0.2, 0.3)}
    with rejects("falls"):
        plan.fewest_flops(flat, CARRIED, BUDGET, FIRST)
    turned = {SMALL: LAWS[SMALL], LARGE: LAWS[LARGE]}  # patches do not grow
    assert len(plan.fewest_flops(turned, CARRIED, BUDGET, FIRST).schedule.stages) == 1


def records(schedule: Schedule, lags: dict, noise: float = 0.0) -> list[RunRecord]:
    """A run by the schedule with such lags, evaluated before and after each change."""
    rng, run, examples, start = np.random.default_rng(0), [], 0.0, 0.0
    shapes = [stage.shape for stage in schedule.stages]
    changes = [stage.until_flops for stage in schedule.stages[:-1]]
    for i, stage in enumerate(schedule.stages):
        for at in np.geomspace(max(start, FIRST / 10), stage.until_flops, 40):
            error = error_of(shapes, changes, i, at, lags) * np.exp(noise * rng.normal())
            seen = round(examples + (at - start) / COST[stage.shape])
            metrics = {"val_error": float(error)}
            run.append(RunRecord("r", len(run), seen, at, at, 1.0, **stage.shape._asdict(), metrics=metrics))
        examples += (stage.until_flops - start) / COST[stage.shape]
        start = stage.until_flops
    return run


def test_lags_are_found_again():
    schedule = scheduled([LARGE, MIDDLE, SMALL], [3e8, 2e9, BUDGET])
    found = plan.measure_lags(records(schedule, LAGS), "val_error", LAWS, CARRIED)
    expected = {pair: LAGS[pair] for pair in ((LARGE, MIDDLE), (MIDDLE, SMALL))}
    assert found == {pair: pytest.approx(lag, rel=0.02) for pair, lag in expected.items()}
    noisy = plan.measure_lags(records(schedule, LAGS, noise=0.01), "val_error", LAWS, CARRIED)
    assert noisy == {pair: pytest.approx(lag, abs=0.004) for pair, lag in expected.items()}
    ahead = plan.measure_lags(records(schedule, dict.fromkeys(LAGS, -0.02)), "val_error", LAWS, CARRIED)
    assert set(ahead.values()) == {0.0}
    static = records(scheduled([LARGE], [BUDGET]), LAGS)
    assert plan.measure_lags(static, "val_error", LAWS, CARRIED) == {}
    unknown = {LARGE: LAWS[LARGE], SMALL: LAWS[SMALL]}
    assert plan.measure_lags(records(schedule, LAGS), "val_error", unknown, CARRIED) == {}


def test_changes_of_which_no_evaluation_tells_have_no_lag():
    run = records(scheduled([LARGE, SMALL], [3e8, BUDGET]), LAGS)
    change = next(i for i, row in enumerate(run) if Shape.of(row) == SMALL)
    assert plan.measure_lags(run[: change + 1], "val_error", LAWS, CARRIED) == {}
    late = [row for row in run if Shape.of(row) == LARGE or row.examples > 2 * run[change].examples]
    assert plan.measure_lags(late, "val_error", LAWS, CARRIED) == {}
    zero = plan.measured_lags({(LARGE, MIDDLE): 0.0}, CARRIED.lags)
    assert zero(MIDDLE, SMALL) == 0.0
    assert plan.measured_lags({}, CARRIED.lags)(MIDDLE, SMALL) == LAGS[MIDDLE, SMALL]


def test_a_schedule_that_comes_after_its_budget_is_followed_on():
    schedule = scheduled([LARGE], [BUDGET])
    target = float(LAWS[LARGE].predict(3 * BUDGET))
    assert plan.flops_by_examples(LAWS, CARRIED, schedule, target, FIRST) == pytest.approx(
        3 * BUDGET, rel=1e-3
    )
    late = scheduled([LARGE, SMALL], [0.99 * BUDGET, BUDGET])  # just changed: what it had before counts
    end = plan.follow_examples(LAWS, CARRIED, late, np.array([0.9901 * BUDGET]))
    assert end == pytest.approx(LAWS[LARGE].predict(0.99 * BUDGET), rel=2e-3)


def test_many_shapes_are_planned_in_seconds():
    shapes = [Shape(2**k, 16, 1) for k in range(9, -1, -1)]
    cost = {shape: 1e4 * 4.0**i for i, shape in enumerate(shapes)}
    laws = {s: PowerLaw(4.0 * 2 ** (0.4 * i), 0.2, 0.4 - 0.03 * i) for i, s in enumerate(shapes)}
    carried = plan.Carried(cost, plan.usual_lags(0), {shape: BUDGET / c for shape, c in cost.items()})
    made = plan.fewest_flops(laws, carried, BUDGET, FIRST)
    pairs = [
        plan.fewest_flops({a: laws[a], b: laws[b]}, carried, BUDGET, FIRST)
        for a, b in itertools.pairwise(shapes)
    ]
    end = made.errors[-1]
    assert end <= min(pair.errors[-1] for pair in pairs) * 1.2
    assert len(made.schedule.stages) >= 2


def test_lags_that_were_never_measured_go_by_tokens_along_a_side():
    usual = plan.usual_lags(32)
    coarse, fine = Shape(16, 16, 3), Shape(4, 16, 3)
    assert usual(coarse, fine) == pytest.approx(2 * usual(coarse, Shape(8, 16, 3)))
    assert usual(fine._replace(resolution=16), fine) == pytest.approx(usual(coarse, Shape(8, 16, 3)))
    assert usual(fine, coarse) == 0.0


def test_pilots_measure_lags_and_a_plan_is_made_again_by_them():
    """From half the lags: the pilot measures one change, and the lags of the others follow."""
    curves = {
        shape: [(flops := np.geomspace(FIRST / 10, 2 * BUDGET, 60), law.predict(flops))]
        for shape, law in LAWS.items()
    }
    half = CARRIED._replace(lags=lambda *pair: LAGS[pair] / 2)
    made = planning.make_plan(curves, "shifted_power", BUDGET, FIRST, half)
    trained = []

    def pilot(schedule: Schedule) -> list[RunRecord]:
        trained.append(schedule)
        return records(schedule, LAGS)

    pilots = planning.refine(made, 1, pilot, "val_error", 1e-4)
    assert len(pilots) == len(trained) == 2
    first, again = (each.planning for each in pilots)
    assert first.carried is half
    assert {pair: again.carried.lags(*pair) for pair in LAGS} == pytest.approx(LAGS, rel=0.05)
    truth = plan.fewest_flops(LAWS, CARRIED, BUDGET, FIRST)
    assert again.plan.message != first.plan.message
    for ours, exact in zip(again.plan.schedule.stages, truth.schedule.stages, strict=True):
        assert ours.shape == exact.shape
        assert ours.until_flops == pytest.approx(exact.until_flops, rel=0.02)
    target = min(float(law.predict(BUDGET)) for law in LAWS.values())
    needed = plan.flops_by_examples(LAWS, CARRIED, truth.schedule, target, FIRST)
    whole = again.cheap(curves)[-1]
    assert whole.savings == pytest.approx(BUDGET / needed, rel=0.02)
    assert whole.net_savings == pytest.approx(BUDGET / (needed + 3 * 2 * BUDGET), rel=0.02)


def test_how_well_laws_foretold_runs_is_said_of_both_ways():
    """A run that carries its examples, one that carries its error, and one that never changed."""
    made = planning.Planning("m1", LAWS, None, "", BUDGET, FIRST)
    schedule = scheduled([LARGE, MIDDLE, SMALL], [3e8, 2e9, BUDGET])
    errors = plan.follow(LAWS, schedule, flops := np.geomspace(FIRST, BUDGET, 80))
    shapes = [LARGE if at <= 3e8 else MIDDLE if at <= 2e9 else SMALL for at in flops]
    by_errors = [
        record("errors", shape, float(at), val_error=float(error))
        for shape, at, error in zip(shapes, flops, errors, strict=True)
    ]
    runs = [records(schedule, LAGS), by_errors, records(scheduled([LARGE], [BUDGET]), LAGS)]
    by_example, by_error = foretold.foretold(made, CARRIED, runs, "val_error", 1e-4)
    assert (by_example.run, by_error.run) == ("r", "errors")
    assert by_example.by_examples == pytest.approx(0.0, abs=2e-3)
    assert by_example.by_errors > 0.05
    assert by_error.by_errors == pytest.approx(0.0, abs=0.02)
    assert by_error.by_examples > 0.05
    [alone, _] = foretold.foretold(made, None, runs, "val_error", 1e-4)
    assert (alone.by_errors, alone.by_examples) == (by_example.by_errors, None)
    widths = {Shape(4, width, 1): 1e4 * width for width in (8, 16)}
    run = RunConfig(budget_flops=BUDGET)
    assert foretold.carried_of(widths, run) is None
    carried = foretold.carried_of(COST, run)
    assert (carried.example_flops, carried.last_examples) == (COST, LAST)


def test_examples_are_carried_over_changes_of_patch_and_resolution_alone():
    run = RunConfig(model=ModelConfig(names=("V16-1", "V32-1")))
    with rejects("carry", "error"):
        AdaptiveConfig(run, patches=(8, 4), joint=True, carry="examples")
    assert AdaptiveConfig(run, patches=(8, 4), carry="examples").carry == "examples"
