"""One law over shapes, in place of one a shape: a shape that was never trained can be planned too."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws import Fit, Flag, Law, lookup
from scalax.laws.joint import FORMS, JointFit, JointLaw, Runs, fit_joint
from scalax.plan.fitting import Trajectories
from scalax.schedule import Shape

EXAMPLES = "examples"  # the last variable of the law
AXES = ("width", "depth", "patch", "resolution")
LAW = "m2"  # what the joint law is for one shape: a limit, and a power of FLOPs


class Axes(NamedTuple):
    """names: of AXES, those that vary. image_size: of the data, in pixels."""

    names: tuple[str, ...]
    image_size: int

    def of(self, shape: Shape) -> list[float]:
        """What the law reads of a shape in each of them."""
        own = {
            "width": shape.width,
            "depth": shape.depth,
            "patch": 1 / shape.patch,
            "resolution": shape.pixels(self.image_size),
        }
        return [float(own[name]) for name in self.names]


class LeftOut(NamedTuple):
    """How well the joint law of the other shapes predicts one.

    - shape: left out.
    - error: root mean squared log error of its evaluations; nan where the others do not vary in every axis.
    - fitted: the same of the joint law fitted to all shapes.
    """

    shape: Shape
    error: float
    fitted: float


class JointShapes(NamedTuple):
    """A law over shapes.

    - fit: y = E + A x1^-alpha + ... + C examples^-gamma, with the form that predicts left-out shapes best.
    - laws: of each shape, against FLOPs, the cheapest first.
    - example_flops: training FLOPs of an example by shape; of untrained ones by a product of powers of the
      axes, fitted to the others.
    - left_out: a row a trained shape.
    - untrained: shapes that no run has.
    """

    fit: JointFit
    laws: dict[Shape, Fit]
    example_flops: dict[Shape, float]
    left_out: tuple[LeftOut, ...]
    untrained: tuple[Shape, ...]

    @property
    def error(self) -> float:
        """Root mean squared log error over left-out shapes; nan where none could be left out."""
        known = [row.error for row in self.left_out if np.isfinite(row.error)]
        return float(np.sqrt(np.mean(np.square(known)))) if known else np.nan


def shape_of(text: str) -> Shape:
    """'V16-3/8' or 'V16-3/8@24', as shapes are written. Raises UserError for what is none."""
    found = re.fullmatch(r"([A-Z]+)(\d+)-(\d+)(?:/(\d+))?(?:@(\d+))?", text.strip())
    if not found or "0" in found.groups():
        raise UserError(
            f"`untrained`: {text!r} is no shape; write it as V16-3/8, width-depth/patch, or V16-3/8@24,"
            " with its resolution"
        )
    family, width, depth, patch, resolution = found.groups()
    return Shape(int(patch or 1), int(width), int(depth), family, int(resolution or 0))


def joint_laws(
    trajectories: Trajectories,
    example_flops: Mapping[Shape, float],
    first_flops: float,
    resamples: int = 0,
    untrained: Sequence[Shape] = (),
    seed: int = 0,
    image_size: int = 0,
) -> JointShapes:
    """Fit one law to the evaluations of all shapes: in the axes that vary, and in examples.

    - trajectories: of each shape, in FLOPs.
    - example_flops: training FLOPs of an example of each.
    - first_flops: evaluations before are left out.
    - resamples: bootstrap resamples of the evaluations. Those of untrained shapes scatter besides by as much
      as left-out shapes were missed by.
    - untrained: other shapes of the same family to have laws for.
    - seed: of the resamples.
    - image_size: of the data, in pixels: the resolution of shapes that say none. Where all say theirs, or
      none does, it is not needed.

    Patches count by their inverse, so that what is larger is better in every axis. Raises UserError where no
    axis varies, or an untrained shape differs in another one.
    """
    shapes = list(trajectories)
    names = [axis for axis in AXES if len({getattr(s, axis) for s in shapes}) > 1]
    if "resolution" in names and not image_size and any(not s.resolution for s in (*shapes, *untrained)):
        raise ValueError("shapes differ in their resolution and some say none: give image_size")
    axes = Axes(tuple(names), image_size)
    if not names or len({s.family for s in shapes}) > 1:
        raise UserError("a law over shapes needs two shapes of one family or more that differ in an axis")
    for shape in untrained:
        for axis in ("family", *AXES):
            if axis not in names and getattr(shape, axis) != getattr(shapes[0], axis):
                raise UserError(
                    f"`untrained` {shape}: no static run differs in {axis}, so nothing is known of it"
                )
    new = tuple(shape for shape in dict.fromkeys(untrained) if shape not in trajectories)
    rows = {shape: _rows(trajectories[shape], example_flops[shape], first_flops) for shape in shapes}
    everything = _runs(rows, axes)
    scored = {form: _left_out(rows, axes, form) for form in FORMS}
    form = min(FORMS, key=lambda name: (_error(scored[name].values()), list(FORMS).index(name)))
    fit = fit_joint(everything, [form], resamples, seed)[form]
    flops = dict(example_flops) | {s: _example_flops(s, axes, example_flops) for s in new}
    own = {s: _log_errors(fit, rows[s], s, axes) for s in shapes}
    left = tuple(LeftOut(s, scored[form][s], _rms(own[s])) for s in shapes)
    miss = _error(scored[form].values())
    scatter = np.random.default_rng([seed, 9]).standard_normal((len(new), resamples)) * min(miss, 1.0)
    laws = {}
    for shape in sorted([*shapes, *new], key=flops.__getitem__):
        shifts = scatter[new.index(shape)] if shape in new else np.zeros(resamples)
        error = _rms(own[shape]) if shape in own else np.nan
        laws[shape] = _law_of(shape, fit, axes, flops[shape], shifts, error, everything, shape in new)
    return JointShapes(fit, laws, flops, left, new)


def _rows(
    runs: Iterable[tuple[np.ndarray, np.ndarray]], example_flops: float, first_flops: float
) -> tuple[np.ndarray, np.ndarray]:
    """Examples and values of a shape's evaluations."""
    flops, values = (np.concatenate(parts) for parts in zip(*runs, strict=True))
    kept = (flops >= first_flops) & (values > 0)
    return flops[kept] / example_flops, values[kept]


