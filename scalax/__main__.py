"""`scalax COMMAND` as a process of its own; `python -m scalax` is the same."""

import os
import sys

from scalax import process


def main() -> None:
    """Run the command line of the process, and end it."""
    process.begin("scalax")  # what follows may take seconds, in which the process may be asked to end
    from scalax import cli

    code = cli.main()
    if "scalax.launch" in sys.modules:
        sys.modules["scalax.launch"].leave(code)  # a library's thread may hang after training
    os._exit(code)  # all is written; as Python takes itself down, a signal has no handler any more


if __name__ == "__main__":
    main()
