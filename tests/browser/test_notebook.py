"""What a notebook shows at the end of a cell, without pyplot and without a magic command."""

import pytest

pytestmark = pytest.mark.browser

SETUP = """
import numpy as np
import limelens as ll
explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
explanation = explainer.explain(np.eye(8), lambda batch: batch.mean(axis=(1, 2)))
"""


@pytest.fixture(scope="module")
def outputs():
    """Run a notebook of three cells and return what each shows, by type."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [SETUP, "explanation.figure()", "explanation.plot()", "explanation"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.execute()
    return {
        name: cell.outputs[0].data
        for name, cell in zip(("figure", "plot", "card"), notebook.cells[1:], strict=True)
    }


@pytest.mark.parametrize("name", ["figure", "plot", "card"])
def test_what_ends_a_cell_is_shown_as_a_picture(outputs, name):
    if name == "plot":
        pytest.importorskip("matplotlib")
    assert outputs[name]["image/png"]


def test_the_card_is_a_table_too(outputs):
    assert "<table>" in outputs["card"]["text/html"]
