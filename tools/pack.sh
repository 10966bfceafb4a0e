# shellcheck shell=sh
# shellcheck disable=SC2154 # root, out, torch come from lab
# ./lab pack: sourced by lab after its checks of the machine.

# pack [--no-register]: makes the packages that a notebook's first cell names, for hosts other than ours.
pack() {
  register=true
  for argument; do
    case $argument in
      --no-register) register=false ;;
      -h | --help)
        cat <<'TXT'
./lab pack                  makes the NuGet packages JepaT.Model and JepaT.Lab in artifacts/packages and
                            registers that folder as the user's NuGet source "jepat", so that notebooks in
                            .NET Interactive, ClrKernel and Verso find them. ./lab notebook needs none of this.
./lab pack --no-register    makes the packages only
To take the source away again: dotnet nuget remove source jepat
TXT
        exit 0 ;;
      *) say "pack: '$argument' is unknown; ./lab pack --help tells the options"; exit 1 ;;
    esac
  done

  packages=$out/packages
  mkdir -p "$packages"
  say "packing"
  for project in JepaT.Model JepaT.Lab; do
    if ! (cd "$root" && dotnet pack "src/$project" -c Release --nologo -v q --disable-build-servers "-p:Torch=$torch" -o "$packages") >"$out/pack.log" 2>&1; then
      say "packing $project failed (all of it: $out/pack.log)"
      grep -E 'error [A-Z]+[0-9]+' "$out/pack.log" | sort -u | head -n 20 >&2 || tail -n 20 "$out/pack.log" >&2
      exit 1
    fi
  done
  # NuGet takes a version that it has unpacked once from its own folder for ever: what is packed anew must be unpacked anew.
  cache=${NUGET_PACKAGES:-$HOME/.nuget/packages}
  rm -rf "$cache/jepat.model" "$cache/jepat.lab"
  for file in "$packages"/JepaT.*.nupkg; do echo "$file"; done

  if $register; then
    register_source
  else
    say "not registered; to do so: dotnet nuget add source \"$packages\" --name jepat"
  fi
}

# register_source: a source of the user, the only kind that all hosts read. The same again changes nothing.
register_source() {
  if known=$(dotnet nuget list source --format detailed | sed -n '/ jepat \[/{n;s/^ *//p;}') && [ -n "$known" ]; then
    if [ "$known" = "$packages" ]; then
      say "the folder is the user's NuGet source \"jepat\" already"
      return
    fi
    dotnet nuget update source jepat --source "$packages" >/dev/null
    say "the user's NuGet source \"jepat\" was $known and is now $packages"
  else
    dotnet nuget add source "$packages" --name jepat >/dev/null
    say "the folder is now the user's NuGet source \"jepat\" (to take it away again: dotnet nuget remove source jepat)"
  fi
}
