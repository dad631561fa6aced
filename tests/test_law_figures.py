"""What figures of laws show: where lines begin, what their keys say, and room for names."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from etils import epath

from scalax.laws import FAMILIES, Curve, Law
from scalax.laws.segments import segments_of
from scalax.report import style
from scalax.report.law_figures import first_drawn
from scalax.report.segment_files import _segments

X = np.geomspace(10, 1e4, 16)


def test_a_law_is_drawn_from_the_first_row_that_it_was_fitted_to():
    curve = Curve(X, X**-0.5, fit=X > 15)
    own = curve.x[curve.fit]
    law = Law(FAMILIES["m2"], np.array([-9.0, 0.0, -0.7]), (float(np.log(own[0])), float(np.log(own[-1]))))
    assert first_drawn(curve, law) == X[0]  # of all rows to fit: drawn over the whole curve
    later = Law(law.family_spec, law.p, (float(np.log(own[3])), law.around[1]))
    assert first_drawn(curve, later) == pytest.approx(own[3])


def test_the_key_says_which_segments_lie_off_the_plot():
    spec = FAMILIES["bnsl"]
    law = Law(spec, spec.from_natural([1e-3, 2.0, 0.1, 0.5, 300.0, 0.1]), (np.log(X[0]), np.log(X[-1])))
    curve = Curve(X, law.predict(X))
    figure, axes = plt.subplots()
    made = segments_of(law, curve)
    for ylim, off in (((1e-4, 1e4), [False, False]), ((1e3, 1e4), [True, True])):
        axes.clear()
        axes.set_ylim(ylim)
        _segments(axes, made, X[0], X[-1])
        labels = [label for label in axes.get_legend_handles_labels()[1] if "segment" in label]
        assert ["off the plot" in label for label in labels] == off
    plt.close(figure)


@pytest.mark.parametrize("count", [1, 4])
def test_a_key_above_a_grid_lies_within_it(count, tmp_path):
    with style.grid(epath.Path(tmp_path / "a.png"), count, 4, (2.0, 1.6), labels=1.0) as panels:
        for i, axes in enumerate(panels):
            for name in ("rows to fit", "a name that is rather long, as names are", f"own {i}", "tolerance"):
                axes.plot([1, 2], [1, 2], label=name)
        style.key_above(panels)
        figure = plt.gcf()
        figure.canvas.draw()
        box = figure.legends[0].get_window_extent()
        assert len(figure.legends[0].get_texts()) == 3 + count
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert panels[0].get_position().x0 * figure.get_figwidth() > 1.5


@pytest.mark.parametrize("y", [5e-324, 1e308, 0.0, -1.0])
def test_numbers_at_the_ends_of_the_floats_are_drawn_without_a_warning(y, tmp_path, recwarn):
    with style.figure(epath.Path(tmp_path / "a.png")) as axes:
        axes.plot([1, 2, 3], [1.0, y, 2.0])
        style.log_axes(axes, "x", "y")
        axes.set(ylim=(y, 2.0 if y < 2 else None))
    assert (tmp_path / "a.png").exists()
    assert [str(warning.message) for warning in recwarn] == []
