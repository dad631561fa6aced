"""Which columns to use: those asked for, else guessed by name; where names do not say, a command is ready."""

import fnmatch
import itertools
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from scalax import metrics
from scalax.errors import UserError, suggest
from scalax.laws.readers.numbers import is_missing, is_numeric, parse
from scalax.laws.readers.table import Cell, Table
from scalax.records.remark import Remark, listed

BENCHMARK = {"x": "Seen Examples", "y": "Loss", "by": ("Domain", "Task", "Model"), "split": "Training"}

# What x may be, the most telling first; names as `plain` writes them.
X_NAMES = {
    "flops": "flops flop flos floats compute training_compute",
    "tokens": "tokens tokens_seen seen_tokens consumed_tokens tokens_processed tokens_trained ntokens"
    " input_tokens_seen consumed_train_tokens tok",
    "examples": "examples examples_seen seen_examples samples samples_seen consumed_samples images"
    " images_seen seen_images sequences consumed_train_samples imgs",
    "step": "step steps iter iters iteration iterations it update updates batch batches optimizer_step"
    " trainer_global_step niter global_iter step_num",
    "epoch": "epoch epochs ep",
    "size": "x n size dataset_size data_size params parameters model_size",
    "time": "time wall_time walltime relative_time relative_time_process relative_time_wall runtime"
    " timestamp elapsed elapsed_time elapsed_s seconds hours date train_time wall_s wall_clock",
}
_KINDS = {name: kind for kind, names in X_NAMES.items() for name in names.split()}
_BEFORE = re.compile(r"^(?:train|training|global|total|num|n|current|cumulative|cum|number_of|trainer)_(?=.)")

LOSSES = {"loss", "nll", "xent", "ce", "bpb", "bpc", "bpd", "perplexity", "ppl", "entropy", "crossentropy"}
ERRORS = {"error", "err", "wer", "cer", "mse", "rmse", "mae", "fid"}
ACCURACIES = {
    "acc", "acc1", "acc5", "accuracy", "accuracies", "top1", "top5", "precision", "recall", "f1", "auc",
    "auroc", "map", "map50", "map50-95", "miou", "iou", "dice", "ap", "ap50", "ap75", "em", "bleu", "accs",
}  # fmt: skip
HELD_OUT = {"val": 0, "valid": 0, "validation": 0, "eval": 1, "dev": 2, "heldout": 2, "test": 3}
NO_METRIC = {"lr", "learning_rate", "grad_norm", "momentum", "weight_decay", "seed", "mfu", "index", "rank"}
RUNS = {"run", "run_name", "run_id", "runid", "experiment", "experiment_name", "exp", "trial", "seed", "name"}
LEAST_HELD_OUT = 8  # rows of a validation loss that are preferred to more of the training loss


class Columns(NamedTuple):
    """Names of columns. add: what to add to x, multiply and such, as ('+', 1.0)."""

    x: str
    y: tuple[str, ...]
    by: tuple[str, ...]
    split: str | None
    change: tuple[str, float] | None = None
    remarks: tuple[Remark, ...] = ()


def plain(name: str) -> str:
    """A column's name in lower case, its words joined by '_', without what follows a unit's bracket."""
    last = name.lower().removesuffix(" of all epochs").split("/")[-1]
    return re.sub(r"[^a-z0-9]+", "_", last).strip("_")


