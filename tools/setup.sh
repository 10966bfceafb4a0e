# shellcheck shell=sh
# shellcheck disable=SC2154 # root, out come from lab
# What lab does when the machine lacks something: mends it where it may (root on Debian 12), else prints what to type and ends.

# os KEY: a value of the system's own description, such as ID or VERSION_ID.
os() { sed -n "s/^$1=\"\\{0,1\\}\\([^\"]*\\)\"\\{0,1\\}\$/\\1/p" /etc/os-release 2>/dev/null | head -n 1; }

# may_install: root, with apt, and not told to keep its hands off.
may_install() { [ "$(id -u)" = 0 ] && [ -z "${JEPAT_NO_INSTALL:-}" ] && command -v apt-get >/dev/null; }

# apt_get ARGUMENT…: no questions, waits for another apt, removes nothing, keeps changed configuration files; quiet unless it fails.
apt_get() {
  log=${TMPDIR:-/tmp}/jepat-apt.$$
  if DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o APT::Get::Remove=false \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

# --- .NET SDK 10 -----------------------------------------------------------------------------------------------------
need_sdk() {
  say ".NET SDK 10 was not found, neither on the PATH nor in ~/.dotnet. Type one of these, then ./lab again:"
  case "$(uname -s) $(os ID) $(os VERSION_ID)" in
    "Darwin "*) package="brew install --cask dotnet-sdk" ;;
    "Linux ubuntu 22.04") package="sudo add-apt-repository -y ppa:dotnet/backports && sudo apt-get update && sudo apt-get install -y dotnet-sdk-10.0" ;;
    "Linux ubuntu "*) package="sudo apt-get update && sudo apt-get install -y dotnet-sdk-10.0" ;;
    "Linux debian "*) package="curl -fsSLO https://packages.microsoft.com/config/debian/$(os VERSION_ID)/packages-microsoft-prod.deb && sudo dpkg -i packages-microsoft-prod.deb && sudo apt-get update && sudo apt-get install -y dotnet-sdk-10.0" ;;
    "Linux fedora "* | "Linux rhel "* | "Linux centos "*) package="sudo dnf install -y dotnet-sdk-10.0" ;;
    *) package= ;;
  esac
  [ -z "$package" ] || echo "  as a package:  $package" >&2
  echo "  without root:  curl -fsSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0" >&2
  exit 1
}

# --- libstdc++ of GCC 13 ----------------------------------------------------------------------------------------------
# mirror: the first archive of this machine that serves Debian 12 itself, from deb822 files or one-line sources.
mirror() {
  awk '
    function flush() { if (uri != "" && suites ~ /(^| )(bookworm|stable|oldstable)( |$)/ && enabled) { print uri; done = 1; exit } uri = suites = ""; enabled = 1 }
    BEGIN { enabled = 1 }
    FNR == 1 || /^[ \t]*$/ { flush() }
    tolower($1) == "uris:" { uri = $2 }
    tolower($1) == "suites:" { suites = $0; sub(/^[^:]*:[ \t]*/, "", suites) }
    tolower($1) == "enabled:" { enabled = tolower($2) != "no" }
    END { if (!done) flush() }' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep . && return
  sed -n 's/^deb[ \t]\{1,\}\(\[[^]]*\][ \t]*\)\{0,1\}\([^ \t]*\)[ \t]\{1,\}\(bookworm\|stable\|oldstable\)[ \t].*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1 | grep .
}

trixie_source() { printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$1"; }
trixie_pin() { printf 'Package: *\nPin: release n=trixie\nPin-Priority: 50\n'; }
quoted() { sed "s/.*/'&'/" | tr '\n' ' '; }
source=/etc/apt/sources.list.d/jepat-trixie.sources
pin=/etc/apt/preferences.d/jepat-trixie

# need_libstdcxx FILE: FILE is the one found, or empty.
need_libstdcxx() {
  if [ -n "$1" ]; then have="$1 is older"; else have="no libstdc++.so.6 was found"; fi
  say "TorchSharp needs libstdc++ with GLIBCXX_3.4.32 (GCC 13); $have"
  if [ "$(os ID) $(os VERSION_ID)" = "debian 12" ]; then
    from=$(mirror) || from=
    if [ -n "$from" ] && may_install; then
      mend_debian_12 "$from"
      return
    fi
    say "on Debian 12 it comes from Debian 13. Type"
    printf '  sudo %s/lab setup\nwhich is the same as, as root,\n' "$root" >&2
    printf "  printf '%%s\\\\n' %s> %s\n" "$(trixie_source "${from:-http://YOUR-DEBIAN-MIRROR/debian}" | quoted)" "$source" "$(trixie_pin | quoted)" "$pin" >&2
    echo "  apt-get update && apt-get install -y -t trixie libstdc++6" >&2
  else
    case "$(os ID) $(os VERSION_ID)" in
      "ubuntu 22.04" | "ubuntu 20.04")
        say "type:"
        echo "  sudo add-apt-repository -y ppa:ubuntu-toolchain-r/test && sudo apt-get update && sudo apt-get install -y libstdc++6" >&2 ;;
      debian* | ubuntu*)
        say "if it is not installed at all, type:"
        echo "  sudo apt-get install -y libstdc++6" >&2
        say "else take a newer release: Debian 13, Ubuntu 24.04" ;;
      *) say "a newer release has it (Fedora 38, RHEL 10, Debian 13, Ubuntu 24.04)" ;;
    esac
  fi
  say "without root, with conda:"
  echo "  conda create -y -p ~/.jepat-libs -c conda-forge 'libstdcxx-ng>=13' && export LD_LIBRARY_PATH=~/.jepat-libs/lib" >&2
  exit 1
}

# mend_debian_12 MIRROR: one more suite of the machine's own mirror, pinned so low that nothing else comes from it by itself.
mend_debian_12() {
  say "installing it from Debian 13 (some 15 s). This changes the machine:"
  say "  new: $source ($1, suite trixie) and $pin (priority 50)"
  say "  upgraded: libstdc++6 and what it depends on, chiefly libc6 and base-files (the system then calls itself Debian 13); nothing is removed"
  trixie_source "$1" >"$source"
  trixie_pin >"$pin"
  if ! { apt_get update && apt_get install -t trixie libstdc++6; }; then say "apt could not install it (its last words are above)"; exit 1; fi
  library=$(libstdcxx)
  grep -qF GLIBCXX_3.4.32 "$library" 2>/dev/null || { say "the loader still takes ${library:-no libstdc++}; is LD_LIBRARY_PATH set?"; exit 1; }
  say "done"
}

# --- packages that are only convenient: without them the program finds another way ----------------------------------
fetch_data() { fetch dataset-fashion-mnist "the data set Fashion-MNIST (30 MB)" "the program will download it"; }
fetch_venv() { fetch python3-venv "python3-venv, for the test with the real MLflow server" "that test will be skipped"; }
fetch_nbformat() { fetch python3-nbformat "python3-nbformat, which judges executed notebooks" "those tests will be skipped"; }
fetch_jupyter() {
  for package in python3-jupyter-kernel-test jupyter-nbconvert; do fetch $package "$package, for the tests of the Jupyter kernel" "those tests will be skipped"; done
}
fetch_chromium() { fetch chromium "Chromium, in which tests look at the reports" "those tests will be skipped"; }

# fetch PACKAGE WHAT OTHERWISE
fetch() {
  may_install || return 0
  say "installing $2: apt-get install $1"
  apt_get install --no-install-recommends "$1" 2>/dev/null || { apt_get update && apt_get install --no-install-recommends "$1"; } || say "apt cannot provide $1; $3"
}
