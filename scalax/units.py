"""Numbers as people read them."""

import math

PREFIXES = ["", "k", "M", "G", "T", "P", "E", "Z"]


def scaled(value: float, unit: str, digits: int = 3) -> str:
    """1.23e12 with unit FLOP is '1.23 TFLOP'; nan is a dash. digits: significant ones."""
    if not math.isfinite(value):
        return "–"
    value = float(f"{value:.{digits}g}")  # rounded first, so that 999.9 million are 1 G and not 1e+03 M
    power = min(max(math.floor(math.log10(abs(value)) / 3) if value else 0, 0), len(PREFIXES) - 1)
    return f"{value / 1000**power:.{digits}g} {PREFIXES[power]}{unit}"


def flops_text(flops: float, digits: int = 3) -> str:
    return scaled(flops, "FLOP", digits)


def seconds_text(seconds: float) -> str:
    """'1:05' for 65 seconds, '2:00:00' for two hours; nan is a dash."""
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
