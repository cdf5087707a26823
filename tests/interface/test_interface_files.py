"""Files appear whole or not at all; optional libraries come through one door."""

import os
import stat
from pathlib import Path

import pytest

from acopt.errors import DataError, MissingExtraError
from acopt.interface import files
from acopt.interface.files import require, write_bytes, write_files, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestWriting:
    def test_text_and_bytes(self, tmp_path):
        assert write_text(tmp_path / "a.txt", "grün\n") == tmp_path / "a.txt"
        assert (tmp_path / "a.txt").read_bytes() == "grün\n".encode()
        assert write_bytes(str(tmp_path / "b"), b"\x00\xff").read_bytes() == b"\x00\xff"
        assert names(tmp_path) == ["a.txt", "b"]

    def test_replaces_and_keeps_the_permissions(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("old")
        path.chmod(0o640)
        write_text(path, "new")
        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_a_new_file_has_the_usual_permissions(self, tmp_path):
        (tmp_path / "plain").write_text("")
        written = write_text(tmp_path / "written", "")
        assert written.stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_a_link_is_followed(self, tmp_path):
        (tmp_path / "real.txt").write_text("old")
        (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
        write_text(tmp_path / "link.txt", "new")
        assert (tmp_path / "link.txt").is_symlink()
        assert (tmp_path / "real.txt").read_text() == "new"

    def test_no_folder(self, tmp_path):
        with pytest.raises(DataError, match=r"nowhere.*x\.csv: cannot be written \(there is no folder"):
            write_text(tmp_path / "nowhere" / "x.csv", "")

    def test_a_folder_in_its_place(self, tmp_path):
        with pytest.raises(DataError, match="is a folder"):
            write_text(tmp_path, "")

    def test_a_failure_leaves_what_was_there(self, tmp_path, monkeypatch):
        path = tmp_path / "a.txt"
        path.write_text("old")

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"a\.txt: cannot be written \(No space left on device\)"):
            write_text(path, "new")
        assert path.read_text() == "old"
        assert names(tmp_path) == ["a.txt"]

    def test_an_interrupt_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupt(_):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_text(tmp_path / "a.txt", "new")
        assert names(tmp_path) == []

    def test_of_several_none_appears_when_one_fails(self, tmp_path, monkeypatch):
        real, calls = os.fsync, []

        def second_fails(descriptor):
            calls.append(descriptor)
            if len(calls) == 2:
                raise OSError(5, "Input/output error")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", second_fails)
        with pytest.raises(DataError, match=r"two\.txt: cannot be written \(Input/output error\)"):
            write_files({tmp_path / "one.txt": b"1", tmp_path / "two.txt": b"2"})
        assert names(tmp_path) == []

    def test_two_names_of_one_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match="two outputs would be written to this file"):
            write_files({Path("x"): b"1", tmp_path / "x": b"2"})
        assert names(tmp_path) == []


class TestRequire:
    def test_present(self):
        assert require("json", "cli").dumps([1]) == "[1]"

    def test_absent(self):
        with pytest.raises(
            MissingExtraError, match=r"no_such_library.inner is not installed: pip install 'acopt\[plot\]'"
        ):
            require("no_such_library.inner", "plot")

    def test_what_it_exports(self):
        assert set(files.__all__) == {"require", "write_bytes", "write_files", "write_text"}
