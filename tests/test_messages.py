"""The page of messages has every message that the library can raise on purpose, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "messages.md"
ENTRY = re.compile(r"^- (`+) ?(?P<message>.+?) ?\1 — (?P<cause>.+?) → (?P<cure>.+)$")
GAP = "…"
SHORTEST = 5  # letters of fixed text; what is shorter only passes on a message made elsewhere

MAKERS = {"DoesNotReduce": 0, "refusal": 0, "refuse": 1, "_demand": -1, "_each": -1}
"""What carries a message to where it is raised, and which of its arguments that is."""

WRITERS = ("_explain", "_mixed")
"""Functions that return a message."""


def errors() -> set[str]:
    """Names of the error classes."""
    tree = ast.parse((ROOT / "acopt" / "errors.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def modules() -> dict[str, ast.Module]:
    """Every module of the library, by its path."""
    paths = sorted(ROOT.glob("acopt/**/*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def constants(trees: dict[str, ast.Module]) -> dict[str, str]:
    """Texts that modules hold under a name."""
    held = {}
    for tree in trees.values():
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                    held[name] = text
    return held


def wording(node: ast.expr, held: dict[str, str]) -> str:
    """The text of a message, with a gap where something is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name) if name in held:
            return held[name]
        case ast.JoinedStr(values=parts):
            return "".join(wording(part, held) for part in parts)
        case ast.FormattedValue(value=ast.Name() as value, conversion=-1, format_spec=None):
            return wording(value, held)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return wording(left, held) + wording(right, held)
        case ast.Call(func=ast.Name(id="one_line"), args=[inner]):
            return wording(inner, held)
    return GAP


def made(tree: ast.Module, names: set[str]) -> Iterator[ast.expr]:
    """Expressions that are messages."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[message, *_]) if name in names:
                yield message
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[_, *_] as given) if name in MAKERS:
                yield given[MAKERS[name]]
            case ast.FunctionDef(name=name) if name in WRITERS:
                yield from (part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value)


def raised() -> dict[str, str]:
    """Messages by their wording, with the place where each is made."""
    names, trees, found = errors(), modules(), {}
    held = constants(trees)
    for path, tree in trees.items():
        for message in made(tree, names):
            texts = [wording(message, held)]
            if len(re.sub(r"\W", "", texts[0])) < SHORTEST:
                either = [part for part in ast.walk(message) if isinstance(part, ast.IfExp)]
                texts = [wording(text, held) for part in either for text in (part.body, part.orelse)]
            for text in texts:
                shown = re.sub(rf"{GAP}+", GAP, text)
                if len(re.sub(r"\W", "", shown)) >= SHORTEST:
                    found[shown] = f"{path}:{message.lineno}"
    return found


def documented() -> list[re.Match[str]]:
    """Entries of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    entries = [(line, ENTRY.match(line)) for line in lines if line.startswith("- `")]
    wrong = [line for line, match in entries if match is None]
    assert not wrong, f"not of the form '- `message` — cause → cure': {wrong[:3]}"
    return [match for _, match in entries if match is not None]


def test_every_message_is_on_the_page():
    known = {entry["message"] for entry in documented()}
    missing = [f"- `{text}` — ? → ?   ({place})" for text, place in raised().items() if text not in known]
    assert not missing, "\n".join(["add to docs/messages.md:", *missing])


def test_no_message_on_the_page_is_gone():
    possible = raised()
    stale = [entry["message"] for entry in documented() if entry["message"] not in possible]
    assert not stale, "\n".join(["no longer raised:", *stale])


def test_notes_are_still_said():
    """What a bullet of the last section begins with, is a text of the library."""
    texts = {wording(node, {}) for tree in modules().values() for node in ast.walk(tree) if isinstance(node, ast.expr)}
    said = "\n".join(texts)
    notes = re.findall(r"^\* `([^`]+)`", PAGE.read_text(encoding="utf-8"), re.M)
    parts = [part for note in notes for part in note.split(GAP) if len(part) >= SHORTEST]
    assert len(notes) > 20
    assert [part for part in parts if part not in said] == []


def test_every_message_is_there_once():
    messages = [entry["message"] for entry in documented()]
    assert sorted(messages) == sorted(set(messages))


def test_every_entry_says_what_to_do():
    for entry in documented():
        assert len(entry["cause"]) > 10, entry["message"]
        assert len(entry["cure"]) > 10, entry["message"]


def test_messages_are_found_where_they_are_made():
    found = raised()
    assert len(found) > 250
    assert any("caps sum to" in text for text in found)
