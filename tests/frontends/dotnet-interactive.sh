#!/bin/sh
# Notebooks in the real .NET Interactive, through jupyter nbconvert: the first cell that all our notebooks have, then what it shows, or the
# notebooks given. Parameters come from the environment, e.g. JEPAT_STEPS=4; OUTPUT is a folder that keeps the executed notebooks.
#   tests/frontends/dotnet-interactive.sh [NOTEBOOK …]
# Needs the .NET tool Microsoft.dotnet-interactive (on the PATH, or its folder in DOTNET_INTERACTIVE) and Debian's jupyter-nbconvert.
# shellcheck source=tests/frontends/other-host.sh
PATH=${DOTNET_INTERACTIVE:+$DOTNET_INTERACTIVE:}$PATH
export PATH
for tool in dotnet-interactive jupyter-nbconvert; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 0; }
done
. "$(dirname "$0")/other-host.sh"

export DOTNET_ROLL_FORWARD=LatestMajor JUPYTER_PATH="$work/jupyter" PYDEVD_DISABLE_FILE_VALIDATION=1
mkdir -p "$work/jupyter/kernels"
dotnet-interactive jupyter install --path "$work/jupyter/kernels" >/dev/null
# Loopback only: by itself it listens on every interface.
sed -i 's/"--http-port-range",/"--http-local-only",/; /"2048-3000"/d; s/"--http-local-only",/"--http-local-only"/' "$work/jupyter/kernels/.net-csharp/kernel.json"

python=/usr/bin/python3
[ $# -gt 0 ] || {
  set -- "$work/small.ipynb"
  $python - "$1" <<'TXT'
import nbformat, sys
from nbformat import v4
cells = ['''#r "nuget: TorchSharp-cpu, 0.107.0"
#r "nuget: JepaT.Lab, 0.1.0"
using System; using System.IO; using System.Linq; using System.Collections.Generic;
using JepaT.Lab;
Notebook.Start();''',
'Notebook.Show("a <b> & text"); Notebook.Show(View.Titled("<t>", "x"));',
'using TorchSharp; using JepaT.Model;\nNotebook.Show(torch.rand(3, 28, 28));\nNotebook.Show(View.Picture(torch.rand(3, 28, 28)));',
'using (var live = Notebook.Live()) { for (var i = 0; i < 300; i++) { live.Update($"state {i}"); System.Threading.Thread.Sleep(1); } }',
'var chart = new ChartView { Title = "a chart" }; chart.Point("a", 1, 2); chart.Point("a", 2, 3);\nchart',
'torch.rand(2, 3)',
'new JepaModel(new Experiment().ResolvedModel)']
book = v4.new_notebook(cells=[v4.new_code_cell(c) for c in cells], metadata={"kernelspec": {"display_name": ".NET (C#)", "language": "C#", "name": ".net-csharp"}})
nbformat.write(book, sys.argv[1])
TXT
  small=true
}

mkdir -p "$work/results"
for notebook; do
  name=$(basename "$notebook" .ipynb)
  echo "running $name"
  # The notebook's own folder is not known to this host: it is told where files belong, so that nothing lands in the clone.
  JEPAT_FOLDER="${JEPAT_FOLDER:-$work/results}" jupyter-nbconvert --to notebook --execute --ExecutePreprocessor.timeout=900 --ExecutePreprocessor.kernel_name=.net-csharp \
    --output-dir "${OUTPUT:-$work/done}" "$notebook" >"$work/log" 2>&1 || { tail -n 40 "$work/log"; fail "$name"; }
done

[ -n "${small:-}" ] || { echo "passed: $# notebooks"; exit 0; }
$python - "$work/done/small.ipynb" <<'TXT'
import nbformat, sys
cells = nbformat.read(sys.argv[1], 4).cells
def data(i):
    return [o["data"] for o in cells[i].outputs]
assert data(0)[-1]["text/plain"].startswith("JepaT 0.1.0 in .NET Interactive: "), data(0)[-1]
assert [list(d) for d in data(1)] == [["text/plain"], ["text/html"]] and data(1)[0]["text/plain"] == "a <b> & text" and "&lt;t&gt;" in data(1)[1]["text/html"]
assert "Tensor (3, 28, 28) Float32" in data(2)[0]["text/html"] and list(data(2)[1]) == ["image/png"]
assert [d["text/plain"] for d in data(3)] == ["state 299"], data(3)          # one output, changed in place
assert "<svg" in data(4)[0]["text/html"] and data(4)[0]["text/plain"].startswith("a chart")
assert "Tensor (2, 3) Float32" in data(5)[0]["text/html"]
assert "JEPA-T, fusion full" in data(6)[0]["text/html"]
print(data(0)[-1]["text/plain"])
print("passed")
TXT
