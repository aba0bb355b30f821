import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.errors import InvalidInputError
from limelens.results import Explanation, Samples
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
    explanation.save(file)
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
    assert (header["format"], header["version"]) == ("limelens.explanation", 2)
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
        (with_header({}, version=3), "format version 3, this limelens reads up to 2: update it"),
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
