"""What users' folders hold besides: hidden files, links, tables typed by hand, other depths."""

import os
import unicodedata

import helpers
import pytest
from PIL import Image

from cvae_jax.datasets import folder as folders
from cvae_jax.errors import UserError


@pytest.fixture
def pictures(tmp_path):
    return helpers.write_three_pictures(tmp_path / "pictures")


def test_hidden_files_are_no_pictures_of_the_users(pictures, tmp_path, caplog):
    for name in (".ipynb_checkpoints/a-checkpoint.png", ".thumb/t.png", "sub/.deep/x/y.png"):
        (pictures / name).parent.mkdir(parents=True)
        Image.new("L", (8, 8)).save(pictures / name)
    for name in ("._a.png", "__MACOSX/._b.png", "sub/__MACOSX/b.png", ".DS_Store"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).write_bytes(b"\0\5\x16\7 Mac OS X")
    with caplog.at_level("INFO"):
        dataset = helpers.load_folder(pictures, tmp_path / "data")
    assert dataset.num_images == 3
    assert "6 files are left out" in caplog.text
    assert folders.names(str(pictures)) == ["a.jpg", "b.png", "sub/c.PNG"]
    hidden = helpers.write_three_pictures(tmp_path / ".cache" / "mine")
    assert helpers.load_folder(hidden, tmp_path / "data").num_images == 3  # the user's own choice


def test_folders_and_files_of_any_bytes(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / os.fsdecode(b"b\xff"))
    (folder / "b.png").rename(folder / os.fsdecode(b"\xfe.png"))
    for _ in range(2):  # read, and found again
        assert helpers.load_folder(folder, tmp_path / "data").num_images == 3


def test_links_to_folders_are_followed_and_loops_are_named(pictures, tmp_path, caplog):
    other = helpers.write_three_pictures(tmp_path / "other")
    (pictures / "a_link").symlink_to(other)
    (pictures / "again").symlink_to(pictures / "sub")
    (pictures / "loop").symlink_to(pictures)
    (pictures / "up").symlink_to(tmp_path)
    (pictures / "a_link" / "back").symlink_to(pictures)
    expected = ["a.jpg", "a_link/a.jpg", "a_link/b.png", "a_link/sub/c.PNG", "b.png", "sub/c.PNG"]
    assert folders.names(str(pictures)) == expected
    for name in ("again", "loop", "up"):
        assert f"{pictures / name} leads to a folder that is read already" in caplog.text


def test_what_systems_put_beside_pictures(pictures, tmp_path, caplog):
    for name in ("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/x.png", "$RECYCLE.BIN/S-1/y.png"):
        (pictures / name).parent.mkdir(parents=True)
        Image.new("L", (8, 8)).save(pictures / name)
    with caplog.at_level("INFO"):
        assert helpers.load_folder(pictures, tmp_path / "data").num_images == 3
    assert "3 files are left out" in caplog.text


def test_a_table_whose_name_has_another_case_is_taken(pictures, tmp_path, caplog):
    (pictures / "Factors.CSV").write_text("file,shape\na.jpg,1\nb.png,2\nsub/c.PNG,2\n")
    assert helpers.load_folder(pictures, tmp_path / "data").factors.tolist() == [[0], [1], [1]]
    assert "Factors.CSV is taken for factors.csv" in caplog.text


def labels(pictures, root, table):
    (pictures / "factors.csv").write_text(table, encoding="utf-8")
    dataset = helpers.load_folder(pictures, root)
    return dataset.factor_names, dataset.factors.tolist()


def test_blanks_a_mark_and_other_spellings_do_not_count(pictures, tmp_path, caplog):
    Image.new("L", (20, 16), 9).save(pictures / unicodedata.normalize("NFD", "é.png"))
    rows = "./a.jpg, x , 1\nb.png,x,1.0\nsub\\c.PNG , x,2\né.png,y,2\n\n , ,\n"
    found = labels(pictures, tmp_path / "data", "\ufefffile, shape ,size\n" + rows)
    # a.jpg, b.png, then e with an accent as it is stored, in two letters, then sub/c.PNG
    assert found == (("shape", "size"), [[0, 0], [0, 0], [1, 1], [0, 1]])
    assert not [x for x in caplog.messages if "factors.csv" in x]


def test_another_case_is_a_last_resort_and_reported(pictures, tmp_path, caplog):
    table = "file,shape\nA.JPG,1\nb.png,2\nSub/C.png,2\n"
    assert labels(pictures, tmp_path / "data", table) == (("shape",), [[0], [1], [1]])
    assert "2 names are those of pictures only without regard to case" in caplog.text
    Image.new("L", (20, 16), 9).save(pictures / "A.jpg")  # now it is not clear which is meant
    with pytest.raises(UserError, match=r"has no row for A\.jpg"):
        labels(pictures, tmp_path / "data", table)


def test_rows_without_a_picture_are_counted_and_the_nearest_named(pictures, tmp_path, caplog):
    table = "file,shape\na.jpg,1\nb.png,2\nsub/c.PNG,2\nb1.png,7\nzzz,7\n"
    assert labels(pictures, tmp_path / "data", table)[1] == [[0], [1], [1]]
    assert "2 rows name no picture, such as b1.png; did you mean 'b.png'?" in caplog.text


@pytest.mark.parametrize(
    ("values", "classes", "message"),
    [
        (("10", "9", "NA"), [0, 1, 2], "numbers and words such as 'NA'"),
        (('"1,000"', "900", "10"), [0, 2, 1], "numbers and words such as '1,000'"),
        (("Red", "red", "blue"), [0, 2, 1], "differ by case alone, 'Red' and 'red'"),
        (("1e999", "1e998", "2"), [1, 0, 2], "numbers and words"),  # both beyond floats
        (("10", "9", "1e1"), [1, 0, 1], ""),
        (("red", "blue", "red"), [1, 0, 1], ""),
    ],
)
def test_slips_in_a_column_are_warned_of(pictures, tmp_path, caplog, values, classes, message):
    rows = zip(("a.jpg", "b.png", "sub/c.PNG"), values, strict=True)
    table = "file,shape\n" + "".join(f"{name},{value}\n" for name, value in rows)
    found = labels(pictures, tmp_path / "data", table)[1]
    assert [row for (row,) in found] == classes
    said = [x for x in caplog.messages if "factors.csv" in x]
    assert len(said) == bool(message)
    assert message in "".join(said)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file;shape\na.jpg;0,5\n", "separates its columns by semicolons: write it with commas"),
        ("file\tshape\na.jpg\t1\n", "by tabs"),
        ("file,shape\na.jpeg,1\nb.png,1\nsub/c.PNG,1\n", r"no row for a.jpg .*'a.jpeg'"),
        ("file,shape\na.jpg,1\n./a.jpg,1\nb.png,1\nsub/c.PNG,1\n", "several rows for a.jpg"),
        ("file,shape\na.jpg,1\na.jpg ,1\nb.png,1\nsub/c.PNG,1\n", "several rows for a.jpg"),
        ("file, shape,shape \na.jpg,1,1\n", "several columns named shape"),
        ("file,shape\na.jpg,-nan\nb.png,1\nsub/c.PNG,1\n", "line 2: no value of shape"),
    ],
)
def test_tables_that_are_refused(pictures, tmp_path, table, message):
    with pytest.raises(UserError, match=message) as caught:
        labels(pictures, tmp_path / "data", table)
    assert "\n" not in str(caught.value)
