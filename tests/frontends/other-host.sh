# shellcheck shell=sh
# Sourced by the scripts that use our packages in a program of others: a home of their own with the user's sources and ours, so that
# nothing of the user's is changed. Sets root, work; removes work at the end.
set -eu
root=$(CDPATH='' cd "$(dirname "$0")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skip() { echo "skipped: $*"; exit 0; }
fail() { echo "failed: $*" >&2; exit 1; }

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
export NUGET_PACKAGES="${NUGET_PACKAGES:-$HOME/.nuget/packages}"
sources=$HOME/.nuget/NuGet/NuGet.Config
mkdir -p "$work/home/.nuget/NuGet"
[ ! -f "$sources" ] || cp "$sources" "$work/home/.nuget/NuGet/"
export HOME="$work/home"
"$root/lab" pack
