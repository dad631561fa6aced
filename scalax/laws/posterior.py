"""Laws that are plausible given a curve's rows, priors, and the doubt that any law is exact (anchored.py).

Everything is found by one kind of work: least squares from a few starts, for one law and one curve. One
compiled program does it for all laws (bank.py).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scalax.errors import UserError
from scalax.laws.anchored import Anchored, whitener
from scalax.laws.bank import bank_of, padded_k, switch
from scalax.laws.batches import in_batches, mapped, padded, unit_points
from scalax.laws.family import Family
from scalax.laws.priors import Prior, PriorCoordinates
from scalax.laws.solve import best_first, least_squares

SEARCHED_AT = 2  # of the amplitudes, where modes are searched for; the others start from what is found there
STARTS, POLISHED = 32, 3
SCREEN_STEPS, POLISH_STEPS, REFINE_STEPS, DRAW_STEPS = 12, 40, 15, 10
BLOCK = 4  # starts that are solved together; draws: two mirrored pairs


class Modes(NamedTuple):
    """Of one law on one curve: the most probable p under each prior and amplitude, in the units of the
    anchored rows, and the log probability of the rows with the parameters integrated out by Laplace's
    method."""

    p: np.ndarray  # [priors, amplitudes, k]
    log_evidence: np.ndarray  # [priors, amplitudes]


class Task(NamedTuple):
    """Least squares of one law on one curve from some starts.

    - law: its place among the laws; a: the curve; tau: the discrepancy's amplitude.
    - prior: of the law's coordinates.
    - starts: [s, k], s at most BLOCK.
    - steps: at most.
    - seed: of errors that rows and prior are given; None: there are none.
    """

    law: int
    a: Anchored
    tau: float
    prior: Prior
    starts: np.ndarray
    steps: int
    seed: int | None = None


class Solved(NamedTuple):
    p: Any  # [s, k], in the units of the anchored rows
    cost: Any  # [s]
    hessian: Any  # [s, k, k]
    stretch: Any  # [s, k, k]: what the prior is about, by p


def modes(
    laws: Sequence[Family],
    curves: Sequence[Anchored],
    priors: Sequence[Sequence[Prior]],
    progress: Callable[[float], object] | None = None,
) -> list[list[Modes]]:
    """The modes of each law [laws] on each curve [curves]: searched for from many starts under the law's
    first prior, and refined under all.

    - laws: that declare what a prior of them is about.
    - curves: anchored at their ends.
    - priors: of each law's coordinates.
    - progress: called with how much was just done, in searches of one law on one curve.

    Raises UserError where a law declares no prior.
    """
    tell = progress or (lambda _: None)

    def part(share: float) -> Callable[[int], object]:
        return lambda tasks: tell(share * tasks)

    pairs = [(j, a) for j in range(len(laws)) for a in curves]
    if not pairs:
        return [[] for _ in laws]
    unit = [unit_points(STARTS, len(law.names), 0) for law in laws]
    first = [Task(j, a, a.taus[SEARCHED_AT], priors[j][0], np.zeros(0), SCREEN_STEPS) for j, a in pairs]
    screened = []  # a task for every BLOCK starts
    for task in first:
        starts = laws[task.law].starts(task.a.points.extent, unit[task.law])
        screened += [task._replace(starts=starts[at : at + BLOCK]) for at in range(0, STARTS, BLOCK)]
    found, each = solve(laws, screened, part(0.3 * BLOCK / STARTS)), STARTS // BLOCK
    found = [best_first(found[at : at + each]) for at in range(0, len(found), each)]
    polished = [
        t._replace(starts=s.p[:POLISHED], steps=POLISH_STEPS) for t, s in zip(first, found, strict=True)
    ]
    found = solve(laws, polished, part(0.2))
    refined = [
        Task(j, a, tau, prior, s.p, REFINE_STEPS)
        for (j, a), s in zip(pairs, found, strict=True)
        for prior in priors[j]
        for tau in a.taus
    ]
    ends = iter(zip(refined, solve(laws, refined, part(0.5 * len(pairs) / len(refined))), strict=True))
    made: list[list[Modes]] = [[] for _ in laws]
    for j, a in pairs:
        shape = len(priors[j]), len(a.taus)
        own = [next(ends) for _ in range(shape[0] * shape[1])]
        p, evidence = [s.p[s.cost.argmin()] for _, s in own], [log_evidence(*each) for each in own]
        made[j].append(Modes(np.reshape(p, (*shape, -1)), np.reshape(evidence, shape)))
    return made


def log_evidence(task: Task, found: Solved) -> float:
    """Log probability of the rows by Laplace's method around the best solution."""
    i = int(found.cost.argmin())
    (_, curvature), (_, volume) = (np.linalg.slogdet(part[i]) for part in (found.hessian, found.stretch))
    roots = whitener(task.a, task.tau), rooted(task.a, task.prior)[1]
    determinants = sum(np.log(np.diag(root)).sum() for root in roots)
    return float(determinants + volume - (found.cost[i] + curvature) / 2)


class Block(NamedTuple):
    """BLOCK draws around a mode of one curve.

    - law: its place among the laws.
    - a: the curve; tau: the discrepancy's amplitude; prior: of the law's coordinates.
    - start: [k], the mode.
    - seed: of the errors; None: there are none, and every draw is the mode itself.
    """

    law: int
    a: Anchored
    tau: float
    prior: Prior
    start: np.ndarray
    seed: int | None = None


