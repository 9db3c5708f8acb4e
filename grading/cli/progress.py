"""Progress of long steps: a bar with counts and time left on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from grading.course.safe_text import printed

LONGEST = 500  # characters in a line of progress
console = Console(highlight=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Steps per minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{60 * task.speed:.0f}/min" if task.speed else "")


@contextmanager
def steps(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show progress through `total` steps. Call the yielded function with a short text after each step."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[last]}", markup=False), console=console) as progress:
            task = progress.add_task(title, total=total, last="")
            yield lambda words: progress.update(task, advance=1, last=printed(words, LONGEST))
        return
    started, done = time.monotonic(), 0

    def advance(words: str) -> None:
        nonlocal done
        done += 1
        each = (time.monotonic() - started) / done
        rest = f", about {each * (total - done):.0f} s left" if done < total else ""
        console.print(
            f"{title} {done}/{total} ({60 / max(each, 1e-9):.0f} a minute): {printed(words, LONGEST)}{rest}",
            markup=False,
        )

    yield advance
