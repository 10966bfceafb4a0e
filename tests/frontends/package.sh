#!/bin/sh
# Our packages in a program that knows nothing of this repository: restores, starts, draws a sample from random weights, judges it with
# the network that the package carries.
#   tests/frontends/package.sh
# shellcheck source=tests/frontends/other-host.sh
. "$(dirname "$0")/other-host.sh"

mkdir "$work/program"
cd "$work/program"
cat >program.csproj <<'TXT'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <InvariantGlobalization>true</InvariantGlobalization>
    <SatelliteResourceLanguages>en</SatelliteResourceLanguages>
    <UseCurrentRuntimeIdentifier>true</UseCurrentRuntimeIdentifier>
    <SelfContained>false</SelfContained>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="JepaT.Lab" Version="0.1.0" />
  </ItemGroup>
</Project>
TXT
cat >Program.cs <<'TXT'
using JepaT.Lab;
using JepaT.Model;

Notebook.Start();
using var model = new JepaModel(new Experiment().ResolvedModel);
model.eval();
using var images = Sampler.Images(model, null, [1, 2], new SamplingConfig { Iterations = 2, OdeSteps = 2 });
Notebook.Show(View.Images(images, ["first", "second"]));
Notebook.Show(images);
using var judge = FeatureNetwork.Load();
using var seen = judge.Extract(images);
Console.WriteLine($"judged by {judge.Hash[..8]}");
TXT
dotnet run -v q >output.txt 2>&1 || { cat output.txt; fail "the program did not run"; }
cat output.txt
for wanted in "JepaT 0.1.0 in a console" "first | second" "Tensor (2, 3, 28, 28) Float32, cpu" "judged by"; do
  grep -qF "$wanted" output.txt || fail "no '$wanted' in its output"
done
echo "passed"
