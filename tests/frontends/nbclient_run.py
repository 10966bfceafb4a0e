#!/usr/bin/python3
"""A notebook run by nbclient and by jupyter nbconvert --execute, and one whose cell fails.

    tests/frontends/nbclient_run.py [KERNEL]        jepat-csharp by default; JUPYTER_PATH says where it is installed
"""
import pathlib
import subprocess
import sys
import tempfile

import nbclient
import nbformat
from nbformat import v4

kernel = sys.argv[1] if len(sys.argv) > 1 else "jepat-csharp"
cells = [
    "using System.Globalization;\nrecord Point(int X, int Y);\nvar p = new Point(1, 2);",
    "Console.WriteLine(\"a < b\"); Console.Error.WriteLine(\"so\");\np",
    "var d = display(\"first\");\nawait Task.Delay(200);\nd.Update(\"last\");",
    "File.Exists(\"beside.txt\")",
]


def notebook(sources):
    metadata = {"kernelspec": {"display_name": "C# (JepaT)", "language": "C#", "name": kernel}}
    return v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources], metadata=metadata)


def check(book):
    nbformat.validate(book)
    outputs = [cell.outputs for cell in book.cells]
    assert outputs[0] == [], outputs[0]
    assert [(o.name, o.text) for o in outputs[1] if o.output_type == "stream"] == [("stdout", "a < b\n"), ("stderr", "so\n")], outputs[1]
    assert "X = 1, Y = 2" in outputs[1][-1].data["text/plain"].replace("X: 1", "X = 1, Y = 2"), outputs[1]
    assert [o.data["text/plain"] for o in outputs[2]] == ["last"], outputs[2]
    assert outputs[3][0].data["text/plain"] == "True", outputs[3]
    assert [cell.execution_count for cell in book.cells] == [1, 2, 3, 4]
    assert book.metadata.language_info.name == "C#" and book.metadata.language_info.file_extension == ".cs"


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / "beside.txt").write_text("x")

    book = notebook(cells)
    nbclient.NotebookClient(book, timeout=240, startup_timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    check(book)

    failing = notebook(["1", "var x = 1;\nthrow new InvalidOperationException(\"so\");", "2"])
    try:
        nbclient.NotebookClient(failing, timeout=240, startup_timeout=240).execute()
        raise SystemExit("the failing cell did not fail")
    except nbclient.exceptions.CellExecutionError as error:
        assert error.ename == "InvalidOperationException" and error.evalue == "so", error
        assert "cell 2, line 2" in str(error), error

    endless = notebook(["var kept = 1;", "kept = 2;\nwhile (true) { }", "kept == 2"])
    nbclient.NotebookClient(endless, timeout=20, interrupt_on_timeout=True, allow_errors=True, startup_timeout=240).execute()
    assert endless.cells[1].outputs[-1].ename == "Interrupted", endless.cells[1].outputs
    assert endless.cells[2].outputs[0].data["text/plain"] == "True", endless.cells[2].outputs

    nbformat.write(notebook(cells), folder / "in.ipynb")
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=240", "--ExecutePreprocessor.startup_timeout=240",
                    "--output", "out.ipynb", str(folder / "in.ipynb")], check=True)
    check(nbformat.read(folder / "out.ipynb", 4))
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", str(folder / "out.ipynb")], check=True)
    assert "a &lt; b" in (folder / "out.html").read_text()
print("passed", file=sys.stderr)