def scatter(laws: Sequence[Family], blocks: Sequence[Block]) -> list[np.ndarray]:
    """p [BLOCK, k] of each block, in the units of the anchored rows.

    Draws by randomised maximum posterior: data and prior mean are perturbed by their own errors, in mirrored
    pairs, and the law refitted. Exact for a law that is linear in its parameters.
    """
    tasks = [
        Task(b.law, b.a, b.tau, b.prior, np.repeat(b.start[None], BLOCK, 0), DRAW_STEPS, b.seed)
        for b in blocks
    ]
    return [found.p for found in solve(laws, tasks)]


def solve(
    laws: Sequence[Family], tasks: Sequence[Task], progress: Callable[[int], object] | None = None
) -> list[Solved]:
    """What each task finds; `progress` is called with the number of tasks just finished.

    Raises UserError where a law declares no prior.
    """
    for law in laws:
        prior_coordinates(law)
    bank = bank_of(laws)
    k, places = padded_k(bank), [bank.index(law) for law in laws]

    def inputs(i: int, size: int) -> tuple[np.ndarray, ...]:
        task = tasks[i]
        points, n, law = task.a.points, len(task.a.points.log_x), laws[task.law]
        own, missing = len(law.names), BLOCK - len(task.starts)
        white, root, low, high = np.zeros((size, size)), np.zeros((k, k)), np.zeros(k), np.zeros(k)
        white[:n, :n] = whitener(task.a, task.tau)
        mean = np.zeros(k)
        mean[:own], root[:own, :own] = rooted(task.a, task.prior)
        low[:own], high[:own] = law.box(points.extent)
        starts, errors = np.zeros((BLOCK, k)), np.zeros((BLOCK, size + k))
        starts[:, :own] = np.concatenate([task.starts, np.repeat(task.starts[:1], missing, 0)])
        if task.seed is not None:
            drawn = _errors(n, own, task.seed)
            errors[:, :n], errors[:, size : size + own] = drawn[:, own:], drawn[:, :own]
        rows = padded(points.log_x, size), padded(points.log_y, size), white
        numbers = np.array(places[task.law]), np.array(task.steps), np.array(points.extent.high)
        return *rows, *numbers, low, high, mean, root, starts, errors

    found = in_batches([len(t.a.points.log_x) for t in tasks], inputs, _program(bank), progress)
    made = []
    for each, task in zip(found, tasks, strict=True):
        s, k = len(task.starts), len(laws[task.law].names)
        made.append(Solved(each.p[:s, :k], each.cost[:s], each.hessian[:s, :k, :k], each.stretch[:s, :k, :k]))
    return made


@functools.lru_cache(256)
def _errors(rows: int, coordinates: int, seed: int) -> np.ndarray:
    """[BLOCK, coordinates + rows]: of the prior's coordinates, then of the rows, in mirrored pairs."""
    half = np.random.default_rng(seed).standard_normal((BLOCK // 2, coordinates + rows))
    return np.concatenate([half, -half])


def rooted(a: Anchored, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Mean [m + 1] and inverse root of the covariance [m + 1, m + 1]. The last coordinate is the law's log y
    at the end of the data, within the curve's height of what was seen there: with it the prior is a proper
    one, so that laws can be compared."""
    m = len(prior.mean)
    root = np.diag(np.append(np.zeros(m), 1 / a.points.extent.height))
    root[:m, :m] = prior.root
    return np.append(prior.mean, 0.0), root


def prior_coordinates(family: Family) -> PriorCoordinates:
    """Raises UserError where the law declares none, or one that is not about all but its height."""
    if family.prior is None:
        raise UserError(
            f"law {family.name!r} has no prior, so it cannot be a member of a forecast; leave it out"
        )
    about, wanted = len(family.prior.wide.mean), len(family.names) - 1
    if about != wanted:
        raise UserError(
            f"law {family.name!r}: its prior is about {about} numbers, want {wanted}: all but its height"
        )
    return family.prior


@functools.cache
def _program(bank: tuple[Family, ...]) -> Callable:
    """Inputs of tasks [c, ...] -> Solved [c, BLOCK, ...], padded to the longest law's parameters."""
    k = padded_k(bank)

    def linear(law: Family) -> Callable:
        """(p [k], log x [n], top) -> log y [n], then what a prior of the law is about [k]: its coordinates,
        and log y where the data end; and the Jacobian [n + k, k] of them all."""
        own, of = len(law.names), prior_coordinates(law).of

        def values(p, log_x, top):  # the law is evaluated once: it is most of what is traced and compiled
            log_y = law.log_y(p[:own], jnp.append(log_x, 0.0))
            about = jnp.append(of(p[:own], top), log_y[-1])
            return jnp.concatenate([log_y[:-1], jnp.pad(about, (0, k - own))])

        def with_jacobian(p, log_x, top):
            found, push = jax.linearize(lambda q: values(q, log_x, top), p)
            return found, jax.vmap(push, out_axes=1)(jnp.eye(k))

        return with_jacobian

    linears = [linear(law) for law in bank]

    def task(data):
        log_x, log_y, white, law, steps, top, low, high, mean, root, starts, errors = data
        steps = jnp.where(jnp.any(white != 0), steps, 0)  # a call is filled up with tasks of no rows
        n = log_x.size

        def from_start(start, error):
            def whitened(p):
                found, slopes = switch(linears, law, p, log_x, top)
                r = jnp.concatenate([white @ (found[:n] - log_y), root @ (found[n:] - mean)]) - error
                return r, jnp.concatenate([white @ slopes[:n], root @ slopes[n:]]), slopes[n:]

            found = least_squares(
                whitened, jnp.ones_like(error), start, low, high, max_steps=steps, aux=jnp.zeros((k, k))
            )
            return Solved(found.p, found.cost, found.hessian, found.aux)

        return jax.vmap(from_start)(starts, errors)

    return mapped(task)
