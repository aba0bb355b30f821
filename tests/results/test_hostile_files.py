"""Files made to harm: `Explanation.load` raises a typed error, in a few MiB, or loads right."""

import contextlib
import io
import json
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limelens as ll
from limelens.errors import InvalidInputError

MIB = 2**20


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "why.npz"
    image = np.random.default_rng(0).random((8, 8))
    ablation = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    ablation.explain(image, lambda batch: batch.sum(axis=(1, 2))).save(path)
    return path.read_bytes()


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(members, packing=zipfile.ZIP_DEFLATED, **how):
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        with zipfile.ZipFile(stream, "w", packing, **how) as archive:
            for name, content in members.items() if isinstance(members, dict) else members:
                archive.writestr(name, content)
    return stream.getvalue()


CENTRAL = {"made": "4H", "flags": "8H", "method": "10H", "crc": "16I", "packed": "20I"}
CENTRAL |= {"size": "24I", "disk": "34H", "attributes": "38I", "offset": "42I"}
LOCAL = {"flags": "6H", "method": "8H", "crc": "14I", "packed": "18I", "size": "22I"}
END = {"disk": "4H", "here": "8H", "entries": "10H", "length": "12I", "start": "16I"}


def changed(data, where, name="image.npy", **values):
    """Change fields of a member's entry in the central directory, of its own header, or the end."""
    mark, table = {
        "central": (b"PK\x01\x02", CENTRAL),
        "local": (b"PK\x03\x04", LOCAL),
        "end": (b"PK\x05\x06", END),
    }[where]
    start = data.index(mark)
    at, skip = {"central": (28, 46), "local": (26, 30), "end": (0, 0)}[where]
    while skip and data[start + skip :][: struct.unpack_from("<H", data, start + at)[0]] != (
        name.encode()
    ):
        start = data.index(mark, start + 4)
    made = bytearray(data)
    for field, value in values.items():
        place, kind = int(table[field][:-1]), table[field][-1]
        struct.pack_into(f"<{kind}", made, start + place, value)
    return bytes(made)


def npy(shape, descr="<f8", content=b""):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def with_member(data, content, name="image.npy", **how):
    return archive_of(members_of(data) | {name: content}, **how)


def with_extra(data, extra):
    """Let the size of the image stand in an extra field, as in archives of over 4 GiB."""
    start = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    name, old = struct.unpack_from("<2H", data, start + 28)
    made = bytearray(data)
    struct.pack_into("<H", made, start + 30, old + len(extra))
    struct.pack_into("<I", made, start + 24, 2**32 - 1)
    made[start + 46 + name : start + 46 + name] = extra
    end = made.rindex(b"PK\x05\x06")
    length = struct.unpack_from("<I", made, end + 12)[0]
    struct.pack_into("<I", made, end + 12, length + len(extra))
    return bytes(made)


def with_end64(data, count, length, start):
    end = data.rindex(b"PK\x05\x06")
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    return data[:end] + end64 + struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1) + data[end:]


def with_header(data, change):
    header = json.loads(np.load(io.BytesIO(members_of(data)["header.npy"])).tobytes())
    text = change(header)
    text = json.dumps(header) if text is None else text
    content = np.frombuffer(text.encode(), np.uint8)
    return with_member(data, npy(content.shape, "|u1", content.tobytes()), "header.npy")


def nested(levels):
    """Return an archive in an archive in an archive ..., the innermost of which holds 32 MiB."""
    content = bytes(32 * MIB)
    for _ in range(levels):
        content = archive_of({"image.npy": content})
    return content


def lying(data, packing, method):
    """Pack in one way, and call it another."""
    made = with_member(data, npy((8, 8), "<f8", bytes(512)) + bytes(4 * MIB), packing=packing)
    for name in members_of(made):
        made = changed(made, "central", name, method=method, size=640)
        made = changed(made, "local", name, method=method, size=640)
    return made


def quoted(data):
    """Let members lie within the packed bytes of those before them (Fifield 2019)."""
    made = archive_of(members_of(data), zipfile.ZIP_STORED)
    for name in members_of(data):
        to_the_end = made.index(b"PK\x01\x02") - made.index(name.encode()) - len(name)
        made = changed(made, "central", name, packed=to_the_end, size=to_the_end)
    return made


