"""One answer for a class from a handful of calls for each image."""

import json
import re
import threading
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_digits

import limelens as ll
from limelens.audits import drawing
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.testing import MARKER, Recorder, digits_classifier, mark

CELLS = ll.Grid(cell=(2, 2))


def noise(n=20, shape=(4, 6), seed=0):
    return np.random.default_rng(seed).random((n, *shape))


def first_quarter(batch):
    return 0.25 + batch[:, :2, :3].mean(axis=(1, 2)) / 2


def audit(images=None, model=first_quarter, **changes):
    settings = {"target": 0, "segmenter": ll.Grid(4), "fill": ll.Constant(0), "grid": 2}
    return ll.audit(noise() if images is None else images, model, **(settings | changes))


def threes(n=50, *, marked=True):
    digits = load_digits()
    images = digits.images[digits.target == 3][:n]
    return mark(images) if marked else images


@pytest.fixture(scope="module")
def spoiled():
    model = digits_classifier(spoiled=True)
    return ll.audit(threes(), model, target=3, segmenter=CELLS)


def test_the_planted_marker_is_found_and_measured(spoiled):
    place = spoiled.effect("top right")
    assert spoiled.grid_found[:4, 12:].all()
    assert place.low < 3.46 < place.high  # from 400 pairs for each image
    assert place.share_low > 0.9
    assert abs(place.control) < 0.2 * place.value
    assert spoiled.n_predictions == 400 + 1  # the second look at the first image


def test_an_honest_classifier_does_not_rely_on_the_marker():
    found = ll.audit(threes(), digits_classifier(), target=3, segmenter=CELLS)
    corner = found.grid_found[:4, 12:] & (found.grid_effects[:4, 12:] > 0)
    assert not corner.any()


def test_what_was_found_is_said_in_a_sentence(spoiled):
    said = str(spoiled)
    assert "class 3: 50 images, 401 calls of the model" in said
    assert "The region at the top right raises log-odds by 3." in said
    assert "of images; shuffled control" in said
    assert "regions at the border raise log-odds by" in said


def test_a_model_that_likes_everything_relies_on_no_place():
    """Every region raises the score alike: that is said of all of them, and of no place."""

    def model(batch):
        return 1 / (1 + np.exp(-batch.sum(axis=(1, 2)) / 4))

    found = audit(model=model)
    assert found.effect("any region").found
    assert (found.grid_effects / found.grid_errors).min() > 6
    assert not found.grid_found.any()


def test_nothing_found_is_said_too():
    def hashed(batch):
        return 0.5 + 0.4 * np.sin(1e4 * batch.reshape(len(batch), -1) @ np.arange(24.0))

    assert "Nothing was found that chance does not explain" in str(audit(model=hashed))


def test_the_mean_map_is_that_of_exact_effects():
    images = noise(30)
    found = audit(images, calls_per_image=16)  # all masks of four regions
    corner = 0.25 + images[:, :2, :3].mean(axis=(1, 2)) / 2
    effects = np.log(corner / (1 - corner)) - np.log(0.25 / 0.75)
    assert found.grid_effects[0, 0] == pytest.approx(effects.mean(), abs=1e-12)
    error = effects.std(ddof=1) / np.sqrt(30)
    assert found.grid_errors[0, 0] == pytest.approx(error, abs=1e-12)
    np.testing.assert_allclose(found.grid_effects.ravel()[1:], 0, atol=1e-12)
    np.testing.assert_allclose(
        found.image_effects[:, [e.name for e in found.effects].index("top left")], effects
    )


