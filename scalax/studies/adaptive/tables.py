"""Tables of an adaptive study."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath

from scalax.config import RunConfig
from scalax.hardware import energy
from scalax.report.tables import DASH, Table, times_text, write_csv
from scalax.studies.adaptive.result import (
    AdaptiveResult,
    Change,
    CheapPlan,
    Fewer,
    FittedLaw,
    LadderResult,
    LawForm,
    Needed,
    Pilot,
    Shift,
    Target,
)
from scalax.units import flops_text, scaled, seconds_text


def best_names(row: Target) -> str:
    """The static shapes that are first to a target, over the seeds."""
    return ", ".join(sorted({name for name in row.best_static if name is not None})) or "none"


def targets(ladder: LadderResult, reached: Sequence[Target], metric: str) -> Table:
    """For each target: the best static shape and its FLOPs, and what every other method saves.

    - ladder: that the methods are of.
    - reached: what each method needs for each target.
    - metric: that the targets are values of.
    """
    rows = []
    for row in reached:
        best = [row.methods[name].flops[i] for i, name in enumerate(row.best_static) if name is not None]
        rows.append(
            [
                f"{row.target:.4g}",
                best_names(row),
                mean_flops(best) if len(best) == len(row.best_static) else "not reached",
                *(savings_text(row.methods[name]) for name in ladder.others),
            ]
        )
    return Table([metric, "best static", "its FLOPs", *ladder.others], rows)


def flops(ladder: LadderResult, metric: str) -> Table:
    """FLOPs of every method to each target."""
    names = list(ladder.runs)
    rows = [
        [f"{row.target:.4g}", *(mean_flops(row.methods[name].flops) for name in names)]
        for row in ladder.targets
    ]
    return Table([metric, *names], rows)


def wall(ladder: LadderResult, metric: str) -> Table:
    """The same savings in training time."""
    rows = [
        [f"{row.target:.4g}", *(_wall_text(row.methods[name]) for name in ladder.others)]
        for row in ladder.targets
    ]
    return Table([metric, *ladder.others], rows)


def step_seconds(ladder: LadderResult) -> Table:
    """Of each static shape."""
    rows = [[shape, f"{seconds * 1e3:.3g} ms"] for shape, seconds in ladder.step_s.items()]
    return Table(["shape", "a training step"], rows)


def settings(ladder: LadderResult, config: RunConfig) -> Table:
    """The hyper-parameters of each shape."""
    plain = (config.batch_size, config.optim.lr, config.optim.weight_decay)
    rows = []
    for shape, own in ladder.settings.items():
        values = [p if v is None else v for p, v in zip(plain, own, strict=True)]
        rows.append([shape, *(f"{value:g}" for value in values)])
    return Table(["shape", "batch size", "learning rate", "weight decay"], rows)


def pilots(found: Sequence[Pilot]) -> Table:
    rows = [
        [
            pilot.plan,
            f"{pilot.mean:.4g}" + (" (taken)" if pilot.taken else ""),
            ", ".join(times_text(change.pace) for change in pilot.switches),
        ]
        for pilot in found
    ]
    return Table(["plan", "mean so far", "pace after each change"], rows)


def switches(changes: Sequence[Change]) -> Table:
    rows = [
        [
            change.run,
            f"{change.before} to {change.after}",
            flops_text(change.flops),
            f"{change.value:.4g}",
            f"{change.value + change.jump:.4g}",
            flops_text(change.recovery_flops) + ("" if change.recovered else ", not recovered"),
            f"{change.recovery_flops / change.flops:.1%}",
            times_text(change.pace),
        ]
        for change in changes
    ]
    heads = [
        "run",
        "change",
        "at",
        "before",
        "just after",
        "recovered after",
        "share of FLOPs so far",
        "pace",
    ]
    return Table(heads, rows)


def cheap(plans: Sequence[CheapPlan]) -> Table:
    rows = [
        [
            f"{row.share:.0%}",
            flops_text(row.planning_flops),
            row.plan or row.reason,
            times_text(row.savings),
            times_text(row.net_savings),
        ]
        for row in plans
    ]
    return Table(
        ["of each static run", "their FLOPs", "plan", "savings by the laws", "by the laws, net of planning"],
        rows,
    )


def laws(fitted: dict[str, FittedLaw], form: LawForm) -> Table:
    """The parameters of each shape's law, with their standard errors."""

    def cell(law: FittedLaw, name: str) -> str:
        if name in law.at_bound:
            return "undetermined (end of its range)"
        if not law.determined(name):
            return "undetermined"
        return f"{law.params[name]:.4g} ± {law.stderr[name]:.2g}"

    rows = [
        [shape, *(cell(law, name) for name in form.labels), f"{law.rmsle:.3g}"]
        for shape, law in fitted.items()
    ]
    return Table(["shape", *form.labels.values(), "RMSLE of the fit"], rows)


