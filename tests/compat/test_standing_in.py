"""lime's names: as an import, and for libraries that import lime themselves."""

import importlib
import importlib.util
import pickle
import sys
from types import ModuleType

import pytest

from limelens.compat import install, lime_image, uninstall
from limelens.compat.scikit_image import SegmentationAlgorithm
from limelens.errors import InvalidInputError


@pytest.fixture
def without_lime(monkeypatch):
    """No lime is installed or imported, and none is left behind."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "lime"]:
        monkeypatch.delitem(sys.modules, name)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "lime" else found(name)
    )
    yield monkeypatch
    uninstall()


def test_one_import_stands_for_lime():
    import limelens.compat as lime

    assert lime.lime_image.LimeImageExplainer is lime_image.LimeImageExplainer
    assert lime.lime_base.LimeBase is importlib.import_module("limelens.compat.lime_base").LimeBase
    assert lime.wrappers.scikit_image.SegmentationAlgorithm is SegmentationAlgorithm


def test_the_segmenters_have_lime_s_path_too():
    from limelens.compat.wrappers import scikit_image
    from limelens.compat.wrappers.scikit_image import BaseWrapper

    assert scikit_image.SegmentationAlgorithm is SegmentationAlgorithm
    assert issubclass(SegmentationAlgorithm, BaseWrapper)


def test_libraries_that_import_lime_get_what_is_here(without_lime):
    install()
    import lime
    import lime.lime_base
    from lime import lime_image as by_name
    from lime.wrappers.scikit_image import SegmentationAlgorithm as Algorithm

    assert lime.lime_image is by_name is lime_image
    assert Algorithm is SegmentationAlgorithm
    assert importlib.util.find_spec("lime.lime_image") is not None
    with pytest.raises(ModuleNotFoundError, match="lime_text"):
        importlib.import_module("lime.lime_text")
    made = lime.lime_image.LimeImageExplainer(random_state=0)
    assert pickle.loads(pickle.dumps(made.base.verbose)) is False


def test_uninstalling_leaves_nothing_behind(without_lime):
    install()
    install()  # changes nothing
    uninstall()
    uninstall()
    assert not [name for name in sys.modules if name.partition(".")[0] == "lime"]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("lime.lime_image")


def test_an_imported_lime_is_hidden_only_when_told_and_comes_back(without_lime):
    theirs, part = ModuleType("lime"), ModuleType("lime.lime_tabular")
    without_lime.setitem(sys.modules, "lime", theirs)
    without_lime.setitem(sys.modules, "lime.lime_tabular", part)
    with pytest.raises(InvalidInputError, match=r"`replace` must be True.*install\(replace=True\)"):
        install()
    assert sys.modules["lime"] is theirs
    install(replace=True)
    assert "lime.lime_tabular" not in sys.modules
    assert sys.modules["lime.lime_image"] is lime_image
    uninstall()
    assert sys.modules["lime"] is theirs
    assert sys.modules["lime.lime_tabular"] is part
    assert "lime.lime_image" not in sys.modules


def test_an_installed_lime_is_not_hidden_by_accident(without_lime, tmp_path):
    without_lime.undo()
    (tmp_path / "lime").mkdir()
    (tmp_path / "lime" / "__init__.py").write_text("")
    without_lime.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lime"]:
        without_lime.delitem(sys.modules, name)
    with pytest.raises(InvalidInputError, match="the lime that is installed"):
        install()
