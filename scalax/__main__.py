"""`scalax COMMAND` as a process of its own; `python -m scalax` is the same."""

import sys

from scalax import signals


def main() -> None:
    """Run the command line of the process, and end it."""
    signals.listen("scalax")  # what follows may take seconds, in which the process may be asked to end
    from scalax import cli

    code = cli.main()
    if "scalax.launch" in sys.modules:
        sys.modules["scalax.launch"].leave(code)  # a library's thread may hang after training
    sys.exit(code)


if __name__ == "__main__":
    main()
