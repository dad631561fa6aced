"""A law from outside the package, as the page of laws shows it: fitted, forecast with, and planned by."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, SMALL, record

from scalax import laws, plan
from scalax.cli import main
from tests.rejects import rejects

PAGE = Path(laws.__file__).parent / "README.md"
X = np.geomspace(1e6, 1e9, 40)


@pytest.fixture(scope="module")
def hyperbola() -> laws.Family:
    """The page's example: y = a / (x + d) + c."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "register" in block]
    names: dict = {}
    exec(code, names)
    return names["HYPERBOLA"]


@pytest.fixture(scope="module")
def curve(hyperbola):
    law = laws.Law(hyperbola, hyperbola.internal({"a": 4e7, "d": 2e7, "c": 0.2}))
    return laws.Curve(X, law.predict(X), "outside")


def test_it_is_found_by_its_name(hyperbola):
    assert laws.FAMILIES["hyperbola"] is hyperbola
    assert "hyperbola" in list(laws.FAMILIES)
    with pytest.raises(ValueError, match="hyperbola"):
        laws.register(laws.FAMILIES["m1"].__class__(**{**vars(hyperbola), "formula": "another"}))


def test_it_is_fitted(curve):
    [fits] = laws.fit([curve], ["hyperbola"])
    assert fits["hyperbola"].params == pytest.approx({"a": 4e7, "d": 2e7, "c": 0.2}, rel=1e-5)
    assert fits["hyperbola"].inverse(0.5) == pytest.approx(4e7 / 0.3 - 2e7, rel=1e-5)
    assert fits["hyperbola"].flags == ()


def test_it_is_a_member_of_a_forecast(curve):
    [found] = laws.forecast([curve], at=[4e9], members=["m3", "hyperbola"])
    assert set(found.parts) == {"m3", "hyperbola"}
    assert found.by_family([4e9])["hyperbola"][0] == pytest.approx(0.2 + 4e7 / 4.02e9, rel=2e-2)
    low, high = found.intervals[0.8]
    assert low[0] < found.median[0] < high[0]


def test_the_command_line_knows_it(hyperbola, tmp_path):
    assert main(["fit", "--example", "--laws", "hyperbola", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "fit.json").read_text())[0]["formula"] == hyperbola.formula


def test_plans_go_by_it(hyperbola):
    flops = np.geomspace(1e8, 1e10, 30)
    curves = {shape: [(flops, law.predict(flops))] for shape, law in CROSSING.items()}
    fits = plan.fit_laws(curves, 1e8, law="hyperbola")
    made = plan.steepest_descent(fits, 1e10, 1e8)
    assert [stage.shape for stage in made.schedule.stages] == [LARGE, MIDDLE, SMALL]
    assert set(fits[LARGE].params) == {"a", "d", "c"}


@pytest.mark.parametrize("name", ["hyperbola", "m2"])
def test_a_run_plans_by_it_as_it_goes(hyperbola, name):
    settings = plan.OnlineSettings(resamples=0, least=8)
    online = plan.Online([LARGE, SMALL], {LARGE: 1e3, SMALL: 4e3}, 1e11, settings=settings, law=name)
    for flops in np.geomspace(1e8, 1e10, 10):
        online.observe(record("r", LARGE, flops, val_error=0.3 + 4e7 / (flops + 2e7)))
        if online.decide() == SMALL:
            break
    assert online.decide() == SMALL  # the present shape is at its limit
    assert online.state.previous_limit == pytest.approx(0.3, rel=0.1)


def test_a_law_of_another_form_cannot_plan_as_a_run_goes():
    with rejects("`law`", "'m3'", "shifted_power"):
        plan.Online([LARGE, SMALL], {LARGE: 1e3, SMALL: 4e3}, 1e11, law="m3")
