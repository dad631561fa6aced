"""Learning curves from the files that people have, and from data in memory.

A file is found (`files`), its format told (`formats`) and read into a `Table` by the reader of that format;
columns are chosen (`columns`), cells made numbers (`numbers`), runs told apart (`runs`), the direction of y
found (`directions`), and curves made of it all (`read`).
"""

from scalax.laws.readers.read import Curves, as_curves, example_curves, read_curves
from scalax.records.remark import Remark

__all__ = ["Curves", "Remark", "as_curves", "example_curves", "read_curves"]
