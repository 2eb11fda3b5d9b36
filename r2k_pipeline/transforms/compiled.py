"""How loops are compiled. Importing this costs numba's import (0.2 s): frames' modules import their kernels late."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

NO_ENTRY: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Compile without an entry for Python, which saves time. Only kernels may call such a function: Python would crash."""


def exact_kernel(function: Function) -> Function:
    """Compile without the GIL, arithmetic as written (IEEE); keep the machine code on disk if it can be written."""
    return _kept_on_disk(function)


def inner_kernel(function: Function) -> Function:
    """For functions that only kernels call: inlined, arithmetic as written; may take arrays, must not create any.

    So arrays need no reference counting, whose two atomic operations for each array and call cost more than the work of
    a short function.
    """
    options = {"forceinline": True, "_nrt": False} | NO_ENTRY
    return cast(Function, njit(error_model="numpy", **options)(function))


def helper_kernel(function: Function) -> Function:
    """For functions that only kernels call and that are too long to inline; they may create arrays."""
    return cast(Function, njit(error_model="numpy", **NO_ENTRY)(function))


def part_kernel(function: Function) -> Function:
    """For a loop body that one kernel calls in one place: inlined there, so compiled only once."""
    return cast(Function, njit(error_model="numpy", inline="always")(function))


def summing_kernel(function: Function) -> Function:
    """As exact_kernel, for sums and maxima that do not depend on their order: those vectorise."""
    return _kept_on_disk(function, fastmath={"nnan", "nsz", "reassoc"})


def _kept_on_disk(function: Function, **options: Any) -> Function:
    compiled = partial(njit, nogil=True, error_model="numpy", **options)
    try:
        return cast(Function, compiled(cache=True)(function))
    except RuntimeError:  # numba found no folder to which it may write
        return cast(Function, compiled()(function))
