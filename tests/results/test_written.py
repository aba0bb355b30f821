"""Pages and tables: whole or not at all, under names that say what they are."""

import os
import threading

import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.results import written


def writers(explanation):
    return {
        ".html": explanation.to_html,
        ".csv": explanation.to_csv,
        ".htm": lambda path: ll.report([explanation], path),
    }


@pytest.mark.parametrize("kind", [".html", ".csv", ".htm"])
def test_a_page_or_table_that_cannot_be_written_leaves_the_earlier_one(
    make, tmp_path, monkeypatch, kind
):
    path = tmp_path / f"why{kind}"
    path.write_text("earlier")
    write = writers(make())[kind]

    def fails(draft, content):
        with draft.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(type(path), "write_bytes", fails)
        with pytest.raises(OSError, match="No space left"):
            write(path)
    assert path.read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    write(path)
    assert path.stat().st_size > 100


@pytest.mark.parametrize(
    ("kind", "name", "call"),
    [
        (".html", "why.npz", r"explanation\.save\('.*why\.npz'\)"),
        (".html", "why.pdf", r"explanation\.to_html\('.*why\.html'\)"),
        (".csv", "why.PNG", r"explanation\.to_image\(\)\.save\('.*why\.PNG'\)"),
        (".csv", "why.xlsx", r"explanation\.to_csv\('.*why\.csv'\)"),
        (".htm", "why.png", r"report\(explanations, '.*why\.html'\)"),
    ],
)
def test_another_ending_is_refused_with_the_call_that_writes_such_a_file(
    make, tmp_path, kind, name, call
):
    with pytest.raises(InvalidInputError, match=f"`path` must end in .*Call {call}"):
        writers(make())[kind](tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_table_goes_through_a_pipe(make, tmp_path):
    pipe, came = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()))
    reader.start()
    text = make().to_csv(pipe)
    reader.join(10)
    assert came == [text.encode()]
    assert pipe.is_fifo()


def test_a_page_is_written_through_a_link_and_keeps_its_permissions(make, tmp_path):
    file, link = tmp_path / "page.html", tmp_path / "link.html"
    file.write_text("earlier")
    file.chmod(0o640)
    link.symlink_to(file)
    make().to_html(link)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.stat().st_size > 100


@pytest.mark.parametrize("path", [3, b"why.html", "a\0.html"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InvalidInputError, match="`path` must be the path of a file"):
        written.path_ending_in(".html", path, "")
