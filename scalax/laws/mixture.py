"""How much each law, prior and amplitude of discrepancy counts for a curve, and draws in proportion."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.laws import bank
from scalax.laws.anchored import Anchored
from scalax.laws.family import Family
from scalax.laws.posterior import BLOCK, Block, Modes, prior_coordinates, scatter
from scalax.laws.priors import (
    LEARNED_AMPLITUDES,
    LEARNED_KIND,
    LEARNED_ONLY,
    WIDE_AMPLITUDES,
    Prior,
    learned_priors,
)

BLOCKS = 32  # of draws, for a curve


class Component(NamedTuple):
    """A law under one prior and one amplitude of the discrepancy.

    - law: its place among the laws; kind: that of its prior, among the odds' kinds.
    - amplitude: its place in AMPLITUDES.
    - mode: [k], in the units of the anchored rows.
    - weight: how much it counts; those of a curve sum to 1.
    """

    law: int
    prior: Prior
    kind: int
    amplitude: int
    mode: np.ndarray
    weight: float


class Odds(NamedTuple):
    """How probable things are before a curve's rows are seen, by kind of curve (priors.py).

    - kinds: [kinds].
    - amplitudes: [kinds, amplitudes], of the discrepancy.
    - laws: [kinds, laws], relative to each other.
    """

    kinds: np.ndarray
    amplitudes: np.ndarray
    laws: np.ndarray


def general_odds(laws: int, smoothed: bool) -> Odds:
    """Of the two kinds, wide and learned, and this many laws, for a curve alone."""
    second = LEARNED_KIND[smoothed]
    amplitudes = np.array([WIDE_AMPLITUDES, LEARNED_AMPLITUDES])
    return Odds(np.array([1 - second, second]), amplitudes, np.ones((2, laws)))


class Ensemble(NamedTuple):
    """Draws of one law for one curve, as p in the data's own units, in proportion to its weight.

    - best: [k], the most probable.
    - members: [draws, k]; taus: [draws], the discrepancy that each was drawn under.
    - weight: of the law, from 0 to 1.
    """

    family: Family
    best: np.ndarray
    members: np.ndarray
    taus: np.ndarray
    weight: float

    @property
    def limit(self) -> float:
        """What the most probable law tends to as x grows without end."""
        return float(np.exp(self.family.log_limit(self.best)))


def draws(parts: Collection[Ensemble], log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log y of all members at log x [n]: [draws, n], and the discrepancies that they were drawn under."""
    laws = [part.family for part in parts for _ in part.members]
    members = [p for part in parts for p in part.members]
    return bank.evaluate(laws, members, log_x), np.concatenate([part.taus for part in parts])


def most_probable(parts: Mapping[str, Ensemble], log_x: np.ndarray) -> dict[str, np.ndarray]:
    """log y [n] of each law's most probable curve at log x [n], by name."""
    laws, best = [part.family for part in parts.values()], [part.best for part in parts.values()]
    return dict(zip(parts, bank.evaluate(laws, best, log_x), strict=True))


def priors_of(family: Family, early: bool) -> list[tuple[int, Prior]]:
    """(its kind, prior) of each prior that a law is tried under: 0 the wide one, 1 the learned one.

    - early: whether the curve still grows steeper.

    Raises UserError where the law declares none.
    """
    wide, learned = prior_coordinates(family).wide, learned_priors(early).get(family.name)
    if learned is None:
        return [(0, wide)]
    return [(1, learned)] if family.name in LEARNED_ONLY else [(0, wide), (1, learned)]


