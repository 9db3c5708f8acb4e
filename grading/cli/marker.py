"""Manual grading in a terminal: what it shows, and what a grader can type."""

import os
import re
import sys
from dataclasses import dataclass, field

import click
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from grading.course import class_list, rubrics
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.rubrics import Item
from grading.course.safe_text import printed
from grading.gradebook import marking
from grading.gradebook.marking import Answer, Place, Question

HELP = """Type one line, then press Enter:
  1 3             the items with these numbers apply; 0 if none does
  1 3 # A remark  also a remark in your own words; # alone removes an earlier remark
  = 1.5           points of your own instead of the sum; also after items: 1 3 = 1.5
  Enter           keeps the points that the answer has
  s  skip    b  back to the previous answer    q  quit (saved points stay)    ?  this help"""
LINE = re.compile(r"(?P<items>[\d ,]*)(?:=\s*(?P<points>\d+(?:[.,]\d*)?|[.,]\d+)\s*)?(?:#(?P<remark>.*))?")
LONGEST = 20_000  # characters of an answer that are shown
SKIP, BACK, QUIT, SAVED, CHANGED = "skip", "back", "quit", "saved", "changed"


@dataclass(frozen=True)
class Line:
    """A line that a grader typed; None for each part that is missing.

    Attributes:
        items: the numbers of items, from 1; empty if none applies.
    """

    items: tuple[int, ...] | None
    points: float | None
    remark: str | None


def parse(text: str, count: int) -> Line:
    """Read a line that a grader typed.

    Args:
        count: how many items there are.

    Raises:
        ValueError: the line has another form, or names an item that does not exist.
    """
    match = LINE.fullmatch(text.strip())
    if match is None:
        raise ValueError("cannot understand this; type ? for help")
    numbers = [int(word) for word in re.findall(r"\d+", match["items"])]
    wrong = [number for number in numbers if number > count]
    if wrong:
        raise ValueError(f"there is no item {wrong[0]}; put spaces between numbers")
    return Line(
        tuple(sorted({number for number in numbers if number})) if numbers else None,
        float(match["points"].replace(",", ".")) if match["points"] else None,
        None if match["remark"] is None else match["remark"].strip(),
    )


def decided(text: str, answer: Answer, choices: list[Item]) -> tuple[float, str]:
    """The points and the comment of an answer after a line: what the line does not mention stays as it is.

    Raises:
        ValueError: `parse` rejects the line, or neither the line nor the answer has points.
    """
    line = parse(text, len(choices))
    before = answer.given
    chosen, remark = rubrics.parts(before.comment, choices)
    if line.items is not None:
        chosen = [choices[number - 1] for number in line.items]
    if line.points is not None:
        points = line.points
    elif line.items is not None:
        points = rubrics.points(chosen, answer.full)
    elif before.points is not None:
        points = before.points
    else:
        raise ValueError("say which items apply (0 for none), or = and the points")
    return points, rubrics.comment(chosen, remark if line.remark is None else line.remark)


