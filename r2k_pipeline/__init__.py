"""r2k: point-in-time positioning against technicals of US equity indices.

>>> import r2k_pipeline as r2k
>>> data = r2k.open("sample", as_of="2025-03-14T20:00Z")
>>> closes = data.sql("select market, close from latest()")
>>> momentum = r2k.daily_indicators(data.prices("RUT"))["rsi_14"]
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from r2k_pipeline.api import Data as Data
    from r2k_pipeline.api import open_data as open
    from r2k_pipeline.api import run as run
    from r2k_pipeline.errors import R2kError as R2kError
    from r2k_pipeline.transforms.anchored_vwaps import build_anchored_vwaps as anchored_vwaps
    from r2k_pipeline.transforms.consolidations import build_consolidations as consolidations
    from r2k_pipeline.transforms.crosses import build_moving_average_crosses as moving_average_crosses
    from r2k_pipeline.transforms.indicators import build_daily_indicators as daily_indicators
    from r2k_pipeline.transforms.pivots import build_swing_pivots as swing_pivots
    from r2k_pipeline.transforms.volume_profiles import build_volume_profiles as volume_profiles
    from r2k_pipeline.transforms.weekly_indicators import build_weekly_indicators as weekly_indicators
else:  # a type checker would take any name for one that this gives

    def __getattr__(name: str) -> Any:
        if name not in _EXPORTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _EXPORTS[name].split(":")
        globals()[name] = found = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return found


# Where each name comes from; it is imported when it is first used, so that the package itself costs nothing.
_EXPORTS: Final = {
    "Data": "api:Data",
    "R2kError": "errors:R2kError",
    "anchored_vwaps": "transforms.anchored_vwaps:build_anchored_vwaps",
    "consolidations": "transforms.consolidations:build_consolidations",
    "daily_indicators": "transforms.indicators:build_daily_indicators",
    "moving_average_crosses": "transforms.crosses:build_moving_average_crosses",
    "open": "api:open_data",
    "run": "api:run",
    "swing_pivots": "transforms.pivots:build_swing_pivots",
    "volume_profiles": "transforms.volume_profiles:build_volume_profiles",
    "weekly_indicators": "transforms.weekly_indicators:build_weekly_indicators",
}
__all__ = [
    "Data",
    "R2kError",
    "anchored_vwaps",
    "consolidations",
    "daily_indicators",
    "moving_average_crosses",
    "open",
    "run",
    "swing_pivots",
    "volume_profiles",
    "weekly_indicators",
]


def __dir__() -> list[str]:
    return sorted(__all__)
