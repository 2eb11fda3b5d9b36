"""How loops are compiled. Importing this costs numba's import (0.2 s): frames' modules import their kernels late."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

NO_ENTRY: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""For what only kernels call: it costs no time to make an entry for Python, from where a call would crash."""


def exact_kernel(function: Function) -> Function:
    """Compile without the GIL, arithmetic as written (IEEE); keep the machine code on disk if it can be written."""
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no folder that it may write
        return cast(Function, njit(nogil=True, error_model="numpy")(function))


def inner_kernel(function: Function) -> Function:
    """For what only kernels call: compiled into them, arithmetic as written; it may take arrays, but makes none.

    So references to arrays need no counting, two atomic steps for each of them at every call, which cost more than the
    work of short functions.
    """
    options = {"forceinline": True, "_nrt": False} | NO_ENTRY
    return cast(Function, njit(error_model="numpy", **options)(function))


def helper_kernel(function: Function) -> Function:
    """For what only kernels call, too long to be written into each of them; it may make arrays."""
    return cast(Function, njit(error_model="numpy", **NO_ENTRY)(function))


def part_kernel(function: Function) -> Function:
    """For a loop body that one kernel calls in one place: compiled as if written there, so not a second time."""
    return cast(Function, njit(error_model="numpy", inline="always")(function))


def summing_kernel(function: Function) -> Function:
    """As exact_kernel, for sums and maxima that do not depend on their order: those vectorise."""
    loose = {"nnan", "nsz", "reassoc"}
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy", fastmath=loose)(function))
    except RuntimeError:
        return cast(Function, njit(nogil=True, error_model="numpy", fastmath=loose)(function))
