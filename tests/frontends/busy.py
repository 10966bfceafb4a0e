#!/usr/bin/python3
"""Cells that keep the whole process busy: whatever they do, the kernel is alive, an interrupt ends them soon, and the variables stay.

    tests/frontends/busy.py [KERNEL]        jepat-csharp by default; JUPYTER_PATH says where it is installed
"""
import sys
import time

from jupyter_client.manager import start_new_kernel

FULL_POOL = "await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => Task.Run(() => { %s })));"
CELLS = [
    FULL_POOL % "while (true) System.Threading.Thread.Sleep(10);",
    FULL_POOL % "while (true) { }",
    "for (var i = 0; i < 100_000; i++) _ = Task.Run(() => { System.Threading.Thread.Sleep(100); });\nSystem.Threading.Thread.Sleep(-1);",
    'while (true) display("x");',
    'while (true) display(new string(\'x\', 100_000));',
    'while (true) { clear_output(true); display("x"); }',
    'while (true) Console.WriteLine("x");',
    'var tm = new System.Threading.Timer(_ => Console.Write(".")); tm.Change(0, 100); System.Threading.Thread.Sleep(-1);',
    'tm.Dispose(); var t = new System.Threading.Timer(_ => throw new InvalidOperationException("x"), null, 0, -1); System.Threading.Thread.Sleep(-1);',
    FULL_POOL % "System.Threading.Thread.Sleep(-1);",           # the last: its threads stay for ever
]
kernel = sys.argv[1] if len(sys.argv) > 1 else "jepat-csharp"
manager, client = start_new_kernel(kernel_name=kernel, startup_timeout=240)
failures = []


def reply_to(request, channel, timeout):
    until = time.time() + timeout
    while True:
        message = channel(timeout=max(0.01, until - time.time()))
        if message["parent_header"].get("msg_id") == request:
            return message


def until_idle(request, timeout):
    """What a front end does that runs a cell: its outputs are read to the end."""
    until, count = time.time() + timeout, 0
    while True:
        message = client.get_iopub_msg(timeout=max(0.01, until - time.time()))
        if message["parent_header"].get("msg_id") == request:
            count += 1
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return count


try:
    assert client.execute_interactive("var kept = 1;", timeout=120)["content"]["status"] == "ok"
    for cell in CELLS:
        request = client.execute(cell)
        time.sleep(3)
        began = time.time()
        info = client.session.msg("kernel_info_request", {})
        client.control_channel.send(info)
        reply_to(info["header"]["msg_id"], client.get_control_msg, 60)
        alive = time.time() - began
        began = time.time()
        manager.interrupt_kernel()
        reply = reply_to(request, client.get_shell_msg, 60)["content"]
        ended = time.time() - began
        count = until_idle(request, 60)
        read = time.time() - began
        print(f"alive {alive:.2f} s, ended {ended:.2f} s, read {read:.2f} s, {count} messages, {reply.get('ename')}: {cell[:80]!r}", file=sys.stderr)
        # A second is the promise; twice that for a machine with other things to do.
        if alive > 2 or ended > 2 or read > 4 or reply.get("ename") != "Interrupted" or not manager.is_alive():
            failures.append(cell)
    assert client.is_alive()
    result = client.execute_interactive("kept", timeout=60, output_hook=lambda message: None)
    assert result["content"]["status"] == "ok", result["content"]
    manager.restart_kernel(now=False)                           # on the same ports
    client.wait_for_ready(timeout=240)
    assert client.execute_interactive("1", timeout=120, output_hook=lambda message: None)["content"]["status"] == "ok"
    assert not failures, failures
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