def test_labels_are_regions_and_their_effects_exact():
    """Three regions have eight masks, and eight are asked."""
    labels = np.array([[5, 5, 5, 6, 6, 6]] * 2 + [[7] * 6] * 2)
    images = noise(12)
    found = audit(images, labels=labels, label_names={5: "lesion", 6: "ruler"}, segmenter=None)
    corner = 0.25 + images[:, :2, :3].mean(axis=(1, 2)) / 2
    effects = np.log(corner / (1 - corner)) - np.log(0.25 / 0.75)
    names = [effect.name for effect in found.effects if effect.kind == "label"]
    assert names == ["lesion", "ruler", "label 7"]
    assert found.effect("lesion").value == pytest.approx(effects.mean())
    assert found.effect("lesion").standard_error == pytest.approx(effects.std(ddof=1) / 12**0.5)
    assert found.effect("lesion").share == 1
    assert found.effect("ruler").value == pytest.approx(0, abs=1e-12)
    assert found.effect("ruler").p == 1
    assert "'lesion' raises log-odds by" in str(found)


@pytest.mark.parametrize("kind", ["one", "each", "generator", "callable"])
def test_labels_come_in_every_form(kind):
    labels = np.array([[0, 0, 0, 1, 1, 1]] * 4)
    forms = {
        "one": labels,
        "each": [labels] * 20,
        "generator": (labels for _ in range(20)),
        "callable": lambda image: labels,
    }
    found = audit(labels=forms[kind], segmenter=None)
    assert found.effect("label 0").value > 0.1


def test_with_a_segmenter_labels_are_shares_of_its_segments():
    labels = np.array([[0, 0, 0, 0, 0, 1]] * 4)
    found = audit(labels=labels)
    assert found.effect("label 0").value > 0
    assert found.effect("label 1").value < found.effect("label 0").value


def test_descriptors_of_ones_own():
    def describe(image, region):
        return {"first": float(region[0, 0]), "mean": image[region].mean()}

    found = audit(descriptors=describe, calls_per_image=16)
    assert found.effect("first").unit == "yes or no"
    assert found.effect("first").value == pytest.approx(found.grid_effects[0, 0], rel=0.1)
    assert found.effect("first").found
    assert not found.effect("mean").found


@pytest.mark.parametrize("last", [0, -0.5])
def test_descriptors_that_were_found_are_added_up_where_there_are_two(last):
    def model(batch):
        return batch[:, 0, 0] / 2 + last * batch[:, 3, 5]

    def describe(image, region):
        return {"first": float(region[0, 0]), "last": float(region[3, 5])}

    settings = {"target": lambda scores: scores[:, 0], "descriptors": describe}
    found = audit(noise(40), model, calls_per_image=16, **settings)
    patterns = [effect for effect in found.effects if effect.kind == "pattern"]
    assert len(patterns) == (1 if last else 0)
    for pattern in patterns:
        assert pattern.name == "'first', not 'last'"
        parts = found.effect("first").value - found.effect("last").value
        assert pattern.value == pytest.approx(parts)


def test_a_descriptor_may_be_called_as_ours_are():
    found = audit(descriptors=lambda image, region: {"any region": image[region].mean()})
    assert [effect.name for effect in found.effects][:2] == [
        "any region",
        "any region (descriptor)",
    ]
    assert not np.isnan(found.effect("any region (descriptor)").control)


