import contextlib
import io
import json
import os
import pickle
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.errors import InvalidInputError
from limelens.results import Explanation, Samples, storage
from limelens.results.storage import read_record, write_record

DTYPES = ["bool", "uint8", "uint16", "int16", "int64", "float16", "float32", "float64", ">f4"]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "why.npz"


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        assert_same(list(one.values()), list(other.values()))
    else:
        assert one == other or (one != one and other != other)


def assert_same_explanation(one, other):
    left, right = dict(vars(one)), dict(vars(other))
    for record in (left, right):
        record["samples"] = record["samples"] and vars(record["samples"])
    assert_same(left, right)


def test_every_field_comes_back_as_it_was(make, file):
    explanation = make(
        standard_errors=np.full((2, 4), np.nan),
        fidelity=np.array([0.5, np.nan]),
        reliability=np.array([0.9, 0.8]),
        target_values=np.array([[0.7, 0.3], [0.2, 0.4]]),
        target_names=("Ägyptische Katze", "犬 \ud83d"),
        n_predictions=1001,
        samples=Samples(
            keys=np.array([[0xF0], [0x50]], np.uint8),
            scores=np.array([[0.5, 0.5], [0.25, 0.75]], np.float32),
            n_segments=4,
            fingerprint="abc",
        ),
        explainer="Lime(n_samples=1000)",
        details={
            "path": [(1, 0.5), (2, float("inf"))],
            "alpha": {1: None, "two": np.arange(3), (3,): {"array": "image"}},
            "curves": [np.zeros((2, 0)), np.array(7, np.int8)],
            "converged": True,
            "huge": 10**30,
        },
    )
    explanation.save(file, samples="all")
    assert_same_explanation(Explanation.load(file), explanation)


def rows_of_three_classes(**changes):
    fields = {
        "keys": np.array([[0xF0], [0x50]], np.uint8),
        "scores": np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], np.float32),
        "n_segments": 4,
        "fingerprint": "a.b.c",
    }
    return Samples(**fields | changes)


def test_a_file_keeps_the_scores_of_the_targets_unless_all_are_asked_for(make, file):
    explanation = make(targets=(2, 0), samples=rows_of_three_classes())
    explanation.save(file)
    kept = Explanation.load(file).samples
    assert kept.columns == (2, 0)
    assert kept.scores.dtype == np.float32
    np.testing.assert_array_equal(kept.scores, explanation.samples.scores[:, [2, 0]])
    np.testing.assert_array_equal(kept.keys, explanation.samples.keys)
    explanation.save(file, samples="all")
    assert_same_explanation(Explanation.load(file), explanation)
    explanation.save(file, samples=None)
    assert Explanation.load(file).samples is None


def test_a_file_of_a_file_keeps_what_the_first_one_kept(make, file):
    make(targets=(2, 0), samples=rows_of_three_classes()).save(file)
    loaded = Explanation.load(file)
    for choice in ("targets", "all"):
        loaded.save(file, samples=choice)
        assert_same_explanation(Explanation.load(file), loaded)
    loaded.for_target(0).save(file)
    assert Explanation.load(file).samples.columns == (0,)


@pytest.mark.parametrize(
    ("changes", "reduced"), [({"targets_are_columns": False}, False), ({"targets": (1, 2)}, True)]
)
def test_scores_that_a_callable_target_reads_or_gave_are_kept_whole(make, file, changes, reduced):
    explanation = make(**changes, samples=rows_of_three_classes(reduced=reduced))
    explanation.save(file)
    assert_same_explanation(Explanation.load(file), explanation)


def test_samples_to_be_saved_are_one_of_three(make, file):
    with pytest.raises(InvalidInputError, match="`samples` must be one of 'targets', 'all', None"):
        make().save(file, samples=True)
    assert not file.exists()


