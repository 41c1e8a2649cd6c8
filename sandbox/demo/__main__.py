"""``python -m sandbox.demo``: runs the demo; exit status 0 when every comparison was equal."""

from __future__ import annotations

import signal
import sys
from types import FrameType


class Interrupted(BaseException):
    """Ctrl-C, or a signal that asks us to end."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    for known in _SIGNALS:
        signal.signal(known, signal.SIG_IGN)  # from here on we only clean up
    raise Interrupted(number)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Parses the arguments, makes the folder, and removes it whatever happens."""
    for known in _SIGNALS:
        signal.signal(known, _interrupt)
    try:
        from sandbox.demo import command  # a second of imports, in which Ctrl-C should look no different

        return command.main()
    except Interrupted as interrupted:
        sys.stderr.write("\ninterrupted: everything that the demo had started is stopped and removed\n")
        return 128 + int(interrupted.args[0])


if __name__ == "__main__":
    sys.exit(main())