def test_images_of_different_sizes_meet_on_the_grid():
    sizes = [(4, 5), (8, 6), (5, 9), (16, 16)]
    images = [noise(1, sizes[k % 4], seed=k)[0] for k in range(24)]

    def top_left(batch):
        _, height, width = batch.shape
        return 0.2 + batch[:, : height // 2, : width // 2].mean(axis=(1, 2)) / 2

    found = audit(images, top_left)
    assert found.grid_found.tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize(
    ("shape", "axis"), [((4, 6, 3), -1), ((3, 4, 4), 0), ((3, 4, 4), None), ((3, 4, 4, 2), -1)]
)
def test_every_layout_is_audited(shape, axis):
    def model(batch):
        return 1 / (1 + np.exp(-batch.reshape(len(batch), -1).sum(axis=1)))

    found = audit(noise(12, shape), model, channel_axis=axis)
    assert found.heatmap().shape == (2, 2)
    assert found.effect("any region").value > 0
    assert found.to_image().size[0] > 100


def test_a_generator_gives_what_a_list_gives():
    images = noise()
    listed, streamed = audit(list(images)), audit(image for image in images)
    np.testing.assert_array_equal(listed.grid_effects, streamed.grid_effects)
    assert listed.to_dict() == streamed.to_dict()


def test_folders_patterns_and_paths_are_audited(tmp_path):
    from PIL import Image

    images = (255 * noise(12)).astype(np.uint8)
    for k, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{k:02d}.png")

    def model(batch):
        return first_quarter(batch / 255)

    first, *others = (
        audit(source, model)
        for source in (images, tmp_path, f"{tmp_path}/*.png", sorted(tmp_path.iterdir()))
    )
    for other in others:
        np.testing.assert_array_equal(other.grid_effects, first.grid_effects)
        assert other.names[3] == "03.png"


def test_images_are_read_one_after_the_other_and_let_go():
    alive = []

    def stream():
        import weakref

        for seed in range(12):
            image = noise(1, seed=seed)[0].copy()
            alive.append(weakref.ref(image))
            yield image
            del image
            assert sum(each() is not None for each in alive[:-1]) == 0

    audit(stream())


def test_the_same_seed_gives_the_same_answer_whatever_the_batch_size():
    first, again, other = audit(), audit(batch_size=1), audit(rng=1)
    assert first.to_dict() == again.to_dict()
    assert first.to_dict() != other.to_dict()


def test_images_are_not_changed():
    images = noise()
    images.flags.writeable = False
    audit(images)


@pytest.mark.parametrize("calls", [4, 6, 8, 12])
def test_no_more_calls_than_asked_for(calls):
    recorder = Recorder(first_quarter)
    found = audit(model=recorder, segmenter=ll.Grid(24), calls_per_image=calls)
    assert found.n_predictions == recorder.n_images == 20 * calls + 1


def test_all_masks_cost_what_there_are():
    assert (
        audit(labels=np.array([[0, 0, 0, 1, 1, 1]] * 4), segmenter=None).n_predictions == 20 * 4 + 1
    )


def test_logits_and_functions_of_scores_are_taken_as_they_are():
    def model(batch):
        return np.column_stack([10 * batch[:, 0, 0], batch[:, 3, 3]])

    found = audit(model=model, target=lambda scores: scores[:, 0])
    assert found.quantity == "the score"
    assert "raises the score by" in str(found)
    assert audit(model=model, target=ll.margin(0)).target_name == "margin(0)"


def test_the_advice_for_logits_works():
    def model(batch):
        return np.column_stack([-batch.sum(axis=(1, 2)), batch.sum(axis=(1, 2))])

    with pytest.raises(PredictionError, match=r"`target` 1 means the log-odds") as error:
        audit(model=model, target=1)
    advice = str(error.value).split("target=")[-1].rstrip(".")
    assert audit(model=model, target=eval(advice)).effect("any region").value > 0


def test_classes_have_names():
    def model(batch):
        p = first_quarter(batch)
        return np.column_stack([1 - p, p])

    found = audit(model=model, target="wolf", class_names=["dog", "wolf"])
    assert str(found).startswith("wolf: 20 images")
    assert found.effect("top left").value > 0


def test_progress_counts_the_images():
    seen = []
    settings = {"segmenter": ll.Grid(24), "progress": lambda *seen_now: seen.append(seen_now)}
    audit(**settings)
    assert seen[-1] == (161, 161)
    assert all(before[0] < after[0] for before, after in pairwise(seen))


def test_images_that_come_twice_are_warned_of():
    images = noise()
    images[7] = images[2]
    with pytest.warns(LimelensWarning, match="'image-000007' for example is 'image-000002'"):
        audit(images)


def test_few_images_are_warned_of():
    with pytest.warns(LimelensWarning, match="9 images are too few"):
        found = audit(noise(9))
    assert np.isfinite(found.grid_errors).all()


def test_two_images_are_an_audit():
    with pytest.warns(LimelensWarning, match="2 images are too few"):
        assert str(audit(noise(2))).startswith("class 0: 2 images")


def test_a_score_that_never_changes_is_warned_of():
    with pytest.warns(LimelensWarning, match="the score of class 0 never changed"):
        found = audit(model=lambda batch: np.full(len(batch), 0.5))
    assert not found.found
    assert not found.grid_effects.any()
    found.to_image()
    found.contact_sheet()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": 3}, "`images` must be a folder"),
        ({"images": "no-such-folder"}, "no-such-folder"),
        ({"images": np.zeros((4, 4))}, "`images` must be several images"),
        ({"images": np.zeros((9, 8, 3))}, "`images` must be several images"),
        ({"images": []}, "`images` must hold at least one"),
        ({"images": noise(1)}, "`images` must be at least two"),
        ({"images": [np.zeros(4)] * 3}, "`image` must have at least two axes"),
        ({"images": [np.zeros((4, 6))] * 3}, "`fill` returned the image itself"),
        ({"model": "net.onnx"}, "no file is at 'net.onnx'"),
        ({"target": None}, "`target` must be one class"),
        ({"target": [0, 1]}, "`target` must be one class"),
        ({"target": ll.Top(2)}, "`target` must be one class"),
        ({"target": -1}, "`target` must be an integer"),
        ({"target": 5}, "needs score column 5"),
        ({"target": "cat"}, "class_names"),
        ({"target": lambda scores: np.hstack([scores, scores])}, "`target` must give one value"),
        ({"calls_per_image": 2}, "`calls_per_image` must be an integer >= 4"),
        ({"calls_per_image": 7}, "Pass 8"),
        ({"segmenter": 50}, r"Slic\(50\)"),
        ({"fill": 0}, r"Constant\(0\)"),
        ({"labels": 3}, "`labels` must be"),
        ({"labels": [np.zeros((4, 6), int)] * 20}, "at least two segments"),
        ({"labels": [np.eye(4, 6, dtype=int)] * 19}, "`labels` must have one entry for each image"),
        ({"labels": [np.eye(4, 6, dtype=int)] * 21}, "`labels` must have one entry for each image"),
        ({"labels": np.eye(5, dtype=int)}, "`labels` must have the image's spatial shape"),
        ({"label_names": {1: "a"}}, "must come with `labels`"),
        ({"labels": np.eye(4, 6, dtype=int), "label_names": ["a", "b"]}, "`label_names` must be"),
        ({"labels": np.eye(4, 6, dtype=int), "label_names": {1: 2}}, "`label_names` must be"),
        ({"descriptors": 3}, "`descriptors` must be a callable"),
        ({"grid": 0}, "`grid` must be an integer"),
        ({"grid": (2, 2, 2)}, "`grid` must be a number of cells"),
        ({"level": 0}, "`level` must be"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"rng": -1}, "`rng`"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, words):
    with pytest.raises(InvalidInputError, match=words):
        audit(**changes)