def test_what_does_not_shrink_is_not_packed(make, file):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    make(image=noise, segments=np.zeros((64, 64), np.intp) + np.arange(64) // 16).save(file)
    with zipfile.ZipFile(file) as archive:
        packed = {each.filename: each.compress_type for each in archive.infolist()}
    assert packed["image.npy"] == zipfile.ZIP_STORED
    assert packed["segments.npy"] == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize("version", [2, 3])
def test_samples_of_earlier_versions_hold_all_scores(make, file, monkeypatch, version):
    explanation = make(samples=rows_of_three_classes())
    fields = dict(vars(explanation))
    fields["samples"] = {k: v for k, v in vars(explanation.samples).items() if k != "columns"}
    if version < 3:
        del fields["valid"]
    monkeypatch.setattr(storage, "VERSION", version)
    write_record(file, fields)
    monkeypatch.undo()
    assert_same_explanation(Explanation.load(file), explanation)


def test_an_explanation_without_optional_fields_comes_back(make, file):
    make().save(file)
    assert_same_explanation(Explanation.load(file), make())


def test_samples_without_rows_come_back(make, file):
    none = Samples(
        keys=np.zeros((0, 3), np.uint8), scores=np.zeros((0, 2)), n_segments=0, fingerprint=""
    )
    make(samples=none).save(file)
    assert len(Explanation.load(file).samples) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_images_of_every_dtype_come_back(make, file, dtype):
    image = (np.arange(27).reshape(3, 3, 3) % 2 + 0.5).astype(dtype)
    make(image=image).save(file)
    assert_same(Explanation.load(file).image, image)


def test_arrays_in_any_memory_order_come_back(make, file):
    image = np.asfortranarray(np.arange(54, dtype=np.uint8).reshape(3, 6, 3))[:, ::2]
    make(image=image).save(file)
    np.testing.assert_array_equal(Explanation.load(file).image, image)


def test_numpy_scalars_come_back_as_python_numbers(file):
    write_record(
        file, {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.str_("x")}
    )
    record = read_record(file, {"a", "b", "c", "d"})
    assert_same(record, {"a": 0.5, "b": 3, "c": True, "d": "x"})


storable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.integers(-9, 9)).map(lambda values: np.array(values, dtype=np.int8)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(value=storable)
def test_whatever_can_be_saved_comes_back_the_same(value, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "any.npz"
    write_record(file, {"details": value})
    assert_same(read_record(file, {"details"}), {"details": value})


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", 1j, np.array([None, {}]), [lambda: 0], {"deep": [(object(),)]}],
    ids=["object", "set", "bytes", "complex", "object array", "function", "deep"],
)
def test_what_cannot_be_saved_is_refused_and_leaves_no_file(make, file, value):
    with pytest.raises(InvalidInputError, match=r"`details` must hold None, booleans, numbers"):
        make(details={"odd": value}).save(file)
    assert list(file.parent.iterdir()) == []


def test_a_failed_save_leaves_the_older_file_as_it_was(make, file):
    make().save(file)
    before = file.read_bytes()
    with pytest.raises(InvalidInputError):
        make(details={"odd": object()}).save(file)
    assert file.read_bytes() == before


def test_equal_explanations_are_equal_bytes(make, tmp_path):
    make().save(tmp_path / "one")
    make().save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with zipfile.ZipFile(tmp_path / "one") as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}


def test_what_version_1_said_of_callable_targets_becomes_fields(make, file, monkeypatch):
    samples = Samples(
        keys=np.zeros((1, 1), np.uint8),
        scores=np.ones((1, 1)),
        n_segments=4,
        fingerprint="a.values",
    )
    record = dict(vars(make(samples=samples)))
    del record["targets_are_columns"]
    record["samples"] = {k: v for k, v in vars(samples).items() if k != "reduced"}
    record["details"] = {"callable_target": True, "other": 3}
    monkeypatch.setattr("limelens.results.storage.VERSION", 1)
    write_record(file, record)
    loaded = Explanation.load(file)
    assert (loaded.targets_are_columns, loaded.details) == (False, {"other": 3})
    assert (loaded.samples.reduced, loaded.samples.fingerprint) == (True, "a")


def test_numpy_opens_the_file_without_pickle(make, file):
    make().save(file)
    with np.load(file, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["importances"], make().importances)
        header = json.loads(archive["header"].tobytes())
    assert (header["format"], header["version"]) == ("limelens.explanation", 4)
    assert header["fields"]["n_predictions"] == 0


