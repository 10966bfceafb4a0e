#!/bin/sh
# The PyTorch peer on a Debian 12 machine: a Debian 13 tree with its python3-torch (2.6), made once in FOLDER (about 70 s, 1.7 GB, as root),
# then `python3 ARGUMENTS` inside it with the scripts of this folder at /reference.
# With the bench: ./lab bench --python "tests/peer/peer.sh FOLDER"
# usage: peer.sh FOLDER bench.py --size tiny --threads 2 --flavours original-no-text,reference
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2,5p' "$0" >&2; exit 2; }
tree=$1; shift
if [ ! -e "$tree/.complete" ]; then
  [ "$(id -u)" = 0 ] || { echo "$0: making the tree needs root" >&2; exit 1; }
  command -v debootstrap >/dev/null || apt-get install -y -qq debootstrap >/dev/null
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources)      # this machine's own mirror
  debootstrap --variant=minbase --include=python3-torch,python3-scipy,python3-numpy,python3-safetensors,python3-regex,libopenblas0-pthread \
    trixie "$tree" "$mirror" >"$tree.log" 2>&1 || { tail -3 "$tree.log" >&2; exit 1; }
  touch "$tree/.complete"
fi
[ -e "$tree/proc/cpuinfo" ] || mount -t proc proc "$tree/proc" 2>/dev/null || echo "$0: no /proc in the tree; torch may pick slower kernels" >&2
mkdir -p "$tree/reference" && cp -r "$here"/*.py "$tree/reference/"
exec chroot "$tree" sh -c 'cd /reference && OMP_WAIT_POLICY=passive exec python3 "$@"' sh "$@"
