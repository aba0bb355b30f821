"""Advice of results, pictures, galleries, runs and audits."""

import numpy as np
import PIL.Image
import PIL.ImageSequence

import limelens as ll
from limelens.galleries.show import show
from limelens.pictures import sheet

rng = np.random.default_rng(0)
image = rng.random((24, 24))
stack = rng.random((3, 24, 24))
many = rng.random((10, 24, 24))
volume = rng.random((6, 8, 8))
labels = ll.Grid(4)(image)
four = ll.Ablation(segmenter=ll.Grid(4))


def two(batch):
    """Return scores (n, 2)."""
    scores = every_pixel(batch) / 1000
    return np.column_stack([scores, 1 - scores])


def explained(predict_fn=two, explainer=four, picture=image, **how):
    return explainer.explain(picture, predict_fn, rng=0, **how)


def of_volume():
    return explained(picture=volume, channel_axis=None)


def read():
    yield from stack


def animation():
    return pages("GIF", "P")


def pages(kind, mode="L"):
    """Write a file of three pictures; return its name."""
    frames = [PIL.Image.fromarray(np.uint8(255 * each)).convert(mode) for each in stack]
    frames[0].save("pages." + kind, kind, save_all=True, append_images=frames[1:])
    return "pages." + kind


def written():
    """Write a picture; return its name."""
    PIL.Image.fromarray(np.uint8(255 * image)).save("one.png")
    return "one.png"


class Table:
    """What pandas makes of columns."""

    columns = ("image",)

    def __iter__(self):
        return iter(self.columns)

    def __getitem__(self, name):
        return list(stack)


class fiftyone:  # noqa: N801 - the part of that library that the advice uses
    Heatmap = dict


class Unsendable:
    """A model that no other process can be given."""

    def __call__(self, batch):
        return two(batch)

    def __reduce__(self):
        raise TypeError("this model stays here")


