"""`python -m scalax.laws.learn CURVES.csv... --out priors.json`: learn the priors of forecasts anew.

Empirical Bayes from the rows to fit alone; rows held out are not read.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from scalax.files import write_atomically
from scalax.laws.anchored import anchored
from scalax.laws.curves import Curve, clean
from scalax.laws.family import Family
from scalax.laws.posterior import Block, modes, prior_coordinates, scatter
from scalax.laws.priors import AMPLITUDES, Prior
from scalax.laws.registry import lookup

MEMBERS = ("m3", "m4", "bnsl")  # laws that priors are learned for
AMPLITUDE = AMPLITUDES.index(0.18)  # of the discrepancy, under which they are
BLOCKS = 16  # of draws, for a curve
ROUNDS = 4
PSEUDO_CURVES = 2.0  # weight of the wide prior's covariance, so that few curves do not make a narrow one


def learn(
    curves: Sequence[Curve], members: Sequence[str] = MEMBERS, rounds: int = ROUNDS
) -> dict[str, Prior]:
    """A prior for each law from the rows to fit of many curves: in turn, draw every curve's ensemble under
    the prior, and give the prior the mean and covariance of all draws together.

    - members: names of laws, each with a prior.
    - rounds: of drawing and learning.
    """
    data = [anchored(clean(curve)[0]) for curve in curves]
    priors = {}
    for name in members:
        law = lookup(name)
        wide = prior_coordinates(law).wide
        prior = wide
        for _ in range(rounds):
            [found] = modes([law], data, [[prior]])
            seeds = range(BLOCKS)
            blocks = [
                Block(0, a, a.taus[AMPLITUDE], prior, m.p[0, AMPLITUDE], seed)
                for a, m in zip(data, found, strict=True)
                for seed in seeds
            ]
            drawn = np.array(scatter([law], blocks)).reshape(len(data), -1, len(law.names))
            draws = [_coordinates(law, p, a.points.extent.high) for p, a in zip(drawn, data, strict=True)]
            centers = np.array([np.median(d, 0) for d in draws])
            mean = centers.mean(0)
            within = sum(np.cov(d.T, bias=True) for d in draws)
            between = (centers - mean).T @ (centers - mean)
            total = within + between + PSEUDO_CURVES * wide.covariance
            prior = Prior(mean, total / (len(draws) + PSEUDO_CURVES))
        priors[name] = prior
    return priors


def _coordinates(law: Family, p: np.ndarray, top: float) -> np.ndarray:
    """What the prior is about, of p [draws, k]: [draws, m]."""
    with jax.enable_x64(True):
        return np.asarray(jax.vmap(lambda q: prior_coordinates(law).of(q, top))(p))


def main(argv: list[str] | None = None) -> None:
    from scalax.laws.readers import read_curves

    parser = argparse.ArgumentParser(description=__doc__, prog="python -m scalax.laws.learn")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    curves = [curve for file in args.files for curve in read_curves(file)]
    priors = {
        name: {"mean": p.mean.round(6).tolist(), "covariance": p.covariance.round(6).tolist()}
        for name, p in learn(curves).items()
    }
    about = f"python -m scalax.laws.learn {' '.join(Path(f).name for f in args.files)} --out {args.out.name}"
    text = json.dumps({"learned by": about, "curves": len(curves), "priors": priors}, indent=1)
    write_atomically(args.out, text + "\n")


if __name__ == "__main__":
    main()