def test_a_file_cut_short_anywhere_is_refused(make, file):
    make().save(file)
    content = file.read_bytes()
    for length in [0, 1, 10, 100, *range(200, len(content), 97), len(content) - 1]:
        file.write_bytes(content[:length])
        with pytest.raises(InvalidInputError, match="`path` must be a file written by Explan"):
            Explanation.load(file)


def test_a_changed_byte_is_noticed_or_harmless(make, file):
    make().save(file)
    content = file.read_bytes()
    for at in range(0, len(content), 29):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            loaded = Explanation.load(file)
        except InvalidInputError:
            continue
        assert_same_explanation(loaded, make())


def foreign_npz():
    stream = io.BytesIO()
    np.savez(stream, image=np.zeros(3))
    return stream.getvalue()


def pickled_npz():
    stream = io.BytesIO()
    np.savez(stream, header=np.array([{"format": "limelens.explanation"}], dtype=object))
    return stream.getvalue()


def with_header(content, **changes):
    header = {"format": "limelens.explanation", "version": 1, "fields": content} | changes
    stream = io.BytesIO()
    np.savez(stream, header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged or cut short"),
        (b"not an archive", "damaged or cut short"),
        (pickle.dumps({"a": 1}), "damaged or cut short"),
        (foreign_npz(), "it has no header"),
        (pickled_npz(), "damaged or cut short.*allow_pickle=False"),
        (with_header({}, format="other"), "its header is of another format"),
        (with_header({}, version=5), "format version 5, this limelens reads up to 4: update it"),
        (with_header({}, version=None), "damaged or cut short"),
        (with_header(3), "damaged or cut short"),
        (with_header({"a": {"unknown tag": 1}}), "damaged or cut short"),
        (with_header({"a": {"array": "absent"}}), "damaged or cut short"),
        (with_header({"imag": 1}), r"fields do not match: \['channel_axis'"),
    ],
)
def test_a_foreign_file_is_refused_with_the_reason(file, content, reason):
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"`path`.*why\.npz.*{reason}"):
        Explanation.load(file)


def test_no_pickle_is_ever_run(file, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    stream = io.BytesIO()
    np.save(stream, np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("header.npy", stream.getvalue())
    with pytest.raises(InvalidInputError):
        Explanation.load(file)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Explanation.load(tmp_path / "nothing.npz")


def test_loaded_fields_are_checked_like_new_ones(make, file):
    fields = {name: getattr(make(), name) for name in vars(make())}
    write_record(file, fields | {"importances": np.zeros((2, 9))})
    with pytest.raises(InvalidInputError, match="`importances`"):
        Explanation.load(file)


def test_the_name_of_the_file_is_the_name_given(make, tmp_path):
    make().save(str(tmp_path / "why"))
    assert [path.name for path in tmp_path.iterdir()] == ["why"]


def test_an_entry_that_claims_to_be_encrypted_is_refused(make, file):
    make().save(file)
    data = bytearray(file.read_bytes())
    entry = data.index(b"PK\x01\x02")  # the central directory: flags are bytes 8 and 9
    data[entry + 8] |= 1
    file.write_bytes(data)
    with pytest.raises(InvalidInputError, match="damaged or cut short"):
        Explanation.load(file)


# -- crafted and damaged files: typed errors only, and no more memory than the file is worth -----


def npy(description, data=b""):
    """Return a member whose description is taken at its word, before `data`."""
    text = repr(description).encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def described(shape, descr="<f8", data=b""):
    return npy({"descr": descr, "fortran_order": False, "shape": shape}, data)


def rewritten(file, *, drop=(), packing=zipfile.ZIP_DEFLATED, change=None, **members):
    """Rewrite a saved file: `change` is given the parsed header, members are bytes by name."""
    with zipfile.ZipFile(file) as archive:
        content = {each.removesuffix(".npy"): archive.read(each) for each in archive.namelist()}
    if change is not None:
        parsed = json.loads(np.load(io.BytesIO(content["header"])).tobytes())
        change(parsed)
        text = json.dumps(parsed)
        stream = io.BytesIO()
        np.save(stream, np.frombuffer(text.encode(), np.uint8))
        content["header"] = stream.getvalue()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in (content | members).items():
            if name not in drop:
                archive.writestr(f"{name}.npy", data)


def refused(file, match="`path` must be a file written by Explanation.save"):
    """Load a file, which must be refused within a few MiB; return the message."""
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match=match) as caught:
            Explanation.load(file)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()
    return str(caught.value)


def test_a_member_of_96_mib_in_a_small_file_is_refused_before_it_is_unpacked(make, file):
    make(details={"map": np.zeros(3)}).save(file)
    zeros = np.zeros(2**20)
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bomb.npy", "w", force_zip64=True) as member,
    ):
        member.write(described((12 * 2**20,)))
        for _ in range(12):
            member.write(zeros.tobytes())
    assert file.stat().st_size < 110_000
    assert "would unpack to" in refused(file)