def test_an_error_names_the_image():
    images = dict(zip("abcdef", [*noise(5), np.zeros(4)], strict=True))
    with pytest.raises(InvalidInputError) as error:
        audit(images, on_error="raise")
    assert "at 'f', after 5 images" in error.value.__notes__


def test_an_image_that_cannot_be_used_is_left_out_and_told():
    images = dict(zip("abcdefghijkl", [np.zeros(4), *noise(11)], strict=True))
    images["e"] = lambda: 1 / 0
    with pytest.warns(
        LimelensWarning, match="2 of 12 images could not be used, the first, 'a', by"
    ):
        found = audit(images)
    assert found.names == tuple("bcdfghijkl")
    assert [failure.name for failure in found.failures] == ["a", "e"]
    assert "ZeroDivisionError" in found.failures[1].error
    assert found.to_dict()["failures"][1]["name"] == "e"
    images = {name: images[name] for name in found.names}
    np.testing.assert_array_equal(audit(images).grid_effects, found.grid_effects)


def test_labels_stay_with_their_images_where_one_cannot_be_used():
    labels = [np.full((4, 6), 7), *np.arange(24).reshape(4, 6)[np.newaxis].repeat(11, 0) // 12]
    images = [np.zeros(4), *noise(11)]
    with pytest.warns(LimelensWarning, match="1 of 12 images"):
        found = audit(images, labels=labels, segmenter=None)
    assert {effect.name for effect in found.effects if effect.kind == "label"} == {
        "label 0",
        "label 1",
    }


@pytest.mark.parametrize("n", [2, 100])
def test_a_model_that_fails_on_the_first_images_ends_the_audit(n):
    model = Recorder(lambda batch: None)
    with pytest.raises(PredictionError, match="got None"):
        audit(noise(n), model)
    assert model.n_calls <= 5


def test_a_target_that_the_model_does_not_have_ends_the_audit_at_once():
    model = Recorder(first_quarter)
    with pytest.raises(InvalidInputError, match="`target`"):
        audit(model=model, target="cat")
    assert model.n_calls == 1


def test_a_model_is_found_by_its_place(tmp_path, monkeypatch):
    (tmp_path / "audited_model.py").write_text(
        "from numpy import mean\n\ndef f(batch):\n"
        "    return 0.25 + batch[:, :2, :3].mean(axis=(1, 2)) / 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = audit(model="audited_model:f")
    np.testing.assert_array_equal(found.grid_effects, audit().grid_effects)


def test_several_batches_in_flight_give_the_same_answer():
    threads = set()

    def model(batch):
        threads.add(threading.current_thread())
        return first_quarter(batch)

    found = audit(model=model, batch_size=2, in_flight=3)
    assert len(threads) > 1
    np.testing.assert_array_equal(found.grid_effects, audit().grid_effects)


def test_descriptors_must_be_alike_for_all_images():
    def describe(image, region):
        return {f"of {image.shape[0]} rows": 1.0}

    with pytest.raises(InvalidInputError, match="same descriptors for every image"):
        audit([noise(1)[0], noise(1, (6, 6))[0]], descriptors=describe)


def test_the_contact_sheet_puts_those_first_that_depend_most(monkeypatch, spoiled):
    images = threes(40, marked=False)
    has = np.arange(40) % 2 == 0
    images = np.where(has[:, np.newaxis, np.newaxis], mark(images), images)
    model = digits_classifier(spoiled=True)
    names = [f"{'marked' if each else 'plain'} {k}" for k, each in enumerate(has)]
    found = ll.audit(
        dict(zip(names, images, strict=True)),
        model,
        target=3,
        labels=np.where(MARKER, 1, 0),
        label_names={0: "digit", 1: "corner"},
    )
    order = [found.names[k].split()[0] for k in found.ranking("corner")]
    assert order == ["marked"] * 20 + ["plain"] * 20
    assert found.contact_sheet(3, on="corner").size[0] > 300
    numbers = []
    monkeypatch.setattr(drawing, "sheet", lambda _, titles, **__: numbers.extend(titles))
    found.contact_sheet(3, on="corner")
    decimals = {len(title.split("\n")[1].split(" ")[0].partition(".")[2]) for title in numbers}
    assert len(numbers) == 6
    assert len(decimals) == 1  # not -2 beside -2.1


def test_the_numbers_of_a_column_of_the_table_have_equally_many_decimals(spoiled):
    lines = str(spoiled).splitlines()
    rows = lines[next(k for k, line in enumerate(lines) if "effect (95 %)" in line) + 1 :]
    numbers = [re.findall(r"[+-]?\d+\.\d+ ± \d+\.\d+", row) for row in rows]
    assert len(rows) == len(spoiled.effects)
    for column in (0, 1):  # effect and shuffled control
        written = [
            part for row in numbers if len(row) > column for part in row[column].split(" ± ")
        ]
        assert len(written) > 2
        assert len({len(each.partition(".")[2]) for each in written}) == 1


def test_of_a_negative_effect_the_most_negative_come_first():
    found = audit(model=lambda batch: 1 - first_quarter(batch), calls_per_image=16)
    row = [effect.name for effect in found.effects].index("top left")
    assert found.effects[row].value < 0
    assert found.ranking("top left")[0] == found.image_effects[:, row].argmin()
    assert "lowers log-odds by" in str(found)


def test_a_contact_sheet_of_chance_does_not_say_that_images_depend_on_it(monkeypatch, spoiled):
    headings, rows = [], []

    def kept(*_, heading, **others):
        headings.append(heading)
        rows.append(others["rows"])

    monkeypatch.setattr(drawing, "sheet", kept)
    found = next(effect.name for effect in spoiled.effects if effect.found)
    spoiled.contact_sheet(on=found)
    with pytest.warns(LimelensWarning, match="never changed"):
        audit(model=lambda batch: np.full(len(batch), 0.5)).contact_sheet()
    assert "depend most, and least, on" in headings[0]
    assert headings[0].endswith("change of log-odds")
    assert "nothing found" in headings[1]
    assert rows == [("depend most", "depend least"), ("first", "last")]


def test_unknown_effects_are_refused(spoiled):
    with pytest.raises(InvalidInputError, match=r"`on` must be one of .*'bright'.*; got 'blue'"):
        spoiled.contact_sheet(on="blue")
    with pytest.raises(InvalidInputError, match="`name` must be one of"):
        spoiled.effect("blue")
    with pytest.raises(InvalidInputError, match="`n` must be"):
        spoiled.contact_sheet(0)


def test_effects_of_one_name_are_told_apart():
    labels = np.array([[0] * 3 + [1] * 3] * 2 + [[1] * 6] * 2)
    found = audit(labels=labels, label_names={0: "top left", 1: "rest"}, segmenter=None)
    names = [effect.name for effect in found.effects]
    assert names == ["top left", "rest", "top left (place)"]
    assert found.effect("top left").kind == "label"


def test_the_map_enlarges(spoiled):
    assert spoiled.heatmap((40, 30)).shape == (40, 30)
    assert spoiled.heatmap((16, 16)) == pytest.approx(spoiled.heatmap())
    spoiled.heatmap()[...] = 0
    assert spoiled.heatmap().any()


def test_an_audit_becomes_plain_data(spoiled):
    plain = json.loads(json.dumps(spoiled.to_dict(), allow_nan=False))
    assert plain["effects"][0]["found"]
    assert len(plain["names"]) == len(plain["scores"]) == 50


def test_a_notebook_shows_words_and_table(spoiled):
    html = spoiled._repr_html_()
    assert "<table>" in html
    assert "top right" in html
    assert repr(spoiled).startswith("<Audit of class 3: 50 images, 401 calls")


def test_names_cannot_become_markup():
    def model(batch):
        p = first_quarter(batch)
        return np.column_stack([1 - p, p])

    found = audit(model=model, target="<b>", class_names=["a", "<b>"])
    assert "&lt;b&gt;" in found._repr_html_()
    assert "<b>" not in found._repr_html_()


def test_a_stronger_level_finds_no_more():
    few = {effect.name for effect in audit(level=0.001).found}
    assert few <= {effect.name for effect in audit(level=0.1).found}


@pytest.mark.parametrize("place", [0, 7, 18])
def test_labels_that_fail_while_they_are_read_end_the_audit_and_say_why(place):
    rng = np.random.default_rng(0)

    def labels():
        for number in range(20):
            if number == place:
                raise OSError("the disk is gone")
            yield np.repeat(np.arange(4), 36).reshape(12, 12)

    with pytest.raises(
        InvalidInputError, match="got fewer after OSError: the disk is gone"
    ) as caught:
        audit(
            rng.random((20, 12, 12, 3)),
            lambda batch: batch.mean(axis=(1, 2, 3))[:, np.newaxis],
            target=0,
            labels=labels(),
        )
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_an_image_without_labels_has_to_be_left_out():
    pictures = np.random.default_rng(0).random((20, 12, 12, 3))
    labels = [np.repeat(np.arange(4), 36).reshape(12, 12)] * 19

    def audited(pictures, labels):
        return audit(pictures, lambda batch: batch.mean(axis=(1, 2)), target=0, labels=labels)

    with pytest.raises(InvalidInputError, match=r"got None\. Leave out the images that have none"):
        audited(pictures, [*labels, None])
    assert len(audited(pictures[:-1], labels).names) == 19
