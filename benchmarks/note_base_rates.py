"""In what share of weeks each rule of the note is true, and is said: all markets at the close after each TFF release.

Prints the table of docs/note.md; exits 1 where something but "nothing unusual" leads in half of all weeks or more.
Belongs here: counting. Not here: whether what is said is right (tests/pipeline/test_note_truth.py).
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from r2k_pipeline.lake import Lake  # noqa: E402
from r2k_pipeline.report.note.compose import Note, read_notes  # noqa: E402
from r2k_pipeline.report.note.rules import Rule, read_rules  # noqa: E402
from r2k_pipeline.snapshot import open_snapshot  # noqa: E402

CLOSES: Final = """
with closes as (select distinct known_at from marts.positioning_vs_technicals)
select distinct (select min(known_at) from closes where known_at >= released_at) as close
from marts.weekly_positioning
where report_type = 'tff_futures'
order by close
"""


def closes_of(lake: Lake) -> list[datetime]:
    """The first close at or after each release."""
    with open_snapshot(lake) as snapshot:
        return [close for (close,) in snapshot.ask(CLOSES).fetchall() if close]


def notes_of(lake: Lake, every: int) -> Iterator[Note]:
    """The notes on all markets at those closes, or at each of `every` of them."""
    for close in closes_of(lake)[::every]:
        with open_snapshot(lake, close) as snapshot:
            yield from read_notes(snapshot).values()


def rule_line(rule: Rule, weeks: int, true: int, said: int) -> str:
    """One row of the table."""
    return f"| `{rule.name}` | {rule.section} | {rule.keep} | {100 * true / weeks:.0f} % | {100 * said / weeks:.0f} % |"


def main() -> None:
    """Read every note, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True, help="folder of lakes with a published one of --source")
    parser.add_argument("--source", default="files")
    parser.add_argument("--every", type=int, default=1, help="only each so many weeks")
    asked = parser.parse_args()
    true: Counter[str] = Counter()
    said: Counter[str] = Counter()
    sizes: list[tuple[int, int]] = []
    for note in notes_of(Lake.of(asked.lake, asked.source), asked.every):
        said.update(sentence.rule for sentence in note.sentences)
        true.update(sentence.rule for sentence in (*note.sentences, *note.dropped))
        sizes.append((note.words, note.numbers))
    weeks = len(sizes)
    print(f"{weeks} notes; at most {max(w for w, _ in sizes)} words and {max(n for _, n in sizes)} numbers\n")
    print("| rule | section | kept | true | said |\n|---|---|---|---|---|")
    for rule in read_rules().rules:
        print(rule_line(rule, weeks, true[rule.name], said[rule.name]))
    leads = sum(count for rule, count in said.items() if rule.startswith("lead_") and rule not in QUIET)
    print(f"\nsomething unusual leads: {100 * leads / weeks:.0f} %")
    sys.exit("something leads in half of all weeks" if leads * 2 >= weeks else None)


QUIET: Final = ("lead_nothing", "lead_no_level", "lead_no_week")
"""Rules that lead where nothing is unusual."""

if __name__ == "__main__":
    main()
