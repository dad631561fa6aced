"""What to distrust of a fit or a forecast, as data; the sentence is made where it is shown."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Flag:
    """One reason to distrust a fit or a forecast; `str(flag)` says it.

    - kind: "not_settled", "few_agree", "at_bound", "too_few_points", "undetermined", "outside_data"; of a
      forecast "suspicious_row", "smoothed", "falls_faster"; or one that a law's own diagnosis makes up.
    - parameter: the one it is about, "" for none.
    - numbers: behind it, by name: `share` of "few_agree", `side` (-1 or 1) of "at_bound", `points` and
      `parameters` of "too_few_points", `condition` of "undetermined", `x`, `y` and `times` of
      "suspicious_row" (how many times farther than usual it is from its neighbours), `times` of "smoothed"
      (the noise assumed over that seen); `x` and `times` of "falls_faster" (where the last part begins, and
      how many times as steep it is).
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
            case "outside_data":
                return f"break {self.parameter} lies outside the data"
        words = [self.parameter, self.kind.replace("_", " ")]
        shown = ", ".join(f"{name} {value:.3g}" for name, value in number.items())
        return " ".join(filter(None, words)) + (f" ({shown})" if shown else "")
