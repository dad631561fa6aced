"""Laws of static runs, the path that a plan takes over them, and how sure its transitions are."""

from itertools import pairwise

import numpy as np
from etils import epath
from matplotlib.axes import Axes

from scalax import metrics
from scalax.plan import StudyPlan
from scalax.report.style import INK, figure, log_axes, looks, mark_transitions


def draw(path: epath.Path, made: StudyPlan) -> None:
    """Points: evaluations of static runs, pale where the laws leave them out; lines: the laws, dotted beyond
    the data; black: the plan."""
    plan, spread, trajectories = made.plan, made.spread, made.runs.trajectories
    with figure(path, (7.2, 4.8)) as axes:
        _statics(axes, made)
        if any(flops[0] < made.first_flops for runs in trajectories.values() for flops, _ in runs):
            axes.axvline(made.first_flops, color=INK, lw=0.8, ls=":", label="laws are fitted from here on")
        shown = plan.flops >= made.first_flops
        path_look = {"color": INK, "lw": 2.4, "ls": (0, (3, 1)), "label": "planned"}
        axes.plot(plan.flops[shown], plan.errors[shown], **path_look)
        for i, transition in enumerate(plan.transitions):
            drawn = spread.transitions[i] if spread else None
            if drawn and drawn.flops:
                axes.hlines(transition.error, drawn.flops[0], drawn.flops[-1], color=INK, lw=1.2, zorder=5)
                axes.vlines(transition.flops, drawn.error[0], drawn.error[-1], color=INK, lw=1.2, zorder=5)
        log_axes(axes, "training compute (FLOPs)", metrics.label(made.settings.metric))
        mark_transitions(axes, [(t.flops, t.error, str(t.after)) for t in plan.transitions])
        if spread and any(t.flops for t in spread.transitions):
            axes.plot([], [], color=INK, lw=1.2, label="10 to 90% of resamples")
        axes.legend(loc="upper right", fontsize=9)


def _statics(axes: Axes, made: StudyPlan) -> None:
    trajectories = made.runs.trajectories
    last_flops = max(made.plan.flops[-1], *(runs[-1][0][-1] for runs in trajectories.values()))
    for look, (shape, law) in zip(looks(), made.fits.items(), strict=False):
        runs = trajectories.get(shape, [])
        for at, values in runs:
            for part, alpha in ((at < made.first_flops, 0.2), (at >= made.first_flops, 0.7)):
                axes.plot(at[part], values[part], look.marker, ms=3.5, alpha=alpha, color=look.colour, mew=0)
        # A shape that was never trained has no rows.
        flops = np.concatenate([at for at, _ in runs]) if runs else np.exp(law.around)
        ranges = [max(flops.min(), made.first_flops), flops.max(), max(last_flops, flops.max())]
        for (low, high), line, label in zip(
            pairwise(ranges), (look.line, ":"), (str(shape), ""), strict=True
        ):
            x = np.geomspace(low, high, 100)
            axes.plot(x, law.predict(x), color=look.colour, ls=line, lw=1.6, label=label)