def weigh(
    found: Sequence[Modes], kinds: Sequence[Sequence[tuple[int, Prior]]], odds: Odds, smoothed: bool
) -> list[Component]:
    """The components of one curve.

    - found: the modes of each law.
    - kinds: its priors, see `priors_of`.
    - odds: of kinds, amplitudes and laws.
    - smoothed: whether the rows are; such rows do not tell laws apart.

    Within a law, an amplitude counts by its prior and evidence. Within each kind of curve (priors.py), laws
    count by their odds and evidence, or by their odds alone where rows are smoothed; the kinds count by their
    priors and evidence.
    """
    parts = []  # law, kind, prior, log evidence by amplitude, all, modes
    with np.errstate(divide="ignore"):
        for law, (modes_of, priors) in enumerate(zip(found, kinds, strict=True)):
            for (kind, prior), p, own in zip(priors, modes_of.p, modes_of.log_evidence, strict=True):
                usable = np.where(np.isfinite(own), own, -np.inf)
                own = usable + np.log(odds.amplitudes[kind])
                parts.append((law, kind, prior, own, np.logaddexp.reduce(own), p))
    of_kind, evidence = np.array([part[1] for part in parts]), np.array([part[4] for part in parts])
    of_law = np.array([odds.laws[kind][law] for law, kind, *_ in parts])
    share, all_of_kind = np.zeros(len(parts)), np.full(len(parts), -np.inf)
    for which, prior_of_kind in enumerate(odds.kinds):
        own = of_kind == which
        if own.any() and np.isfinite(evidence[own]).any():
            ahead = np.where(np.isfinite(evidence[own]), evidence[own], -1e9) - evidence[own].max()
            share[own] = of_law[own] * (np.isfinite(evidence[own]) if smoothed else np.exp(ahead))
            share[own] /= share[own].sum()
            together = np.logaddexp.reduce(evidence[own] + np.log(of_law[own]))
            all_of_kind[own] = np.log(prior_of_kind) + together - np.log(of_law[own].sum())
    share *= np.exp(all_of_kind - all_of_kind.max())
    components = []
    for (law, kind, prior, own, all_of_it, p), weight in zip(parts, share / share.sum(), strict=True):
        for i, mode in enumerate(p):
            if weight > 0 and np.isfinite(own[i]):
                part = float(weight * np.exp(own[i] - all_of_it))
                components.append(Component(law, prior, kind, i, mode, part))
    return components


def ensembles(
    laws: Sequence[Family], data: Sequence[Anchored], components: Sequence[Sequence[Component]]
) -> list[dict[str, Ensemble]]:
    """Draws of each curve, law by law: BLOCKS blocks, shared out to components by their weights.

    - laws: the components' own.
    - data: the curves.
    - components: of each curve.
    """
    wanted: list[tuple[int, Block]] = []
    for i, (a, parts) in enumerate(zip(data, components, strict=True)):
        ends = np.cumsum([part.weight for part in parts])
        picked = np.searchsorted(ends / ends[-1], (np.arange(BLOCKS) + 0.5) / BLOCKS)
        for seed, which in enumerate(picked):
            part = parts[which]
            tau = float(a.taus[part.amplitude])
            wanted.append((i, Block(part.law, a, tau, part.prior, part.mode, seed)))
    drawn: list[list[list]] = [[[] for _ in laws] for _ in data]  # of curves and laws: (p, tau) of each block
    found = scatter(laws, [block for _, block in wanted])
    for p, (i, block) in zip(found, wanted, strict=True):
        drawn[i][block.law].append((p, block.tau))
    made: list[dict[str, Ensemble]] = []
    for i, (a, parts) in enumerate(zip(data, components, strict=True)):
        at, ensemble = (a.points.center_x, a.points.center_y), {}
        for j, law in enumerate(laws):
            mine = drawn[i][j]
            own = [part for part in parts if part.law == j]
            if not own:
                continue
            best = max(own, key=lambda part: part.weight).mode
            members = np.concatenate([p for p, _ in mine]) if mine else np.zeros((0, len(best)))
            ensemble[law.name] = Ensemble(
                law,
                law.shift(best[None], *at)[0],
                law.shift(members, *at),
                np.repeat([tau for _, tau in mine], BLOCK),
                sum(part.weight for part in own),
            )
        made.append(ensemble)
    return made
