"""`python -m scalax.laws.learn CURVES.csv... --out priors.json`: learn the priors of forecasts anew.

Empirical Bayes from the rows to fit alone; rows held out are not read.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from scalax import untrusted
from scalax.files import write_atomically
from scalax.laws.anchored import Anchored, anchored
from scalax.laws.backtests import LEAST_ROWS
from scalax.laws.curves import Curve, clean
from scalax.laws.family import Family
from scalax.laws.posterior import Block, modes, prior_coordinates, scatter
from scalax.laws.priors import AMPLITUDES, Prior
from scalax.laws.registry import lookup

MEMBERS = ("m3", "m4", "bnsl")  # laws that priors are learned for
AMPLITUDE = AMPLITUDES.index(0.18)  # of the discrepancy, under which they are
BLOCKS = 16  # of draws, for a curve
ROUNDS = 4
CUTS = (0.1, 0.25, 0.5)  # shares of the largest x, from where curves are seen again
PSEUDO_CURVES = 2.0  # weight of the wide prior's covariance, so that few curves do not make a narrow one


def learn(
    curves: Sequence[Curve], members: Sequence[str] = MEMBERS, rounds: int = ROUNDS
) -> dict[str, Prior]:
    """A prior for each law from the rows to fit of many curves: in turn, draw every curve's ensemble under
    the prior, and give the prior the mean and covariance of all draws together.

    - members: names of laws, each with a prior.
    - rounds: of drawing and learning.
    """
    data, priors = [anchored(clean(curve)[0]) for curve in curves], {}
    for name in members:
        law = lookup(name)
        prior = prior_coordinates(law).wide
        for _ in range(rounds):
            drawn = _draw(law, data, prior)
            prior = _pooled(
                law, [_coordinates(law, p, a.points.extent.high) for p, a in zip(drawn, data, strict=True)]
            )
        priors[name] = prior
    return priors


def learn_early(curves: Sequence[Curve], late: Mapping[str, Prior]) -> dict[str, Prior]:
    """Priors of curves that still grow steeper, from the same rows: the laws drawn under the learned priors
    are seen again from where a curve was at CUTS of its largest x, if its rows up to there grew steeper.

    - late: what `learn` found.
    """
    data, priors = [anchored(clean(curve)[0]) for curve in curves], {}
    for name, prior in late.items():
        law, found = lookup(name), []
        for curve, a, p in zip(curves, data, _draw(law, data, prior), strict=True):
            for cut in CUTS:
                kept = curve.fit & (curve.x <= cut * curve.x[curve.fit].max())
                if len(np.unique(curve.x[kept])) < LEAST_ROWS:
                    continue
                short = anchored(clean(Curve(curve.x[kept], curve.y[kept]))[0])
                if not short.grows_steeper:
                    continue
                du, dv = (
                    float(getattr(a.points, at) - getattr(short.points, at))
                    for at in ("center_x", "center_y")
                )
                found.append(_coordinates(law, law.shift(p, du, dv), short.points.extent.high))
        priors[name] = _pooled(law, found)
    return priors


def _draw(law: Family, data: Sequence[Anchored], prior: Prior) -> np.ndarray:
    """p [curves, draws, k] of a law, in the units of the anchored rows."""
    [found] = modes([law], data, [[prior]])
    blocks = [
        Block(0, a, a.taus[AMPLITUDE], prior, m.p[0, AMPLITUDE], seed)
        for a, m in zip(data, found, strict=True)
        for seed in range(BLOCKS)
    ]
    return np.array(scatter([law], blocks)).reshape(len(data), -1, len(law.names))


def _pooled(law: Family, draws: Sequence[np.ndarray]) -> Prior:
    """With the mean and covariance of all curves' draws [draws, m] together."""
    centers = np.array([np.median(d, 0) for d in draws])
    mean = centers.mean(0)
    within = sum(np.cov(d.T, bias=True) for d in draws)
    between = (centers - mean).T @ (centers - mean)
    total = within + between + PSEUDO_CURVES * prior_coordinates(law).wide.covariance
    return Prior(mean, total / (len(draws) + PSEUDO_CURVES))


def _coordinates(law: Family, p: np.ndarray, top: float) -> np.ndarray:
    """What the prior is about, of p [draws, k]: [draws, m]."""
    with jax.enable_x64(True):
        return np.asarray(jax.vmap(lambda q: prior_coordinates(law).of(q, top))(p))


def main(argv: list[str] | None = None) -> None:
    from scalax.laws.readers import read_curves

    parser = argparse.ArgumentParser(description=__doc__, prog="python -m scalax.laws.learn")
    parser.add_argument("files", nargs="+")
    parser.add_argument(
        "--keep", type=Path, help="a file like OUT: learn the early priors alone, and keep the rest"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    curves = [curve for file in args.files for curve in read_curves(file)]
    about = f"python -m scalax.laws.learn {' '.join(Path(f).name for f in args.files)} --out {args.out.name}"
    if args.keep:
        data = untrusted.parse_json(args.keep.read_bytes())
    else:
        data = {"learned by": about, "curves": len(curves), "priors": _json(learn(curves))}
    late = {name: Prior(np.array(p["mean"]), np.array(p["covariance"])) for name, p in data["priors"].items()}
    text = json.dumps(data | {"early": _json(learn_early(curves, late))}, indent=1)
    write_atomically(args.out, text + "\n")


def _json(priors: Mapping[str, Prior]) -> dict:
    return {
        name: {"mean": p.mean.round(6).tolist(), "covariance": p.covariance.round(6).tolist()}
        for name, p in priors.items()
    }


if __name__ == "__main__":
    main()
