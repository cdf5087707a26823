"""Files written whole or not at all, and the one door to optional libraries."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from acopt.errors import DataError, MissingExtraError
from acopt.market.labels import short

__all__ = ["require", "write_bytes", "write_files", "write_text"]


def write_text(path: str | PathLike[str], text: str) -> Path:
    """
    Write a text file in UTF-8, whole or not at all; return its path.

    Parameters
    ----------
    path : the file; one that exists is replaced.
    text : its new content.

    Raises
    ------
    DataError
        The file cannot be written; names it. What was there before is untouched.
    """
    return write_bytes(path, text.encode())


def _checked(path: Any) -> Path:
    """Return a path that a file system takes, or raise."""
    if not isinstance(path, str | PathLike) or "\0" in str(path) or not str(path):
        raise DataError(f"{short(path)} was given, the path of a file is expected")
    return Path(path)


def write_bytes(path: str | PathLike[str], content: bytes) -> Path:
    """Write a binary file, whole or not at all; see `write_text`."""
    (written,) = write_files({_checked(path): content})
    return written


def write_files(contents: Mapping[Path, bytes]) -> list[Path]:
    """
    Write several files: all contents are on disk before the first name appears.

    Parameters
    ----------
    contents : bytes by path; a path that exists is replaced, a link is followed.

    Raises
    ------
    DataError
        One of them cannot be written, or two of them are one file; names it. Unless it is the renaming itself that
        failed, none has changed then.
    """
    targets = {path: Path(os.path.realpath(path)) for path in contents}
    for path, target in targets.items():
        if list(targets.values()).count(target) > 1:
            raise DataError(f"{path}: two outputs would be written to this file; name another one")
        try:
            folder, missing = target.is_dir(), not target.parent.is_dir()
        except OSError as error:  # a name that is too long
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
        if folder:
            raise DataError(f"{path}: cannot be written (it is a folder)")
        if missing:
            raise DataError(f"{path}: cannot be written (there is no folder {target.parent})")
    staged: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            staged[path] = targets[path].with_name(f".{targets[path].name}.{secrets.token_hex(4)}.part")
            _stage(staged[path], targets[path], content)
        for path in contents:
            staged[path].replace(targets[path])
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        for part in staged.values():
            part.unlink(missing_ok=True)
    return list(contents)


def require(module: str, extra: str) -> ModuleType:
    """
    Import an optional module.

    Parameters
    ----------
    module : its name, such as "matplotlib".
    extra : the extra of acopt that installs it.

    Raises
    ------
    MissingExtraError
        It is not installed; says how to install it.
    """
    if find_spec(module.partition(".")[0]) is None:
        raise MissingExtraError(f"{module} is not installed: pip install 'acopt[{extra}]'")
    return import_module(module)


def _stage(part: Path, target: Path, content: bytes) -> None:
    """Write beside the target, with its permissions if it exists, down to the disk."""
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if target.exists():
        part.chmod(target.stat().st_mode & 0o777)