ATTACKS = {
    # more inside than out
    "72 MiB in a member": lambda d: with_member(d, npy((9 * MIB,), content=bytes(72 * MIB))),
    "72 MiB in the header": lambda d: with_member(
        d, npy((72 * MIB,), "|u1", bytes(72 * MIB)), "header.npy"
    ),
    "72 MiB, called 640 bytes": lambda d: changed(
        with_member(d, npy((8, 8), content=bytes(512)) + bytes(72 * MIB)), "central", size=640
    ),
    "72 MiB, called 640 bytes twice": lambda d: changed(
        changed(with_member(d, npy((8, 8)) + bytes(72 * MIB)), "central", size=640),
        "local",
        size=640,
    ),
    "archives in archives": lambda d: with_member(d, nested(5)),
    "an archive as the file": lambda d: nested(3),
    "bzip2 as bzip2": lambda d: lying(d, zipfile.ZIP_BZIP2, 12),
    "lzma as lzma": lambda d: lying(d, zipfile.ZIP_LZMA, 14),
    "bzip2, called deflated": lambda d: lying(d, zipfile.ZIP_BZIP2, 8),
    "lzma, called deflated": lambda d: lying(d, zipfile.ZIP_LZMA, 8),
    "deflated, called stored": lambda d: lying(d, zipfile.ZIP_DEFLATED, 0),
    "members within members": quoted,
    # too many, twice, elsewhere
    "5000 members": lambda d: archive_of(
        members_of(d) | {f"{i}.npy": b"" for i in range(5000)}, zipfile.ZIP_STORED
    ),
    "every member twice": lambda d: archive_of([*members_of(d).items()] * 2),
    "the header twice": lambda d: archive_of([*members_of(d).items(), ("header.npy", npy((0,)))]),
    "folders": lambda d: archive_of(members_of(d) | {"image.npy/": b"", "a/b/": b""}),
    "a way out": lambda d: archive_of(members_of(d) | {"../../image.npy": npy((0,))}),
    "an absolute way": lambda d: archive_of(members_of(d) | {"/etc/image.npy": npy((0,))}),
    "one shared stream": lambda d: changed(d, "central", "scores.npy", offset=0),
    # sizes and places that are not
    **{
        f"{field} of {value}": lambda d, field=field, value=value: changed(
            d, "central", **{field: value % (2**16 if field in ("method", "disk") else 2**32)}
        )
        for field in ("packed", "size", "offset", "crc", "method", "disk")
        for value in (0, 1, 2**16 - 1, 2**31, 2**32 - 1)
    },
    **{
        f"{field} of {value} at the end": lambda d, field=field, value=value: changed(
            d, "end", **{field: value % (2**32 if field in ("length", "start") else 2**16)}
        )
        for field in END
        for value in (0, 1, 2**16 - 1, 2**31, 2**32 - 1)
    },
    **{
        f"flags {flags:x}": lambda d, flags=flags: changed(d, "central", flags=flags)
        for flags in (1, 8, 0x20, 0x41, 0x800, 0xFFFF)
    },
    "sizes in an extra field": lambda d: with_extra(d, struct.pack("<2HQ", 1, 8, 2**63)),
    "no sizes in an extra field": lambda d: with_extra(d, struct.pack("<2HI", 1, 4, 5)),
    "an extra field without end": lambda d: with_extra(d, struct.pack("<2HI", 1, 400, 5)),
    "2**60 members": lambda d: with_end64(d, 2**60, 100, 0),
    "a directory of 2**62 bytes": lambda d: with_end64(
        changed(d, "end", start=2**32 - 1), 10, 2**62, 2**62
    ),
    # kinds of files
    "a link": lambda d: changed(d, "central", made=0x314, attributes=0o120777 << 16),
    "a device": lambda d: changed(d, "central", made=0x314, attributes=0o060666 << 16),
    "a folder": lambda d: changed(d, "central", attributes=0x10),
    # before, behind, between
    "a program before it": lambda d: b"MZ" + bytes(1000) + d,
    "bytes behind it": lambda d: d + bytes(70_000),
    "two archives": lambda d: d + d,
    # headers
    "arrays in a circle": lambda d: with_header(
        d, lambda h: h["fields"].__setitem__("details", {"array": {"array": "image"}})
    ),
    "a million brackets": lambda d: with_header(d, lambda h: "[" * MIB),
    "empty lists": lambda d: with_header(d, lambda h: f"[{'[],' * 100_000}[]]"),
    "a number of a million digits": lambda d: with_header(
        d, lambda h: json.dumps(h).replace('"version": 4', '"version": ' + "9" * MIB)
    ),
    "fields that are no mapping": lambda d: with_header(d, lambda h: h.update(fields=[1])),
    "one name for all arrays": lambda d: with_header(
        d, lambda h: json.dumps(h).replace('"importances"}', '"image"}')
    ),
    "a header of numbers": lambda d: with_member(d, npy((4,), content=bytes(32)), "header.npy"),
    "a ragged list": lambda d: with_header(
        d, lambda h: h["fields"].update(reliability=[None, {"array": "image"}])
    ),
    "elements without size": lambda d: with_member(d, npy((2**40,), "<U0")),
    "a void without size": lambda d: with_member(d, npy((2**40,), "|V0")),
}  # fmt: skip


