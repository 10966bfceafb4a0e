#!/bin/sh
# jupyter console in a terminal (tmux): a result, typed input, a cell over several lines, an interrupt, variables kept.
#   tests/frontends/console.sh [KERNEL]        jepat-csharp by default; JUPYTER_PATH says where it is installed
# Needs Debian's jupyter-console and tmux.
set -eu
for tool in jupyter-console tmux; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 0; }
done
socket=jepat-$$
work=$(mktemp -d)
screen() { tmux -L $socket capture-pane -p -J -S - ; }
fail() { echo "failed: no '$1' on the screen:" >&2; screen >&2; exit 1; }
# see PATTERN: waits until the screen shows it.
see() {
  tries=0
  until screen | grep -q -- "$1"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || fail "$1"
    sleep 0.2
  done
}
# enter TEXT: after a pause, since this front end trips over keys that come while it still shows a result.
enter() { sleep 2;  tmux -L $socket send-keys -l "$(printf %s "$1" | sed 's/;$/\\;/')"; sleep 0.5; tmux -L $socket send-keys Enter; }

tmux -L $socket -f /dev/null new-session -d -x 110 -y 50 "exec jupyter-console --kernel=${1:-jepat-csharp} --ZMQTerminalInteractiveShell.kernel_timeout=240 --ConnectionFileMixin.connection_file=$work/connection.json"
trap 'tmux -L $socket kill-server 2>/dev/null || :; rm -rf "$work"' EXIT
see 'In \[1\]:'
enter '6 * 7'
see 'Out\[1\]: 42'
enter 'var name = input("who? ");'
see 'who?'
enter 'me'
see 'In \[3\]:'
enter 'if (name == "me") {'
see '   \.\.\.:\|\.\.\.:'
enter 'Console.WriteLine("it is " + name); }'
see 'it is me'
enter 'Console.WriteLine("on and on"); while (true) { }'
see '^on and on'
# Not by Ctrl-C: console 6.4 with Debian 12's prompt_toolkit loses that key, with IPython's kernel too.
/usr/bin/python3 -c 'import sys
from jupyter_client import BlockingKernelClient
client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.control_channel.send(client.session.msg("interrupt_request", {}))
assert client.get_control_msg(timeout=30)["content"]["status"] == "ok"' "$work/connection.json"
see 'Interrupted'
enter 'name + "!"'
see 'me!'
screen
echo passed
