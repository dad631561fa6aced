"""What was read of files, in one line."""

from scalax.data.source import Source
from scalax.names import printable

SHOWN = 4  # of what was left out


def said(train: Source, validation: Source) -> str:
    """'read 1,513 images of 6 classes; left out 4: a.txt (no image by its suffix), ...'; empty for data that
    are no list of files."""
    if train.left_out is None:
        return ""
    one_list = train.records is validation.records  # of which a part is held out
    sources = [train] if one_list else [train, validation]
    count, classes = len(train) + len(validation), train.outputs
    left_out = [each for source in sources for each in source.left_out or ()]
    line = f"read {count:,} images of {classes:,} classes"
    if left_out:
        shown = [printable(f"{path[:80]} ({reason})") for path, reason in left_out[:SHOWN]]
        more = [f"and {len(left_out) - SHOWN:,} more"] if len(left_out) > SHOWN else []
        line += f"; left out {len(left_out):,}: {', '.join([*shown, *more])}"
    return line
