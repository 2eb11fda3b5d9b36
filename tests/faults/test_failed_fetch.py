"""A vendor does not answer for a symbol on one day and does on the next: nobody has to accept anything."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.protocol import PriceAnswer, SourceError
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.refresh import build, fetch
from tests.lived.told import copy_of_raw, differences, published_tables
from tests.lived.vendor import Desk, Truth, Vendor

DAYS = ("2024-05-29", "2024-05-30", "2024-05-31")


@dataclass(frozen=True)
class Silent(Desk):
    """A desk that has no answer for some symbols on the second of DAYS."""

    symbols: Collection[str] = ()

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        if symbol in self.symbols and self.clock() == new_york(DAYS[1]):
            raise SourceError("live", symbol, "no answer", "run again")
        return super().fetch_prices(symbol)


def test_a_symbol_that_failed_for_a_day_is_published_with_the_next_one(tmp_path: Path) -> None:
    markets, clock = markets_of("RUT", "NDX", "SPX"), Clock(new_york(DAYS[0]))
    vendor = Vendor(Truth.of_sample(markets, date(2022, 1, 3), date(2024, 6, 3)), ())
    desk = Silent(vendor, clock, symbols=("^NDX",))
    life = Life(Settings(source="live", lake=tmp_path / "life"), markets, clock, desk=(desk, desk))
    failed = []
    for day in DAYS:
        clock.moment = new_york(day)
        failed.append(fetch(life.run()))
        assert build(life.run()) == []
    assert [bool(messages) for messages in failed] == [False, True, False]
    rebuilt = copy_of_raw(life.lake, tmp_path / "rebuilt")
    assert build(life.run(rebuilt)) == []
    assert not differences(published_tables(life.lake), published_tables(rebuilt))