@dataclass
class Session:
    """One grader at a terminal.

    Attributes:
        items: the rubric of each question.
        again: graded answers are shown, too.
        saved: the answers that this grader has graded.
    """

    course: Course
    items: dict[Question, list[Item]]
    anonymous: bool
    again: bool
    saved: set[Place] = field(default_factory=set)

    def __post_init__(self) -> None:
        width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 100))
        self.console = Console(width=width, highlight=False)
        self.names = class_list.read(self.course)

    def go_through(self, todo: list[Place]) -> None:
        """Show one answer after the other, until the last one or until the grader quits."""
        todo, first, number = list(todo), len(todo), 0
        busy = 0
        before: list[int] = []  # the answers that this grader has seen
        shown: Question | None = None
        return_to = False  # show this answer even if it is graded
        while number < len(todo):
            place = todo[number]
            with marking.claimed(self.course, place) as mine:
                answer = marking.read(self.course, place) if mine else None
                if answer is None or not (any(one.waiting for one in answer.of_all) or self.again or return_to):
                    if not mine and number < first:
                        todo.append(place)  # once more at the end
                    busy += not mine and number >= first
                    number, return_to = number + 1, False
                    continue
                if place.question != shown:
                    shown = place.question
                    self._ask_question(shown)
                self._show(answer, f"answer {todo.index(place) + 1} of {first}")
                step = self._grade(answer)
            if step == QUIT:
                break
            return_to = step in (BACK, CHANGED)
            if step == BACK:
                if not before:
                    self.console.print("This is the first answer that you have seen.")
                number = before.pop() if before else number
            elif step in (SAVED, SKIP):
                before.append(number)
                number += 1
        self._sum_up(busy)

    def _ask_question(self, question: Question) -> None:
        self.console.print()
        self.console.print(Panel(_plain(question.text), title=f"question {question.name}", title_align="left"))
        if question.model:
            self.console.print(Panel(_plain(question.model), title="model answer", title_align="left"))

    def _show(self, answer: Answer, where: str) -> None:
        question = answer.place.question
        everybody = [one.place.student for one in answer.of_all]
        who = f", {' and '.join(map(self._called, everybody))}"
        if self.anonymous:
            who = f", a group of {len(everybody)}" if answer.others else ""
        self.console.print()
        title = Text(f"{question.assignment}, {question.name}: {where}{who}")
        text = _plain(answer.text) if answer.text.strip() else Text("(empty)", style="italic")
        self.console.print(Panel(text, title=title, title_align="left"))
        if self.items[question]:
            table = Table.grid(padding=(0, 1))
            for number, item in enumerate(self.items[question], start=1):
                table.add_row(Text(f"  {number}"), Text(f"{item.points:+g}" if item.points else ""), Text(item.text))
            self.console.print(table)
        shown = set()
        for one in answer.of_all:
            if one.points is not None and (one.points, one.comment, one.waiting) not in shown:
                shown.add((one.points, one.comment, one.waiting))
                changed = " for an answer that has changed since" if one.waiting else ""
                self._say(f"Given{changed}: {one.points:g} of {one.full:g} points", one.comment)

    def _grade(self, answer: Answer) -> str:
        """Ask until the grader has decided."""
        choices = self.items[answer.place.question]
        numbers = f"1-{len(choices)}, " if choices else ""
        while True:
            try:
                text = click.prompt(
                    f"{answer.full:g} points: {numbers}= points, # remark, s skip, b back, q quit, ? help",
                    default="",
                    show_default=False,
                ).strip()
            except click.Abort:
                self.console.print()
                return QUIT
            if text in ("s", "b", "q"):
                return {"s": SKIP, "b": BACK, "q": QUIT}[text]
            if text == "?":
                self._ask_question(answer.place.question)
                self.console.print(Text(HELP))
                continue
            try:
                points, comment = decided(text, answer, choices)
                if not self._may_replace(answer, points, comment):
                    continue
                marking.save(self.course, answer, points, comment)
            except marking.ChangedError as error:
                self.console.print(f"  {error} This is its current state:")
                return CHANGED
            except (ValueError, CourseError) as error:
                self.console.print(Text(f"  {error}"))
                continue
            self.saved.add(answer.place)
            self._say(f"Saved: {points:g} of {answer.full:g} points", comment)
            return SAVED

    def _may_replace(self, answer: Answer, points: float, comment: str) -> bool:
        """Ask before replacing points or a comment that this grader has not given in this session."""
        given = {(one.points, one.comment) for one in answer.of_all if one.points is not None}
        if answer.place in self.saved or not given - {(points, comment)}:
            return True
        other = sorted({former for former, _ in given if former is not None} - {points})
        if other:
            question = f"  Replace the {' and '.join(f'{former:g}' for former in other)} points by {points:g}?"
        else:
            question = "  Replace the comment?"
        try:
            return click.confirm(question)
        except click.Abort:
            self.console.print()
            return False

    def _say(self, what: str, comment: str) -> None:
        self.console.print(Text(f"  {what}" + (":" if comment else "")))
        if comment:
            self.console.print(Padding(_plain(rubrics.plain(comment)), (0, 0, 0, 4)))

    def _sum_up(self, busy: int) -> None:
        left = sum(len(marking.places(self.course, question)) for question in self.items)
        self.console.print(f"\n{len(self.saved)} graded. {left} wait for a person.")
        if busy:
            self.console.print(f"{busy} of them are open in another terminal.")
        if self.saved and not left:
            self.console.print("Next: make feedback")

    def _called(self, student: str) -> str:
        name = self.names[student].name if student in self.names else ""
        return printed(f"{student} ({name})" if name else student)


def _plain(text: str) -> Text:
    """A student's text without control characters that a terminal would interpret."""
    more = f"\n... and {len(text) - LONGEST} more characters, see formgrader" if len(text) > LONGEST else ""
    return Text("\n".join(printed(line, LONGEST) for line in text[:LONGEST].splitlines()) + more)
