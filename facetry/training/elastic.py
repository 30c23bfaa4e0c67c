"""torchrun, with its arguments, but for its long report when a worker fails: the worker itself has said why."""

import logging
import signal
import sys
from collections.abc import Sequence

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(arguments: Sequence[str]) -> int:
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        run.main(arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            hint = ": this machine may be out of memory" if name == "SIGKILL" else ""
            print(f"the training process of rank {rank} was ended by {name}{hint}", file=sys.stderr, flush=True)
        return 1
    except SignalException as error:  # torchrun has ended the workers
        return 128 + error.sigval
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
