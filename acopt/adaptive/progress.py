"""How far a long run is: the one door to rich's progress bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from acopt.errors import DataError, MissingExtraError
from acopt.market.labels import short


@contextmanager
def progress_bar(what: str, total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """
    Show a bar on the error stream while a run lasts; yield what moves it on by so many steps.

    Parameters
    ----------
    what : the run, as the bar calls it.
    total : number of steps.
    shown : whether there is a bar at all.

    Raises
    ------
    DataError
        `shown` is neither True nor False.
    MissingExtraError
        A bar is wanted, and rich is not installed.
    """
    if not isinstance(shown, bool):
        raise DataError(f"progress={short(shown)}: True or False is expected")
    if not shown:
        yield lambda steps: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError as error:
        raise MissingExtraError("progress=True: install rich: pip install 'acopt[cli]'") from error
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)
