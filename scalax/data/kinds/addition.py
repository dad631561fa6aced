"""Problems of addition, a token a digit: two numbers of as many digits, and their sum from its last digit on.

`data.name` is the number of digits. The sum has one more, with zeros in front, and its last digit first, as
a sum is worked out by hand; there are no signs between the numbers. The problems are drawn once and for all:
the same on every machine. No problem of the split `train` is one of `test`, with its numbers swapped or not.
"""

import numpy as np

from scalax.config import DataConfig
from scalax.data.kind import Kind
from scalax.data.source import Source
from scalax.errors import UserError

BASE = 10  # tokens of the vocabulary
MOST_DIGITS = 8
MOST_PROBLEMS = 2**16  # of both splits
MOST_TEST, TEST_SHARE = 4096, 0.25
SPLITS = ("train", "test")
SEED = 0


def open_addition(config: DataConfig, split: str) -> Source:
    """{'prompt': int32 [2 digits], 'answer': int32 [digits + 1]}, in an order drawn once."""
    count = int(config.name)
    first, second = np.divmod(_problems(count)[split], BASE**count)
    prompts = np.concatenate([digits_of(first, count)[:, ::-1], digits_of(second, count)[:, ::-1]], 1)
    answers = digits_of(first + second, count + 1)

    def read_record(row: int) -> dict[str, np.ndarray]:
        return {"prompt": prompts[row], "answer": answers[row]}

    rows = np.arange(len(answers))
    return Source(f"{count}-digit addition {split}", range(len(answers)), rows, read_record, BASE)


def digits_of(numbers: np.ndarray, count: int) -> np.ndarray:
    """The last `count` digits of numbers [n], from the last on: int32 [n, count]."""
    return (numbers[:, None] // BASE ** np.arange(count) % BASE).astype(np.int32)


def _problems(digits: int) -> dict[str, np.ndarray]:
    """Both numbers of each problem as one of twice the digits, int64 [n], by split."""
    side = BASE**digits
    rng = np.random.default_rng([SEED, digits])
    drawn = rng.choice(side**2, min(side**2, MOST_PROBLEMS), replace=False)
    tests = min(MOST_TEST, round(TEST_SHARE * len(drawn)))
    test, rest = drawn[:tests], drawn[tests:]
    swapped = test % side * side + test // side
    return {"test": test, "train": rest[~np.isin(rest, swapped)]}


def check_digits(config: DataConfig) -> None:
    if config.name not in map(str, range(1, MOST_DIGITS + 1)):
        raise UserError(
            f"data.name {config.name!r}: of data.source 'addition' it is the number of digits; give one of 1"
            f" to {MOST_DIGITS}"
        )
    for name in ("train_split", "validation_split"):
        if (split := getattr(config, name)) not in SPLITS:
            raise UserError(f"data.{name} {split!r}: addition has the splits {', '.join(SPLITS)}")


KIND = Kind("addition", open_addition, check_digits, reads=("name",))
