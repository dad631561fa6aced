"""The study of a learning curve whose limit is known."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from scalax import launch, studies
from scalax.studies.halfspace import HalfspaceConfig
from tests.rejects import rejects

CONFIG = Path(__file__).parents[1] / "configs" / "law_halfspace.py"


def test_m4_is_straighter_than_m2_on_the_halfspace(tmp_path):
    config = launch.load(str(CONFIG))
    assert config == HalfspaceConfig()
    made = studies.run(dataclasses.replace(config, largest=2048, sizes=9, seeds=4), tmp_path)
    study, found = studies.load(tmp_path)
    assert (study.name, found) == ("halfspace", made)
    text = studies.report(tmp_path)
    for name in ("report.html", "figures/halfspace.png", "figures/halfspace.csv"):
        assert (tmp_path / name).exists()
    risk = np.array(found.risk)
    assert (np.diff(risk) < 0).all()
    assert 0.2 < risk[-1] < risk[0] < 0.5
    assert found.lines["m4"].rms.all < 0.7 * found.lines["m2"].rms.all
    assert "M4" in text.splitlines()[0]


@pytest.mark.parametrize("bad", [{"label_noise": 0.6}, {"largest": 20}, {"sizes": 2}, {"ridge": 0.0}])
def test_settings_are_checked(bad):
    with rejects(*bad, *bad.values()):
        HalfspaceConfig(**bad)
