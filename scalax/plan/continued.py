"""Laws against examples, and beyond those that their runs saw.

Static runs of equal FLOPs see fewer examples the dearer their shape, and a run that changes to a dear shape
late sees more than they did. There its law is not believed: it falls as that of a shape which saw more.
"""

from collections.abc import Callable, Mapping

import numpy as np

from scalax.plan.effects import ErrorLaw
from scalax.schedule import Shape

Curve = Callable[[np.ndarray], np.ndarray]  # error against training examples [...]
READ_AT = 1000  # examples at which a curve is read off, evenly spaced in log


def continued(
    laws: Mapping[Shape, ErrorLaw], example_flops: Mapping[Shape, float], last_examples: Mapping[Shape, float]
) -> dict[Shape, Curve]:
    """Error of each shape against examples. Beyond its last one it falls by the factor by which the shape
    falls there that has the next more, by its law or continued itself; that with the most follows its law.

    - laws: of each shape, of error against training FLOPs.
    - example_flops: training FLOPs of each shape for an example.
    - last_examples: up to which the law of each shape is believed.
    """
    curves: dict[Shape, Curve] = {}
    more: Curve | None = None
    for shape in sorted(laws, key=last_examples.__getitem__, reverse=True):
        more = curves[shape] = _curve(laws[shape], example_flops[shape], last_examples[shape], more)
    return {shape: curves[shape] for shape in laws}


def read_off(curves: Mapping[Shape, Curve], most: float) -> dict[Shape, Curve]:
    """The curves by interpolation in log, from one example to `most`: many errors are asked for, of few."""
    logs = np.linspace(0.0, np.log(most), READ_AT)
    return {shape: _read_off(logs, curve) for shape, curve in curves.items()}


def _read_off(logs: np.ndarray, curve: Curve) -> Curve:
    errors = np.log(curve(np.exp(logs)))
    return lambda examples: np.exp(np.interp(np.log(examples), logs, errors))


def _curve(law: ErrorLaw, cost: float, last: float, more: Curve | None) -> Curve:
    def own(examples: np.ndarray) -> np.ndarray:
        return np.asarray(law.predict(np.ravel(examples) * cost)).reshape(np.shape(examples))

    if more is None:
        return own
    at_last = more(np.array([last]))

    def curve(examples: np.ndarray) -> np.ndarray:
        return own(np.minimum(examples, last)) * more(np.maximum(examples, last)) / at_last

    return curve
