"""Tables of an adaptive study, from its part of study.json: each is (header, rows) of text."""

import math

from scalax.hardware import energy
from scalax.units import flops_text, scaled, seconds_text

Table = tuple[list[str], list[list[str]]]


def best_names(row: dict) -> str:
    """The static shapes that are first to a target, over the seeds."""
    return ", ".join(sorted({name for name in row["best_static"] if name != "None"})) or "none"


def targets(family: dict, reached: list[dict], metric: str) -> Table:
    """For each target: the best static shape and its FLOPs, and what every other method saves."""
    others = [name for name in family["runs"] if name not in family["shapes"]]
    rows = []
    for row in reached:
        best = [row["methods"][n]["flops"][i] for i, n in enumerate(row["best_static"]) if n != "None"]
        rows.append(
            [
                f"{row['target']:.4g}",
                best_names(row),
                mean_flops(best) if len(best) == len(row["best_static"]) else "not reached",
                *(savings_text(row["methods"][name]) for name in others),
            ]
        )
    return [metric, "best static", "its FLOPs", *others], rows


def flops(family: dict, metric: str) -> Table:
    """FLOPs of every method to each target, and the wall time of training."""
    names = list(family["runs"])
    rows = [
        [f"{row['target']:.4g}", *(mean_flops(row["methods"][name]["flops"]) for name in names)]
        for row in family["targets"]
    ]
    return [metric, *names], rows


def wall(family: dict, metric: str) -> Table:
    """The same savings in training time."""
    others = [name for name in family["runs"] if name not in family["shapes"]]
    rows = [
        [f"{row['target']:.4g}", *(_times(row["methods"][name]["wall_savings"]) for name in others)]
        for row in family["targets"]
    ]
    return [metric, *others], rows


def settings(family: dict, config: dict) -> Table:
    """The hyper-parameters of each shape."""
    rows = []
    for shape, own in family["settings"].items():
        plain = (config["batch_size"], config["optim"]["lr"], config["optim"]["weight_decay"])
        values = [p if v is None else v for p, v in zip(plain, own.values(), strict=True)]
        rows.append([shape, *(f"{value:g}" for value in values)])
    return ["shape", "batch size", "learning rate", "weight decay"], rows


def pilots(family: dict) -> Table:
    rows = [
        [
            pilot["plan"],
            f"{pilot['mean']:.4g}" + (" (taken)" if pilot["taken"] else ""),
            ", ".join(_times(s["pace"]) for s in pilot["switches"]),
        ]
        for pilot in family["pilots"]
    ]
    return ["plan", "mean so far", "pace after each change"], rows


def switches(family: dict) -> Table:
    rows = [
        [
            s["run"],
            f"{s['before']} to {s['after']}",
            flops_text(s["flops"]),
            f"{s['value']:.4g}",
            f"{s['value'] + s['jump']:.4g}",
            flops_text(s["recovery_flops"]) + ("" if s["recovered"] else " and not back"),
            f"{s['recovery_flops'] / s['flops']:.1%}",
            _times(s["pace"]),
        ]
        for s in family["switches"]
    ]
    heads = ["run", "change", "at", "before", "just after", "back after", "share of FLOPs so far"]
    return [*heads, "pace"], rows


def cheap(family: dict) -> Table:
    rows = [
        [
            f"{row['share']:.0%}",
            flops_text(row["planning_flops"]),
            row["plan"] or row["reason"],
            _times(row["savings"]),
            _times(row["net_savings"]),
        ]
        for row in family["cheap"]
    ]
    return ["of each static run", "their FLOPs", "plan", "savings", "net of planning"], rows


def laws(family: dict) -> Table:
    def cell(law: dict, name: str) -> str:
        number = law["params"][name]  # None where it is beyond floating point
        value = "beyond 1e308" if number is None else f"{number:.4g}"
        if any(flag.startswith(f"{name} is at the") for flag in law["flags"]):
            return f"{value} (end of its range)"
        return f"{value} ± {law['stderr'][name]:.2g}" if determined(law, name) else f"{value} (undetermined)"

    rows = [
        [shape, *(cell(law, p) for p in "abcd"), f"{law['rmsle']:.3g}"]
        for shape, law in family["laws"].items()
    ]
    return ["shape", "a", "b", "c (limit)", "d (FLOPs)", "RMSLE of the fit"], rows


def determined(law: dict, name: str) -> bool:
    """Whether a parameter's standard error is known and smaller than the parameter."""
    error, value = law["stderr"][name], law["params"][name]
    return error is not None and value is not None and 0 < error < abs(value)


def costs(study: dict) -> Table:
    rows = []
    for shape, cost in study["costs"].items():
        xla, matmul = cost["step"]["flops"], cost["step"]["flops_matmul"]
        rows.append(
            [
                shape,
                f"{cost['params']:,}",
                scaled(cost["forward_macs"], "MAC"),
                flops_text(xla),
                flops_text(matmul),
                f"{(xla - matmul) / xla:.1%}",
                cost["reason"] or "–",
            ]
        )
    header = [
        "shape",
        "params",
        "forward",
        "step, XLA",
        "step, products only",
        "difference",
        "reason, over 10%",
    ]
    return header, rows


def spent(study: dict) -> Table:
    """Training time of each method over all seeds, with energy and carbon."""
    device = study["device"]
    rows = []
    for family, part in study["families"].items():
        for name, runs in part["runs"].items():
            seconds = sum(run["wall_s"] for run in runs)
            hours = seconds / 3600 * device["count"]
            used = energy(device["kind"], hours, study["config"]["device_watts"])
            rows.append(
                [
                    family,
                    name,
                    seconds_text(seconds),
                    f"{used.kwh:.3g} kWh" if used else "power unknown",
                    f"{used.kg_co2:.3g} kg" if used else "–",
                ]
            )
    return ["family", "method", "training time", "energy", "CO2e"], rows


def mean_flops(values: list[float | None]) -> str:
    if not values or any(value is None for value in values):
        return "not reached"
    return flops_text(math.exp(sum(math.log(v) for v in values if v) / len(values)))


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}x"


def savings_text(method: dict) -> str:
    """Mean, and from the least to the most over the seeds."""
    each = [value for value in method["savings_by_seed"] if value is not None]
    if method["savings"] is None:
        missed = len(method["savings_by_seed"]) - len(each)
        return f"missed by {missed} of {len(method['savings_by_seed'])}" if each else "not reached"
    if len(each) == 1:
        return f"{method['savings']:.2f}x"
    return f"{method['savings']:.2f}x ({min(each):.2f}–{max(each):.2f})"