CASES = [
    # average
    (
        "one, other = explained(), explained(); average(one)",
        {"average([one, other])": "one, other = explained(), explained(); average([one, other])"},
    ),
    (
        "average([explained(explainer=Occlusion(window=8)), explained(explainer=Sharp())])",
        {
            "show([one, other])": """
one, other = explained(explainer=Occlusion(window=8)), explained(explainer=Sharp())
show([one, other])
""",
        },
    ),
    (
        "average([explained(), explained(explainer=Occlusion(window=8))])",
        {
            "explanation.by_segment(labels)": """
explanation = explained(explainer=Occlusion(window=8))
average([explained(), explanation.by_segment(labels)])
""",
        },
    ),
    (
        "explained(explainer=Occlusion(window=8)).top_segments(3)",
        {
            "explanation.by_segment(labels)": """
explanation = explained(explainer=Occlusion(window=8))
explanation.by_segment(labels).top_segments(3)
""",
        },
    ),
    # exports
    (
        "of_volume().to_geojson()",
        {
            "explanation.to_dict()": "explanation = of_volume(); assert explanation.to_dict()",
            "explanation.to_csv()": "explanation = of_volume(); assert explanation.to_csv()",
        },
    ),
    (
        "of_volume().to_fiftyone()",
        {
            "fiftyone.Heatmap(map=explanation.heatmap()[k])": """
explanation, k = of_volume(), 2
assert fiftyone.Heatmap(map=explanation.heatmap()[k])['map'].shape == (8, 8)
""",
        },
    ),
    # interactions
    (
        "explained().save('why.npz'); interaction_index(Explanation.load('why.npz'), target=Top(1))",
        {
            "explanation.save(path, samples='all')": """
explanation, path = explained(explainer=ExactShapley(segmenter=Grid(4))), 'why.npz'
explanation.save(path, samples='all')
interaction_index(Explanation.load(path), target=0)
""",
        },
    ),
    (
        "e = explained(); interaction_index(e, estimator='exact')",
        {
            "ExactShapley(segmenter=LabelImage(e.segments), fill=fill)"
            ".explain(image, predict_fn, reuse=e)": """
e, fill, predict_fn = explained(), ImageMean(), two
rest = ExactShapley(segmenter=LabelImage(e.segments), fill=fill)\
.explain(image, predict_fn, reuse=e)
interaction_index(rest, estimator='exact')
""",
            "estimator='gaussian_process'": """
interaction_index(explained(), estimator='gaussian_process')
""",
        },
    ),
    (
        "explanation = explained(target=margin(0, 1)); interaction_index(explanation)",
        {
            "interaction_index(explanation, target=...)": """
explanation = explained(target=margin(0, 1))
interaction_index(explanation, target=margin(0, 1), estimator='gaussian_process')
""",
        },
    ),
    # pages, files
    (
        "compare = explained(picture=image[:12]); explained().to_html('why.html', compare=compare)",
        {
            "compare.to_html(path)": """
compare, path = explained(picture=image[:12]), 'why.html'
compare.to_html(path)
""",
        },
    ),
    (
        "explanation = explained(); explanation.save('why.png')",
        {
            "explanation.to_image().save('why.png')": """
explanation = explained()
explanation.to_image().save('why.png')
""",
        },
    ),
    (
        "explanation = explained(); explanation.save('why.html')",
        {
            "explanation.to_html('why.html')": "explanation = explained(); explanation.to_html('why.html')"
        },
    ),
    (
        "explanation = explained(); explanation.save('why.pickle')",
        {"explanation.save('why.npz')": "explanation = explained(); explanation.save('why.npz')"},
    ),
    (
        "explained().to_csv('why.npz')",
        {"explanation.save('why.npz')": "explanation = explained(); explanation.save('why.npz')"},
    ),
    (
        "explained().to_html('table.csv')",
        {
            "explanation.to_csv('table.csv')": "explanation = explained(); explanation.to_csv('table.csv')"
        },
    ),
    (
        "explained().to_csv('table.xlsx')",
        {
            "explanation.to_csv('table.csv')": "explanation = explained(); explanation.to_csv('table.csv')"
        },
    ),
    (
        "report([explained()], 'all.png')",
        {
            "report(explanations, 'all.html')": "explanations = [explained()]; report(explanations, 'all.html')"
        },
    ),
    # pictures
    (
        "picture = explained().to_image(); sheet(picture)",
        {"sheet([picture])": "picture = explained().to_image(); sheet([picture])"},
    ),
    (
        "explained(class_names=['\U000f0000', 'b'], target=0).figure()",
        {
            'font="NotoSansCJK-Regular.ttc"': """
import pathlib
import PIL.ImageFont
file = PIL.ImageFont.load_default(12).path  # any font that has the letters
pathlib.Path("NotoSansCJK-Regular.ttc").write_bytes(file.getvalue())
explained(class_names=['\u00e4', 'b'], target=0).figure(font="NotoSansCJK-Regular.ttc")
""",
        },
    ),
    # galleries
    (
        "explained().save('why.npz'); path = 'why.npz'; report(path, 'all.html')",
        {
            "report([path], ...)": """
path = 'why.npz'
explained().save(path)
report([path], 'all.html')
""",
        },
    ),
    (
        "explanation = explained(); show([explanation, explained(lambda batch: 1e6 * two(batch))])",
        {"show([explanation])": "explanation = explained(); show([explanation])"},
    ),
    (
        "one, other = explained(), explained(lambda batch: two(batch) ** 2); average([one, other])",
        {
            "show([one, other])": """
one, other = explained(), explained(lambda batch: two(batch) ** 2)
assert show([one, other]).width
""",
        },
    ),
    (
        """
one, other = explained(target=lambda s: s[:, 0]), explained(target=lambda s: s[:, 1])
average([one, other])
""",
        {
            "show([one, other])": """
one, other = explained(target=lambda s: s[:, 0]), explained(target=lambda s: s[:, 1])
assert show([one, other]).width
""",
        },
    ),
    (
        "average(list(explain_many(four, [image, np.zeros(3)], two)))",
        {
            "[each for each in explanations if isinstance(each, limelens.Explanation)]": """
explanations = list(explain_many(four, [image, np.zeros(3)], two))
average([each for each in explanations if isinstance(each, limelens.Explanation)])
""",
        },
    ),
    (
        "explained(reuse='why.npz')",
        {
            "limelens.Explanation.load(reuse)": """
import limelens
reuse = 'why.npz'
explained().save(reuse, samples='all')
assert explained(reuse=limelens.Explanation.load(reuse)).n_predictions == 1
""",
        },
    ),
    (
        "explained(reuse=[explained()])",
        {
            "reuse[0]": """
reuse = [explained()]
assert explained(reuse=reuse[0]).n_predictions == 1
""",
        },
    ),
    (
        "list(explain_many(four, stack, two, output='run')); Explanation.load('run')",
        {
            "limelens.Run.load(path)": """
import limelens
path = 'run'
list(explain_many(four, stack, two, output=path))
assert len(limelens.Run.load(path)) == 3
""",
        },
    ),
    (
        "explained().save('~/why.npz')",
        {
            "Path(path).expanduser()": """
import os
from pathlib import Path
path, home = '~/why.npz', os.environ.get('HOME', '')
os.environ['HOME'] = str(Path.cwd())
try:
    explained().save(Path(path).expanduser())
finally:
    os.environ['HOME'] = home
assert Path('why.npz').exists()
""",
        },
    ),
    (
        "explained().save('why.npz.gz')",
        {"explanation.save('why.npz')": "explanation = explained(); explanation.save('why.npz')"},
    ),
    # runs
    (
        "list(explain_many(four, image, two))",
        {
            "images=[image]": "got = list(explain_many(four, images=[image], predict_fn=two)); got[0].image"
        },
    ),
    (
        "list(explain_many(four, stack[..., :3], two))",
        {"list(stack)": "got = list(explain_many(four, list(stack), two)); got[2].image"},
    ),
    (
        "list(explain_many(four, read, two))",
        {
            "images=read()": "got = list(explain_many(four, images=read(), predict_fn=two)); got[0].image"
        },
    ),
    (
        "list(explain_many(four, animation(), two, on_error='raise'))",
        {
            '[np.asarray(frame.convert("RGB")) for frame in PIL.ImageSequence.Iterator(...)]': """
import PIL
with PIL.Image.open(animation()) as pages:
    got = [np.asarray(frame.convert("RGB")) for frame in PIL.ImageSequence.Iterator(pages)]
assert {each.ndim for each in got} == {3}
for each in explain_many(four, got, two):
    assert each.importances.any()
""",
        },
    ),
    (
        "list(explain_many(four, pages('TIFF'), two, on_error='raise'))",
        {
            "[np.asarray(frame) for frame in PIL.ImageSequence.Iterator(...)]": """
import PIL
with PIL.Image.open(pages('TIFF')) as file:
    got = [np.asarray(frame) for frame in PIL.ImageSequence.Iterator(file)]
for each in explain_many(four, got, two):
    assert each.importances.any()
""",
        },
    ),
    (
        "list(explain_many(four, dict(enumerate(stack)), two))",
        {
            "images={str(name): image for name, image in images.items()}": """
images = dict(enumerate(stack))
got = explain_many(
    four, images={str(name): image for name, image in images.items()}, predict_fn=two
)
assert [each.image.shape for each in got] == [(24, 24)] * 3
""",
        },
    ),
    (
        "list(explain_many(four, zip(stack, 'abc'), two))",
        {
            "images=((each[1], each[0]) for each in images)": """
images = zip(stack, 'abc')
got = list(explain_many(
    four, images=((each[1], each[0]) for each in images), predict_fn=two, output="run"
).names)
assert got == ['a', 'b', 'c']
""",
            "images=(each[0] for each in images)": """
images = zip(stack, 'aaa')
got = list(explain_many(four, images=(each[0] for each in images), predict_fn=two))
assert len(got) == 3 and got[0].importances.any()
""",
        },
    ),
    (
        "list(explain_many(four, enumerate(stack), two))",
        {
            "images=((str(each[0]), each[1]) for each in images)": """
images = enumerate(stack)
got = explain_many(
    four, images=((str(each[0]), each[1]) for each in images), predict_fn=two, output="run"
)
assert list(got.names) == ['0', '1', '2']
""",
        },
    ),
    (
        "list(explain_many(four, [{'label': 3, 'image': each} for each in stack], two))",
        {
            "images=(each['image'] for each in images)": """
images = [{'label': 3, 'image': each} for each in stack]
got = list(explain_many(four, images=(each['image'] for each in images), predict_fn=two))
assert len(got) == 3 and got[0].importances.any()
""",
        },
    ),
    (
        "list(explain_many(four, {written(): 3}, two))",
        {
            "images=list(images)": """
images = {written(): 3}
got = list(explain_many(four, images=list(images), predict_fn=two))
assert got[0].importances.any()
""",
        },
    ),
    (
        "list(explain_many(four, {written()}, two))",
        {
            "images=sorted(images)": """
images = {written()}
got = list(explain_many(four, images=sorted(images), predict_fn=two))
assert got[0].importances.any()
""",
        },
    ),
    (
        "list(explain_many(four, {'a': image}.keys(), two))",
        {
            "{name: image, ...}": """
name = "a"
got = list(explain_many(four, {name: image, "b": stack[0]}, two))
assert got[0].importances.any()
""",
        },
    ),
    (
        "list(explain_many(four, Table(), two))",
        {
            "images=table[name]": """
table, name = Table(), 'image'
got = list(explain_many(four, images=table[name], predict_fn=two)); got[0].image
""",
        },
    ),
    (
        "list(explain_many(Ablation, stack, two))",
        {"Ablation()": "got = list(explain_many(Ablation(), stack, two)); got[0].image"},
    ),
    (
        "list(explain_many('lime', stack, two))",
        {"Lime()": "got = list(explain_many(Lime(), stack, two)); got[0].image"},
    ),
    (
        "explain_many(four, stack, two, output='run')[:2]",
        {
            "[run[name] for name in run.names[:5]]": """
run = explain_many(four, stack, two, output='run')
assert len([run[name] for name in run.names[:5]]) == 3
""",
        },
    ),
    (
        "list(explain_many(four, stack, Unsendable(), n_jobs=2))",
        {
            "n_jobs=1": "list(explain_many(four, stack, Unsendable(), n_jobs=1))[0].image",
            "predict_fn='module:function'": """
import pathlib, sys
sys.path.insert(0, '.')
pathlib.Path('module.py').write_text('def function(batch): return batch.mean(axis=(1, 2))')
got = list(explain_many(four, stack, predict_fn='module:function', n_jobs=1))
got[0].image
""",
        },
    ),
    # audits
    (
        "limelens.summarize([explained(target=0), explained(target=1), explained(target=1)])",
        {
            "target=...": """
both = [explained(target=(0, 1), picture=each) for each in many]
limelens.summarize(both, target='1')
""",
            "explain(..., target=...)": """
def explain(picture, **how):
    return explained(picture=picture, **how)
limelens.summarize([explain(each, target=1) for each in many])
""",
        },
    ),
    (
        "limelens.audit(many, lambda batch: 1000 * two(batch), target=1, segmenter=Grid(9))",
        {
            "target=lambda scores: scores[:, 1]": """
limelens.audit(
    many, lambda batch: 1000 * two(batch), target=lambda scores: scores[:, 1], segmenter=Grid(9)
)
""",
        },
    ),
]