def test_a_member_that_the_header_does_not_name_is_refused(make, file):
    make().save(file)
    rewritten(file, stowaway=described((2,), data=bytes(16)))
    assert "['stowaway.npy']" in refused(file)


def test_a_member_that_is_missing_or_there_twice_is_refused(make, file):
    make().save(file)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("image.npy", described((0,)))
    assert "there twice" in refused(file)
    make().save(file)
    rewritten(file, drop=["image"])
    assert "['image.npy']" in refused(file)


def test_a_blank_image_that_packs_like_a_bomb_can_be_saved_and_loaded(file, monkeypatch):
    monkeypatch.setattr(storage, "_LEAST", 2**16)
    blank = np.zeros((3, 500, 600), np.uint8)  # 900 kB that pack to 1 kB
    write_record(file, {"details": blank})
    np.testing.assert_array_equal(read_record(file, {"details"})["details"], blank)


def test_an_array_is_read_without_a_second_copy(file):
    write_record(file, {"details": np.random.default_rng(0).random(2**19)})  # 4 MiB
    tracemalloc.start()
    try:
        read_record(file, {"details"})
        assert tracemalloc.get_traced_memory()[1] < 7 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2], ids=["lzma", "bzip2"])
def test_other_packings_are_refused_damaged_or_not(make, file, packing):
    make().save(file)
    rewritten(file, packing=packing)
    assert "packed in a way" in refused(file)


@pytest.mark.parametrize(
    "member",
    [
        described((2**34,)),
        described((2**100,)),
        described((0, 2**100)),
        described((2, 2**62), data=bytes(32)),
        described((-4,)),
        described((4,), "|O", bytes(32)),
        described((4,), "<U100000000", bytes(32)),
        described((4,), "<c16", bytes(64)),
        described((4,), [("a", "<f8"), ("b", "<i8")], bytes(64)),
        described((4,), "|V8", bytes(32)),
        described((4,), "nonsense", bytes(32)),
        described((4,), "<f8", bytes(31)),
        described((4,), "<f8", bytes(33)),
        npy({"descr": "<f8", "shape": (4,)}, bytes(32)),
        npy({"descr": "<f8", "fortran_order": "yes", "shape": (4,)}, bytes(32)),
        npy({"descr": "<f8", "fortran_order": False, "shape": 4}, bytes(32)),
        b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 117 + b"\n",
        b"\x93NUMPY\x03\x00" + bytes(100),
        b"\x93NUMPY\x01",
        b"",
        b"not an array",
    ],
)
@pytest.mark.parametrize("name", ["header", "image", "importances", "segments"])
def test_arrays_that_are_not_what_they_say_are_refused(make, file, member, name):
    make().save(file)
    rewritten(file, **{name: member})
    refused(file, match="`")


@pytest.mark.parametrize("label", [2**40, 2**62, -1])
def test_labels_that_no_image_has_room_for_are_refused(make, file, label):
    explanation = make()
    explanation.save(file)
    segments = np.full(explanation.segments.shape, label)
    stream = io.BytesIO()
    np.save(stream, segments)
    rewritten(file, segments=stream.getvalue())
    assert "`segments`" in refused(file, match="`segments`")


