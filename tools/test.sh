# shellcheck shell=sh
# shellcheck disable=SC2154 # root, out and sources come from lab
# ./lab test: sourced by lab after its checks of the machine.

# check_format: slow (it loads the whole solution), so it is repeated only after a change.
check_format() {
  # shellcheck disable=SC2086
  stale "$out/format.stamp" $sources tests notebooks || return 0
  say "checking the format"
  echo "$torch" >"$out/format.stamp.new"
  (cd "$root" && dotnet format JepaT.sln --verify-no-changes --no-restore) || return 1
  mv "$out/format.stamp.new" "$out/format.stamp"
}

# summarise FOLDER MORE: adds up the .trx files of all test projects; MORE failures are known from elsewhere.
summarise() {
  find "$1" -name '*.trx' -exec grep -ho '<Counters [^>]*>' {} + | awk -v more="$2" '
    function count(name) { return match($0, " " name "=\"[0-9]+\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : 0 }
    { total += count("total"); passed += count("passed"); failed += count("failed") + count("error") + count("timeout") + count("aborted") }
    END {
      skipped = total - passed - failed
      printf "%d passed, %d failed, %d skipped\n", passed, failed + more, skipped
    }'
}

# reasons FOLDER: one line a skipped test, with its reason.
reasons() {
  find "$1" -name '*.trx' -exec cat {} + | awk '
    /<UnitTestResult / { name = ""; if (/outcome="NotExecuted"/ && match($0, /testName="[^"]*/)) name = substr($0, RSTART + 10, RLENGTH - 10) }
    /<Message>/ && name != "" { gsub(/^ *<Message>|<\/Message>.*$/, ""); print "skipped: " name ": " $0; name = "" }'
}

# interrupted FOLDER: the tests that were running when the process died.
interrupted() {
  find "$1" -name 'Sequence_*.xml' -exec sed -n 's/.*DisplayName="\([^"]*\)".*Completed="False".*/lab: it was running \1/p' {} + >&2
}

# run_tests [WORD | dotnet test options]: exits with 0 only if tests ran and all passed.
run_tests() {
  case ${1:-} in
    -h | --help)
      cat <<'TXT'
./lab test                                 all tests and the format check (dotnet format --verify-no-changes)
./lab test WORD                            the tests whose full name contains WORD
./lab test --filter Category=Golden        any options of dotnet test; JEPAT_GOLDEN=FOLDER takes other golden files
The last line is "N passed, N failed, N skipped"; the exit code is 0 only if some ran and none failed.
TXT
      exit 0 ;;
  esac
  # The real MLflow server, which one test starts, is installed into a virtual environment; elsewhere that test skips.
  if [ "${CI:-}" = true ] && ! python3 -c 'import ensurepip' 2>/dev/null; then setup fetch_venv; fi
  # nbformat judges executed notebooks; Debian's Python finds it even where the PATH names another one.
  if [ "${CI:-}" = true ] && ! python3 -c 'import nbformat' 2>/dev/null && ! /usr/bin/python3 -c 'import nbformat' 2>/dev/null; then setup fetch_nbformat; fi
  # Jupyter's front ends and the public conformance suite, for the kernel.
  if [ "${CI:-}" = true ] && ! /usr/bin/python3 -c 'import jupyter_kernel_test, nbconvert' 2>/dev/null; then setup fetch_jupyter; fi
  # The browser for the reports; its driver comes by npm, where there is one.
  if [ "${CI:-}" = true ] && ! ls /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome 2>/dev/null | grep -q .; then setup fetch_chromium; fi

  # shellcheck disable=SC2086
  build JepaT.sln "$out/test.stamp" $sources tests notebooks
  cp -p "$out/test.stamp" "$out/lab.stamp"                               # the solution holds the programs too
  cp -p "$out/test.stamp" "$out/notebook.stamp"
  results=$out/test-results
  rm -rf "$results"
  mkdir -p "$results"
  more=0
  if [ $# -eq 0 ]; then check_format || { say "the format differs: dotnet format mends it"; more=1; }; fi
  if [ $# -eq 1 ]; then case $1 in -*) ;; *) set -- --filter "FullyQualifiedName~$1" ;; esac; fi

  # blame names the test that was running when native code ends the process, or when one hangs.
  status=0
  # A shell that starts us in the background has us ignore Ctrl-C, and all that we start: the tests that send it would wait for ever.
  heed=; env --default-signal=INT true 2>/dev/null && heed="env --default-signal=INT"
  (cd "$root" && $heed dotnet test JepaT.sln --no-build -c Release --nologo --logger trx --results-directory "$results" \
    --blame-hang-timeout 15m --blame-hang-dump-type none "$@") || status=$?
  case $(summarise "$results" 0) in
    *" 0 failed,"*) [ $status = 0 ] || { say "the test run ended early (exit code $status), see above"; interrupted "$results"; more=$((more + 1)); } ;;
  esac
  summary=$(summarise "$results" $more)
  echo "$summary" >"$results/summary"
  reasons "$results"
  code=1
  case $summary in
    "0 passed, 0 failed,"*) say "no test ran" ;;
    *" 0 failed,"*) code=0 ;;
  esac
  echo "$summary"
  exit $code
}
