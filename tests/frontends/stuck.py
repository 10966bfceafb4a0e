#!/usr/bin/python3
"""A cell in a native call that does not return: after an interrupt the kernel ends by itself, and the front end's restarter starts another.

    tests/frontends/stuck.py [KERNEL]        jepat-csharp by default; JUPYTER_PATH says where it is installed
"""
import sys
import time

from jupyter_client.manager import start_new_kernel

kernel = sys.argv[1] if len(sys.argv) > 1 else "jepat-csharp"
manager, client = start_new_kernel(kernel_name=kernel, startup_timeout=240)
try:
    code = '[System.Runtime.InteropServices.DllImport("libc")] static extern uint usleep(uint t);\nConsole.WriteLine("in"); while (true) usleep(900_000_000);'
    request = client.execute(code)
    while client.get_iopub_msg(timeout=120)["msg_type"] != "stream":
        pass
    time.sleep(0.5)
    manager.interrupt_kernel()
    # A native call may wake up and return: what counts is that the kernel answers or ends, in a few seconds.
    began = time.time()
    while manager.is_alive() and time.time() - began < 60:
        time.sleep(0.1)
    assert not manager.is_alive(), "still there, and stuck"
    print(f"the kernel ended {time.time() - began:.1f} s after the interrupt", file=sys.stderr)
    reply = client.get_shell_msg(timeout=10)
    while reply["msg_type"] == "kernel_info_reply":
        reply = client.get_shell_msg(timeout=10)
    assert reply["parent_header"]["msg_id"] == request and reply["content"]["ename"] == "Stuck", reply["content"]
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=240)
    assert client.execute_interactive("1", timeout=120, output_hook=lambda message: None)["content"]["status"] == "ok"
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