def set_field(name, value):
    return lambda header: header["fields"].__setitem__(name, value)


@pytest.mark.parametrize(
    "value",
    [
        *(5, True, "x", [], [1], {"dict": []}, {"dict": [["keys", 1]]}, {"tuple": [1, 2]}),
        *({"array": 3}, {"array": ["image"]}, {"dict": [[[], 1]]}, {"dict": 4}, {"float": []}),
        *({}, {"a": 1, "b": 2}),
    ],
)
@pytest.mark.parametrize("field", sorted(vars(Explanation)["__dataclass_fields__"]))
def test_fields_of_another_kind_are_refused(make, file, field, value):
    make().save(file)
    rewritten(file, change=set_field(field, value))
    legal = {
        "explainer": [str],
        "n_predictions": [int],
        "details": [dict],
        "targets": [tuple],
        "targets_are_columns": [bool],
    }
    try:
        loaded = Explanation.load(file)
    except InvalidInputError:
        return
    assert type(getattr(loaded, field)) in legal[field]


@pytest.mark.parametrize("version", [-1, 0, True, 1.0, float("nan"), "1", None, [1], 10**30])
def test_versions_that_never_were_are_refused(make, file, version):
    make().save(file)
    rewritten(file, change=lambda header: header.__setitem__("version", version))
    assert "version" in refused(file)


def test_a_header_that_nests_without_end_is_refused(file):
    stream = io.BytesIO()
    np.savez(stream, header=np.frombuffer(b"[" * 10**6, np.uint8))
    file.write_bytes(stream.getvalue())
    assert "damaged or cut short" in refused(file)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_changes=st.integers(1, 40))
def test_random_damage_gives_typed_errors_or_a_sound_explanation(seed, n_changes, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    rng = np.random.default_rng(seed)
    content = np.frombuffer(_SAVED.read_bytes(), np.uint8).copy()
    where = rng.integers(len(content), size=n_changes)
    content[where] = rng.integers(256, size=n_changes)
    file.write_bytes(content.tobytes())
    with contextlib.suppress(InvalidInputError):
        Explanation.load(file)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_damage_under_a_valid_checksum_gives_typed_errors(seed, tmp_path_factory):
    """The archive is sound, what lies in its members is not."""
    file = tmp_path_factory.getbasetemp() / "fuzzed-members.npz"
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(_SAVED) as archive:
        members = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    data = members[sorted(members)[rng.integers(len(members))]]
    for _ in range(rng.integers(1, 9)):
        data[rng.integers(len(data))] = rng.integers(32, 127)
    with zipfile.ZipFile(file, "w") as archive:
        for name, each in members.items():
            archive.writestr(name, bytes(each))
    with contextlib.suppress(InvalidInputError):
        Explanation.load(file)


_SAVED = Path(__file__).parents[1] / "data" / "version1.npz"


# -- where a file is put --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("why.png", r"explanation\.to_image\(\)\.save\('.*why\.png'\)"),
        ("why.JPG", r"explanation\.to_image\(\)\.save\('.*why\.JPG'\)"),
        ("why.html", r"explanation\.to_html\('.*why\.html'\)"),
        ("why.pkl", r"explanation\.save\('.*why\.npz'\)"),
    ],
)
def test_another_kind_of_file_is_refused_with_the_call_that_works(make, tmp_path, name, advice):
    explanation = make()
    with pytest.raises(InvalidInputError, match=f"`path` must end in .npz.*{advice}") as caught:
        explanation.save(tmp_path / name)
    call = str(caught.value).partition("Call ")[2].partition(" for a ")[0].removesuffix(".")
    assert list(tmp_path.iterdir()) == []
    eval(call, {"explanation": explanation})
    assert len(list(tmp_path.iterdir())) == 1


def test_saving_through_a_link_writes_where_it_leads(make, tmp_path):
    (tmp_path / "folder").mkdir()
    real, link = tmp_path / "folder" / "real.npz", tmp_path / "link.npz"
    link.symlink_to(real)
    make().save(link)
    assert link.is_symlink()
    assert real.is_file()
    make(n_predictions=7).save(link)
    assert link.is_symlink()
    assert Explanation.load(real).n_predictions == 7


