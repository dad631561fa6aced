"""What to distrust of a fit or a forecast, as data; the sentence is made where it is shown."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Flag:
    """One reason to distrust a fit or a forecast; `str(flag)` says it.

    - kind: "not_settled", "few_agree", "at_bound", "too_few_points", "undetermined", "outside_data"; of a
      forecast "suspicious_row", "smoothed", "falls_faster", "not_pooled", "small_group"; or one that a
      law's own diagnosis makes up.
    - parameter: the one it is about, "" for none.
    - numbers: behind it, by name: `share` of "few_agree", `side` (-1 or 1) of "at_bound", `points` and
      `parameters` of "too_few_points", `condition` of "undetermined", `x`, `y` and `times` of
      "suspicious_row" (how many times farther than usual it is from its neighbours), `times` of "smoothed"
      (the noise assumed over that seen); `x` and `times` of "falls_faster" (where the last part begins, and
      how many times as steep it is); `curves` of "not_pooled" and "small_group" (how many there are).
      Of a plan: "untrained_shape". Of a speed-up: "one_seed". Of laws of several variables: "far_rows"
      (`count`, and `times` farther than usual). Of an allocation: "no_parabolas" (`levels`),
      "no_minimum_inside" (`flops`), "grid_bias" and "budget_bias" (`flops`, and `times` the right size),
      "beyond_data" (`flops`, `most`), "methods_differ" (`flops`, `times`).
    """

    kind: str
    parameter: str = ""
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        number = self.numbers
        match self.kind:
            case "not_settled":
                return "the solver had not settled when it stopped"
            case "few_agree":
                return f"only {number['share']:.0%} of the polished starts agree on the best cost"
            case "at_bound":
                end = "lower" if number["side"] < 0 else "upper"
                return f"{self.parameter} is at the {end} end of its range"
            case "too_few_points":
                return f"too few points: {number['points']:g} for {number['parameters']:g} parameters"
            case "undetermined":
                return f"the data do not determine the parameters (condition {number['condition']:.0e})"
            case "suspicious_row":
                return (
                    f"the row at x = {number['x']:.6g}, y = {number['y']:.6g} is left out: it is"
                    f" {number['times']:.0f} times farther from its neighbours than rows usually are"
                )
            case "smoothed":
                return (
                    "the rows almost never rise, so they look smoothed: the noise is assumed to be"
                    f" {number['times']:g} times what they show"
                )
            case "falls_faster":
                return (
                    f"from x = {number['x']:.4g} on the rows fall {number['times']:.1f} times as steeply as"
                    " before, as where a learning rate decays: bands are twice as wide; if it decays, give"
                    " its column in `lr`, or its `lr_schedule`"
                )
            case "not_pooled":
                return f"{number['curves']:g} curve(s) are too few to pool: each is forecast alone"
            case "small_group":
                return (
                    f"{number['curves']:g} curve(s) share its {self.parameter}, too few to say what they"
                    " have in common"
                )
            case "far_rows":
                return (
                    f"the law misses {number['count']:g} row(s) by up to {number['times']:.0f} times what it"
                    " misses rows by usually: it does not hold there, or they are wrong"
                )
            case "no_parabolas":
                return (
                    f"the rows make parabolas with a minimum inside at {number['levels']:g} levels of"
                    " compute, too few; only the law answers"
                )
            case "no_minimum_inside":
                return (
                    f"at {number['flops']:.2g} FLOPs no minimum lies within the sizes that were trained: this"
                    " level is left out of the parabolas' power law"
                )
            case "grid_bias":
                return (
                    f"the parabola at {number['flops']:.2g} FLOPs finds {number['times']:.2f} times the best"
                    " size of the fitted law in noiseless rows of the same sizes: these are not centred about"
                    " the minimum, or span too much"
                )
            case "budget_bias":
                return (
                    f"at {number['flops']:.2g} FLOPs the parabolas' grids make their size"
                    f" {number['times']:.2f} times the best, if the law holds"
                )
            case "methods_differ":
                return (
                    f"at {number['flops']:.2g} FLOPs the law's size is {number['times']:.2f} times that of"
                    " the parabolas, and their intervals do not meet: trust neither without more runs"
                )
            case "beyond_data":
                return f"{number['flops']:.2g} FLOPs are beyond the runs, which end at {number['most']:.2g}"
            case "untrained_shape":
                return "no run has this shape: its law, and its FLOPs an example, are those of other shapes"
            case "one_seed":
                return "one run of each: how much seeds differ is not known, and is not in the intervals"
            case "outside_data":
                return f"break {self.parameter} lies outside the data"
        words = [self.parameter, self.kind.replace("_", " ")]
        shown = ", ".join(f"{name} {value:.3g}" for name, value in number.items())
        return " ".join(filter(None, words)) + (f" ({shown})" if shown else "")