def costs(result: AdaptiveResult) -> Table:
    rows = []
    for shape, cost in result.costs.items():
        xla, matmul = cost.step
        rows.append(
            [
                shape,
                f"{cost.params:,}",
                scaled(cost.forward_macs, "MAC"),
                flops_text(xla),
                flops_text(matmul),
                f"{(xla - matmul) / xla:.1%}",
                cost.reason or DASH,
            ]
        )
    heads = ["shape", "params", "forward", "step, XLA", "step, products only", "difference"]
    return Table([*heads, "reason, over 10%"], rows)


def spent(result: AdaptiveResult) -> Table:
    """Training time of each method over all seeds, with energy and carbon."""
    rows = []
    for ladder, part in result.ladders.items():
        for name, runs in part.runs.items():
            seconds = sum(run.wall_s for run in runs)
            hours = seconds / 3600 * result.device.count
            used = energy(result.device.kind, hours, result.config.device_watts)
            rows.append(
                [
                    ladder,
                    name,
                    seconds_text(seconds),
                    f"{used.kwh:.3g} kWh" if used else "power unknown",
                    f"{used.kg_co2:.3g} kg" if used else DASH,
                ]
            )
    return Table(["ladder", "method", "training time", "energy", "CO2e"], rows)


def mean_flops(values: Sequence[float]) -> str:
    """Geometric mean; 'not reached' where one is nan."""
    if not values or not all(map(math.isfinite, values)):
        return "not reached"
    return flops_text(math.exp(sum(math.log(value) for value in values) / len(values)))


def _wall_text(needed: Needed) -> str:
    return "no change yet" if all(needed.same) else times_text(needed.wall_savings)


def savings_text(needed: Needed) -> str:
    """Mean, and from the least to the most over the seeds; in words where nothing had changed yet."""
    if all(needed.same):
        return "no change yet"
    return range_text(needed.savings, needed.savings_by_seed)


def write_needed(path: epath.Path, what: str, plans: Mapping[float, Shift | Fewer]) -> None:
    """What plans beside the plan need for each target, a row a seed, as CSV.

    - path: of the file.
    - what: the column that tells the plans apart.
    - plans: by their value in it.
    """
    rows = [
        (value, seed, target, needed.flops[seed], needed.savings_by_seed[seed], plan.means[seed])
        for value, plan in plans.items()
        for target, needed in zip(plan.targets, plan.needed, strict=bool(plan.needed))
        for seed in range(len(needed.flops))
    ]
    write_csv(path, [what, "seed", "target", "flops", "savings", "mean"], rows)


def spread_text(values: Sequence[float]) -> str:
    """Geometric mean over the seeds, and from the least to the most."""
    spread = f" ({min(values):.4g}–{max(values):.4g})" if len(values) > 1 else ""
    return f"{geometric(values):.4g}{spread}"


def range_text(savings: float, by_seed: Sequence[float]) -> str:
    """Savings, and from the least to the most over the seeds; in words where some missed the target."""
    each = [value for value in by_seed if math.isfinite(value)]
    if not math.isfinite(savings):
        return f"missed by {len(by_seed) - len(each)} of {len(by_seed)}" if each else "not reached"
    if min(each) == max(each):
        return times_text(savings)
    return f"{times_text(savings)} ({min(each):.2f}–{max(each):.2f})"


def geometric(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))