def test_a_replaced_file_keeps_its_permissions(make, file):
    make().save(file)
    file.chmod(0o640)
    make().save(file)
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_pipe_a_folder_and_a_circular_link_are_refused_and_stay(make, tmp_path):
    pipe, circle = tmp_path / "pipe", tmp_path / "circle"
    os.mkfifo(pipe)
    circle.symlink_to(circle)
    for path in (pipe, circle, tmp_path, Path(os.devnull)):
        with pytest.raises(InvalidInputError, match="`path` must be the path of a file"):
            make().save(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert circle.is_symlink()
    assert not Path(os.devnull).is_file()


def test_a_folder_that_is_not_there_is_named(make, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder.*nowhere'"):
        make().save(tmp_path / "nowhere" / "why.npz")


def test_the_longest_name_a_folder_takes_can_be_saved(make, tmp_path):
    name = "w" * 251 + ".npz"
    make().save(tmp_path / name)
    assert Explanation.load(tmp_path / name).n_predictions == 0


@pytest.mark.parametrize("path", [io.BytesIO(), 3, None, "why\0.npz"])
def test_what_is_no_path_is_refused(make, path):
    with pytest.raises(InvalidInputError, match="`path` must be the path of a file"):
        make().save(path)
    with pytest.raises(InvalidInputError, match="`path` must be the path of a file"):
        Explanation.load(path)


def test_details_without_end_are_refused(make, file):
    endless = []
    endless.append(endless)
    for value in (endless, 10**5000):
        with pytest.raises(InvalidInputError, match="`details` must be finite"):
            make(details={"odd": value}).save(file)
    assert list(file.parent.iterdir()) == []


class ThreeClasses:
    """Scores of three classes; class 2 needs two corners together."""

    def __call__(self, batch):
        a, b = batch[:, 0, 0], batch[:, 3, 3]
        return np.stack([1 - a * b, 0.5 * a, a * b], axis=1).astype(np.float32)


def explained(**settings):
    import limelens as ll

    explainer = ll.ExactShapley(segmenter=ll.Grid(4), fill=ll.Constant(0))
    return explainer.explain(np.ones((4, 4)), ThreeClasses(), target=2, **settings)


@pytest.mark.parametrize("samples", ["targets", None])
def test_a_file_without_all_scores_cannot_be_reused_and_the_advice_works(file, samples):
    explained().save(file, samples=samples)
    with pytest.raises(InvalidInputError, match=r"save\(path, samples='all'\)"):
        explained(reuse=Explanation.load(file))
    explained().save(file, samples="all")
    assert explained(reuse=Explanation.load(file)).n_predictions == 1


def test_what_needs_the_targets_scores_alone_works_on_a_loaded_file(file):
    from limelens import interaction_index

    explanation = explained()
    explanation.save(file)
    loaded = Explanation.load(file)
    np.testing.assert_array_equal(interaction_index(loaded), interaction_index(explanation))
    rows = loaded.samples
    np.testing.assert_array_equal(interaction_index(rows, target=2), interaction_index(loaded))
    assert loaded.to_html() == explanation.to_html()
    with pytest.raises(InvalidInputError, match=r"have scores of, \(2,\); got 0"):
        interaction_index(loaded, target=0)
    for target in (None, np.sum):
        with pytest.raises(InvalidInputError, match=r"`target` must be one of the score columns"):
            interaction_index(rows, target=target)


def test_a_stability_report_of_a_loaded_file_is_that_of_the_run(file):
    import limelens as ll

    lime = ll.Lime(segmenter=ll.Grid(4), n_samples=60, fill=ll.Constant(0))
    explanation = lime.explain(np.ones((4, 4)), ThreeClasses(), target=[1, 2], rng=0)
    explanation.save(file)
    for target in (1, 2):
        one, other = (
            each.stability_report(target, k=1, rng=0)
            for each in (explanation, Explanation.load(file))
        )
        np.testing.assert_array_equal(one.correlations, other.correlations)