def _x(shape: Shape, axes: Axes, examples: np.ndarray) -> np.ndarray:
    own = np.tile(axes.of(shape), (len(examples), 1))
    return np.column_stack([own, examples])


def _runs(rows: Mapping[Shape, tuple[np.ndarray, np.ndarray]], axes: Axes) -> Runs:
    x = np.concatenate([_x(shape, axes, examples) for shape, (examples, _) in rows.items()])
    y = np.concatenate([values for _, values in rows.values()])
    return Runs(x, y, [*("1/patch" if axis == "patch" else axis for axis in axes.names), EXAMPLES])


def _left_out(
    rows: Mapping[Shape, tuple[np.ndarray, np.ndarray]], axes: Axes, form: str
) -> dict[Shape, float]:
    """Of each shape: the error of the law of the others; nan where these do not vary in every axis."""
    found = {}
    for shape in rows:
        others = {other: own for other, own in rows.items() if other != shape}
        if any(len({getattr(other, axis) for other in others}) < 2 for axis in axes.names):
            found[shape] = np.nan
            continue
        fit = fit_joint(_runs(others, axes), [form], 0)[form]
        found[shape] = _rms(_log_errors(fit, rows[shape], shape, axes))
    return found


def _log_errors(law: JointLaw, rows: tuple[np.ndarray, np.ndarray], shape: Shape, axes: Axes) -> np.ndarray:
    examples, values = rows
    return law.log_y(np.log(_x(shape, axes, examples))) - np.log(values)


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _error(errors: Iterable[float]) -> float:
    """Root mean square of those that are known; inf without any."""
    known = [error for error in errors if np.isfinite(error)]
    return _rms(np.array(known)) if known else np.inf


def _example_flops(shape: Shape, axes: Axes, known: Mapping[Shape, float]) -> float:
    """By a product of powers of the axes through the known ones (the least change where these are few)."""
    logs = np.array([np.log(axes.of(other)) for other in known])
    middle, values = logs.mean(0), np.log(list(known.values()))
    powers = np.linalg.lstsq(logs - middle, values - values.mean(), rcond=None)[0]
    return float(np.exp(values.mean() + (np.log(axes.of(shape)) - middle) @ powers))


def _law_of(
    shape: Shape,
    fit: JointFit,
    axes: Axes,
    example_flops: float,
    shifts: np.ndarray,
    error: float,
    runs: Runs,
    is_new: bool,
) -> Fit:
    """The joint law at one shape, against FLOPs: a limit plus a power, with the same of each resample."""
    family, own = lookup(LAW), np.log(axes.of(shape))
    flops = np.log(runs.x[:, -1] * example_flops)
    around = (float(flops.min()), float(flops.max()))

    def law(joint: JointLaw, shift: float) -> Law:
        terms = joint.log_scales[:-1] - joint.exponents[:-1] * own
        limit = np.logaddexp(joint.log_limit, np.logaddexp.reduce(terms))
        power = float(joint.exponents[-1])
        scale = joint.log_scales[-1] + power * np.log(example_flops)
        params = {"e_inf": np.exp(limit + shift), "b": np.exp(scale + shift), "c": -power}
        return Law(family, family.internal(params), around)

    best = law(fit, 0.0)
    flags = [Flag("untrained_shape")] if is_new else []
    drawn = tuple(law(joint, shift) for joint, shift in zip(fit.resamples, shifts, strict=True))
    return Fit(family, best.p, around, rmsle=error, converged=True, flags=tuple(flags), resamples=drawn)
