"""The program `r2k`, also `python -m r2k_pipeline`. Belongs here: what must be set before anything is imported."""

import atexit
import gc
import os
import sys


def use_one_polars_thread() -> None:
    """Let Polars work in one thread, unless the user set another number. Polars reads it when it is imported.

    Frames of a few markets are small: on two cores a run took 5 to 30 % more CPU with two threads, a tenth more memory,
    and no less time. Kernels and DuckDB have threads of their own.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")


def return_memory() -> None:
    """Let Polars's allocator give freed memory back to the system: by default it keeps all that it ever had.

    With 69 markets a run then had 300 MB more at its peak. What is set for a user's own reasons stays.
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:500,muzzy_decay_ms:0")


def collect_less_garbage() -> None:
    """Look for garbage less often: it took 5 % of a run and of a start, mostly scanning objects that imports made."""
    gc.set_threshold(100_000, 50, 1_000)


def end_with(code: list[int]) -> None:
    """End this process with the exit code in the list, if there is one; else Python ends it.

    To free each object first, as Python does, took a run a second; the system frees all memory at once.
    """
    if not code:
        return
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(code[0])


def main() -> None:
    """Run the command line; afterwards threads are waited for and handlers of libraries run, as at any exit."""
    use_one_polars_thread()
    return_memory()
    collect_less_garbage()
    code: list[int] = []
    atexit.register(end_with, code)  # handlers run in reverse order: what is registered first ends the process
    from r2k_pipeline.cli import main as command_line  # noqa: PLC0415

    try:
        command_line()
    except SystemExit as ended:
        code += [ended.code] if isinstance(ended.code, int) else []
        raise


if __name__ == "__main__":
    main()