def harmless(path, data):
    """Load hostile bytes within some MiB; return None where a typed error of few words came."""
    path.write_bytes(data)
    loaded, words = None, ""
    tracemalloc.start()
    try:
        loaded = ll.Explanation.load(path)
    except InvalidInputError as error:
        words = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 48 * MIB
    assert len(words) < 1000
    return loaded


def is_what_was_saved(loaded):
    image = np.random.default_rng(0).random((8, 8))
    return np.array_equal(loaded.image, image) and loaded.n_predictions == 7


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_files_are_refused_with_few_words_or_are_what_was_saved(saved, tmp_path, attack):
    loaded = harmless(tmp_path / "why.npz", ATTACKS[attack](saved))
    holds_more = any(words in attack for words in ("MiB", "called", "archives", "lzma", "within"))
    if loaded is not None:
        assert is_what_was_saved(loaded)
        assert not holds_more or attack == "two archives"
    assert list(tmp_path.iterdir()) == [tmp_path / "why.npz"]


def pieces(data, rng):
    """Cut, repeat, drop and mix pieces of a file."""
    for _ in range(rng.integers(1, 4)):
        at, *ends = rng.integers(0, len(data) + 1, 3).tolist()
        start, stop = sorted(ends)
        piece = data[start:stop]
        kind = rng.integers(4)
        if kind == 0:
            data = data[:start] + data[stop:]
        elif kind == 1:
            data = data[:at] + piece + data[at:]
        elif kind == 2:
            data = data[:at] + piece + data[at + len(piece) :]
        else:
            data = data[:at]
        data = data or b"P"
    return data


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_pieces_in_another_order_give_typed_errors(seed, saved, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "pieces.npz"
    path.write_bytes(pieces(saved, np.random.default_rng(seed)))
    with contextlib.suppress(InvalidInputError):
        ll.Explanation.load(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_numbers_of_the_archive_that_lie_give_typed_errors(data, saved, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "lies.npz"
    made = saved
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.sampled_from(["central", "local", "end"]))
        table = {"central": CENTRAL, "local": LOCAL, "end": END}[where]
        field = data.draw(st.sampled_from(sorted(table)))
        most = 2 ** (16 if table[field].endswith("H") else 32) - 1
        value = data.draw(st.integers(0, 4000) | st.integers(0, most)) % (most + 1)
        name = data.draw(st.sampled_from(["header.npy", "image.npy", "segments.npy"]))
        made = changed(made, where, name, **{field: value})
    assert (loaded := harmless(path, made)) is None or is_what_was_saved(loaded)


@settings(max_examples=100, deadline=None)
@given(value=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.just({"array": "image"}),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["array", "tuple", "dict", "float", "x"]), inner, max_size=2),
    max_leaves=6,
), field=st.integers(0, 40))  # fmt: skip
def test_any_json_in_a_field_gives_typed_errors(value, field, saved, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fields.npz"

    def change(header):
        names = sorted(header["fields"])
        header["fields"][names[field % len(names)]] = value

    path.write_bytes(with_header(saved, change))
    with contextlib.suppress(InvalidInputError):
        loaded = ll.Explanation.load(path)
        repr(loaded)