def x_kind(name: str) -> str:
    """The kind of x, one of X_NAMES, that a column's name says it is; '' for none."""
    for word in (plain(name), re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")):
        while word not in _KINDS and _BEFORE.search(word):
            word = _BEFORE.sub("", word, count=1)
        if word in _KINDS:
            return _KINDS[word]
    return ""


def words(name: str) -> set[str]:
    """The words of a column's name: 'val_Top-1' -> {'val', 'top', '1', 'top1'}."""
    found = re.findall(r"[a-z]+\d*|\d+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    return {*found, *(a + b for a, b in itertools.pairwise(found))}


def y_kind(name: str) -> str:
    """'loss', 'error', 'accuracy' or '' by the words of a column's name."""
    own = words(name)
    for kind, known in (("loss", LOSSES), ("error", ERRORS), ("accuracy", ACCURACIES)):
        if own & known:
            return kind
    return ""


def choose(
    table: Table,
    x: str | None,
    y: str | Sequence[str] | None,
    by: Sequence[str] | None,
    split: str | None,
) -> Columns:
    """The columns of a table to use. Raises UserError with a command where they cannot be told."""
    names, guess_by, by = list(table.columns), by is None, tuple(by or ())
    if x is None and y is None:
        if {BENCHMARK["x"], BENCHMARK["y"], *BENCHMARK["by"]} <= set(names):
            held = BENCHMARK["split"] if BENCHMARK["split"] in names else None
            return Columns(BENCHMARK["x"], (BENCHMARK["y"],), by or BENCHMARK["by"], split or held)
        if {"run", "step", "flops"} <= set(names):
            own = next(iter(metrics.compared(names)), "val_error")
            by = by or ("run",)
            known(table, [own, *by, *([split] if split else [])])
            columns = f"--x 'flops' --y {own!r} --by {','.join(by)!r}"
            remark = Remark("guessed", table.source, values={"format": "runs of scalax", "columns": columns})
            return Columns("flops", (own,), by, split, None, (remark,))
        if {"x", "y"} <= set(names) and not any(y_kind(name) for name in names):
            x, y, split = "x", "y", split or ("fit" if "fit" in names else None)
    known(table, [*by, *([split] if split else [])])
    change = None
    if x is not None:
        x, change = _changed(table, x)
    aside = {*by, *table.by, *([split] if split else []), *([x] if x else [])}
    free = [name for name in names if name not in aside and is_numeric(table.columns[name])]
    free = [name for name in free if _filled(table.columns[name]) > 1] or free
    ys, remarks = _asked_y(table, y, free)
    guessed: dict[str, str] = {}
    if not ys:
        ys = (guessed.setdefault("y", _guess_y(table, free, x)),)
        _check_guess(table, {*free, *aside}, ys[0], _rank)
    if x is None:
        x, anew = _guess_x(table, [name for name in free if name not in ys], ys[0])
        guessed["x"] = x
        _check_guess(table, {*free, *aside}, x, _x_rank)
        remarks += anew
    if not by and table.by:
        by = table.by
    elif guess_by:
        by = _guess_by(table, {x, *ys, split})
        if by:
            guessed["by"] = ",".join(by)
    if guessed:
        order = [f"--{name} {guessed[name]!r}" for name in ("x", "y", "by") if name in guessed]
        values = {"format": table.format or "a table", "columns": " ".join(order)}
        remarks = [Remark("guessed", table.source, values=values), *remarks]
    return Columns(x, ys, by, split, change, tuple(remarks))


def known(table: Table, names: Sequence[str]) -> None:
    """Raises UserError where the table has no column of such a name."""
    for name in names:
        if name not in table.columns:
            raise UserError(
                f"{table.source}, row 1: no column {name!r}"
                f"{suggest(name, [c[:40] for c in list(table.columns)[:50]])}"
            )


def _changed(table: Table, x: str) -> tuple[str, tuple[str, float] | None]:
    """'epoch+1' -> ('epoch', ('+', 1.0)), where no column is so named."""
    found = re.fullmatch(r"(.*\S)\s*([-+*/])\s*(\d+\.?\d*(?:[eE][+-]?\d+)?)", x)
    if x not in table.columns and found and found[1] in table.columns:
        number = float(found[3])
        if number == 0 and found[2] in "*/":
            raise UserError(f"`x` {x!r}: every x would be 0 or without end")
        return found[1], (found[2], number)
    if x not in table.columns and "," in x and all(part in table.columns for part in x.split(",")):
        raise UserError(f"`x` {x!r}: a curve has one x; laws of several variables are those of `scalax fit`")
    known(table, [x])
    return x, None


def _asked_y(table: Table, y, free: list[str]) -> tuple[tuple[str, ...], list[Remark]]:
    """The columns of 'loss', 'a,b', '*' or 'val_*'; none where none is asked for."""
    if y is None:
        return (), []
    if isinstance(y, str):
        y = [y] if y in table.columns else [name.strip() for name in y.split(",") if name.strip()]
    chosen, remarks = [], []
    for name in y:
        if name in table.columns:
            chosen.append(name)
        elif re.search(r"[*?]", name):
            wanted = [c for c in free if fnmatch.fnmatchcase(c, name)]
            kept = [c for c in wanted if not x_kind(c) and plain(c) not in NO_METRIC]
            if not kept:
                raise UserError(
                    f"{table.source}: no column of numbers fits `y` {name!r}; it has {listed(free)}"
                )
            if left := [c for c in wanted if c not in kept and not x_kind(c)]:
                remarks.append(Remark("left_out_columns", table.source, values={"columns": listed(left)}))
            chosen += kept
        else:
            known(table, [name])
    return tuple(dict.fromkeys(chosen)), remarks


def _guess_y(table: Table, free: Sequence[str], x: str | None) -> str:
    """The column that is most of a loss; raises UserError where two are so alike."""
    ranked = sorted(free, key=_rank)
    best = [name for name in ranked if _rank(name) == _rank(ranked[0])] if ranked else []
    if best and _rank(best[0])[0] < UNNAMED:
        training = [name for name in ranked if _rank(name)[0] == 1]
        filled = {name: _filled(table.columns[name]) for name in {*best, *training}}
        if _rank(best[0])[0] == 0 and training:
            most = max(filled[name] for name in training)
            if max(filled[name] for name in best) < min(LEAST_HELD_OUT, most):
                best = [name for name in training if _rank(name) == _rank(training[0])]
        if len(best) == 1:
            return best[0]
    unnamed = [name for name in free if not x_kind(name) and plain(name) not in NO_METRIC]
    known_x = x is not None or any(x_kind(name) for name in free)
    if len(unnamed) == 1 and known_x:
        return unnamed[0]
    if list(table.columns) == ["1", "2"] and len(free) + (x is not None) == 2:
        return "2" if x != "2" else "1"
    raise _ask(table, free, x, None, best if len(best) > 1 else unnamed)


UNNAMED = 4


def _rank(name: str) -> tuple:
    """Validation loss, loss, error, accuracy, others; within these the plainer name first."""
    own, kind = words(name), y_kind(name)
    held = min((place for word, place in HELD_OUT.items() if word in own), default=9)
    if x_kind(name) or plain(name) in NO_METRIC or own & {"runtime", "time", "std", "min", "max"}:
        return (9,)
    if kind == "loss":
        whole = own - {"train", "training", "total", "lm", *HELD_OUT, *(a + b for a in own for b in own)}
        is_plain = whole <= {"loss"} or plain(name) in {"total_loss", "loss_total"}
        return (0 if held < 9 else 1, not is_plain, held, len(own) if is_plain else 0)
    if kind == "error":
        return (2, held == 9, held)
    if kind == "accuracy":
        return (3, held == 9, bool(own & {"top5", "acc5"}), held)
    return (3.5,) if name in {"y", "Value", "value"} else (UNNAMED,)


def _filled(cells: Sequence[Cell]) -> int:
    return sum(not is_missing(cell) for cell in cells)


def _guess_x(table: Table, free: Sequence[str], y: str) -> tuple[str, list[Remark]]:
    """The most telling x whose cells stand beside those of y and grow down the file, and a remark on it."""
    order = list(X_NAMES)
    named = sorted((name for name in free if x_kind(name)), key=lambda name: order.index(x_kind(name)))
    beside = [row for row, cell in enumerate(table.columns[y]) if not is_missing(cell)]
    drops: dict[str, int] = {}
    for name in named:
        cells = [table.columns[name][row] for row in beside]
        values = np.array([_rough(cell) for cell in cells], float)
        values = values[np.isfinite(values)]
        one = len(beside) == 1  # then the curve is too short, whatever its columns
        if len(values) > 0.5 * len(beside) and (len(np.unique(values)) > 1 or one):
            drops[name] = int((np.diff(values) < 0).sum())
    if drops:
        best = next(iter(drops))
        if x_kind(best) == "step" and drops[best] > 1:
            epoch = next((name for name in drops if x_kind(name) == "epoch"), None)
            if epoch and drops[epoch] == 0:
                return epoch, [Remark("counts_anew", table.source, values={"column": best, "x": epoch})]
        return best, []
    rest = [name for name in free if not y_kind(name) and not named]
    if len(rest) == 1:
        return rest[0], []
    if list(table.columns) == ["1", "2"]:
        return "1" if y == "2" else "2", []
    if not free and len(table.columns) == 1:
        raise UserError(f"{table.source}, row 1: one column, {y!r}, is no curve; add one of x")
    raise _ask(table, list(dict.fromkeys([*free, y])), None, y, [])


def _x_rank(name: str) -> int:
    return list(X_NAMES).index(x_kind(name)) if x_kind(name) else len(X_NAMES)


def _check_guess(table: Table, usable: Collection[str], chosen: str, rank: Callable[[str], Any]) -> None:
    """Raises UserError where a few cells keep a column from being one of numbers that would have been chosen.

    - table: of the columns.
    - usable: columns of numbers, and those that have another use.
    - chosen: the one that was guessed.
    - rank: of a column's name; the least is chosen.
    """
    for name in sorted((n for n in table.columns if n not in usable), key=rank):
        if rank(name) < rank(chosen) and (error := _not_of_numbers(table, name, 0.5)):
            raise error


def _rough(cell: Cell) -> float:
    for mark in ".,":
        try:
            return parse(str(cell), mark)[0]
        except ValueError:
            continue
    return np.nan


def _guess_by(table: Table, used: set[str | None]) -> tuple[str, ...]:
    """Columns of a run's name, and columns of words, that differ between rows and name curves of length."""
    chosen = []
    for name, cells in table.columns.items():
        if name in used or x_kind(name):
            continue
        own = {str(cell).strip() for cell in cells if not is_missing(cell)}
        is_run = plain(name) in RUNS
        if len(own) > 1 and len(own) <= len(cells) / 3 and (is_run or not is_numeric(cells)):
            if any(isinstance(cell, list | dict) for cell in cells[:50]):
                continue
            chosen.append(name)
    keys = {key for key in zip(*(map(str, table.columns[name]) for name in chosen), strict=True)}
    return tuple(chosen) if chosen and len(keys) <= len(table.lines) / 3 else ()


def _ask(table: Table, free: Sequence[str], x: str | None, y: str | None, alike: Sequence[str]) -> UserError:
    """An error with a command that is ready to use."""
    if len(table.lines) < 2:
        return UserError(f"{table.source}: it has one row, and a curve needs more; add rows")
    if spoilt := _spoilt(table, free, x):
        return spoilt
    if not free:
        return UserError(
            f"{table.source}, row 1: no column of numbers; the file has {listed(list(table.columns))}"
        )
    ranked_x = sorted(free, key=_x_rank)
    own_x = x or next((name for name in ranked_x if name != y), ranked_x[0])
    own_y = y or next((name for name in [*alike, *free] if name != own_x), free[0])
    if len(free) + (x is not None) < 2:
        return UserError(
            f"{table.source}, row 1: one column of numbers, {free[0]!r}, is no curve; add one of x"
        )
    what = "which of them is y" if x or (not y and x_kind(own_x)) else "which columns to use"
    return UserError(
        f"{table.source}, row 1: say {what}, e.g. `x`={own_x!r} `y`={own_y!r}; the file has"
        f" {listed(list(table.columns))}"
    )


def _spoilt(table: Table, free: Sequence[str], x: str | None) -> UserError | None:
    """The error of a column that a few cells keep from being one of numbers, where it is missed.

    - table: of the columns.
    - free: those of numbers.
    - x: the one that the user named.
    """
    few = len(free) + (x is not None) < 2
    lacks_x = x is None and not any(map(x_kind, free))
    if not few and not lacks_x:
        return None
    for name in sorted(set(table.columns) - {*free, x}, key=lambda name: (not x_kind(name), name)):
        named = (lacks_x and x_kind(name)) or (few and y_kind(name))
        if error := _not_of_numbers(table, name, 1 if named else 0.5):
            return error
    return None


def _not_of_numbers(table: Table, name: str, most: float) -> UserError | None:
    """The error of a column of which some cells are no numbers, a share of `most` of them at most."""
    cells = table.columns[name]
    filled = [row for row, cell in enumerate(cells) if not is_missing(cell)]
    bad = [row for row in filled if not is_numeric([cells[row]])]
    if not bad or len(bad) > most * len(filled):
        return None
    return UserError(
        f"{table.source}, row {table.lines[bad[0]]}, column {name!r}: {str(cells[bad[0]])[:30]!r} is"
        " not a number, so the column was not taken for one of numbers; correct it, or name other"
        " columns by `x` and `y`"
    )
