"""Finding tapes, unpacking them, and blaming the file that is broken."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from feed.errors import MissingExtraError, TapeError
from feed.tape.files import find_tapes, guarded, open_bytes, reading

Write = Callable[[str, "str | bytes"], Path]


def test_a_folder_is_searched_to_the_bottom_in_order_without_readmes_and_hidden_files(
    write: Write, tmp_path: Path
) -> None:
    for name in ("b.csv", "a/z.PARQUET", "a/b.csv.gz", "c.csv.zst", "d.pq"):
        write(name, "x")
    for name in ("README.md", "README.csv", ".hidden.csv", ".git/x.csv", "notes.txt", "e.json"):
        write(name, "x")
    found = [str(path.relative_to(tmp_path)) for path in find_tapes([tmp_path])]
    assert found == ["a/b.csv.gz", "a/z.PARQUET", "b.csv", "c.csv.zst", "d.pq"]


def test_named_files_keep_the_order_they_are_named_in(write: Write) -> None:
    paths = [write("b.csv", "x"), write("a.csv", "x")]
    assert find_tapes(paths) == paths


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.csv", "gone.csv: no such file or folder"),
        ("notes.txt", r"notes.txt: is not a tape: its name must end in \.csv, \.csv\.gz, "),
        ("empty", "empty: holds no tapes: no file whose name ends in"),
    ],
)
def test_what_is_no_tape_is_told(write: Write, tmp_path: Path, name: str, message: str) -> None:
    write("notes.txt", "x")
    write("empty/README.md", "x")
    with pytest.raises(TapeError, match=message):
        find_tapes([tmp_path / name])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    with pytest.raises(TapeError, match="cannot be read: permission denied"):
        find_tapes([tmp_path / "x.csv"])


CONTENT = b"ts_event,bid,ask\n" + b"1,2.5,3.5\n" * 50_000


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("t.csv", CONTENT),
        ("t.csv.gz", gzip.compress(CONTENT)),
        ("t.csv.zst", zstandard.compress(CONTENT)),
        ("t.CSV.ZST", zstandard.compress(CONTENT[:99]) + zstandard.compress(CONTENT[99:])),
    ],
)
def test_content_comes_unpacked(write: Write, name: str, packed: bytes) -> None:
    with open_bytes(write(name, packed)) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize(
    ("name", "packed"),
    [("t.csv.gz", gzip.compress(CONTENT)), ("t.csv.zst", zstandard.compress(CONTENT))],
)
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_a_packed_file_that_ends_early_is_an_error(
    write: Write, name: str, packed: bytes, kept: float
) -> None:
    path = write(name, packed[: int(len(packed) * kept)])
    with pytest.raises(TapeError, match=f"{name}: cannot be read: .*end"), reading(path):
        open_bytes(path).read()


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst"])
def test_garbage_in_place_of_a_packed_file_is_an_error(write: Write, name: str) -> None:
    path = write(name, bytes(range(256)) * 40)
    with pytest.raises(TapeError, match=f"{name}: cannot be read: "), reading(path):
        open_bytes(path).read()


def test_without_zstandard_the_extra_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"reading t\.csv\.zst needs the extra 'tapes'"):
        open_bytes(write("t.csv.zst", b""))


def test_only_errors_of_producing_items_blame_the_file() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("Bad thing.\nat some place")

    passed = guarded(Path("f"), items())
    assert next(passed) == 1
    with pytest.raises(TapeError, match=r"^f: cannot be read: bad thing$"):
        next(passed)
    passed = guarded(Path("f"), iter([1, 2]))
    next(passed)
    with pytest.raises(ZeroDivisionError):
        passed.throw(ZeroDivisionError())  # type: ignore[attr-defined]
