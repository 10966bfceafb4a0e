#!/usr/bin/python3
"""The kernel's figures, as a front end sees them: start, a cell's overhead, interrupt, memory over many cells.

    tests/frontends/bench.py [CELLS [KERNEL]]        10000 by default; JUPYTER_PATH says where the kernel is installed
"""
import os
import queue
import statistics
import sys
import time

from jupyter_client.manager import KernelManager

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
kernel = sys.argv[2] if len(sys.argv) > 2 else "jepat-csharp"
WARM_UP = 500           # cells until the compiler itself is compiled, and its caches are full


def start():
    manager = KernelManager(kernel_name=kernel)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    return manager, client


def run(code):
    began = time.perf_counter()
    request = client.execute(code)
    while True:
        reply = client.get_shell_msg(timeout=300)
        if reply["parent_header"].get("msg_id") == request:
            assert reply["content"]["status"] == "ok", reply["content"]
            return (time.perf_counter() - began) * 1000


def memory():
    """Resident, MB."""
    with open(f"/proc/{manager.provisioner.pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def processor():
    """Seconds of processor time so far."""
    with open(f"/proc/{manager.provisioner.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drain():
    try:
        while True:
            client.get_iopub_msg(timeout=0.01)
    except queue.Empty:
        pass


def say(what, value):
    print(f"{what:<64}{value}", flush=True)


say("load of the machine, and processors", f"{os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))}")
starts, processors = [], []
for _ in range(3):
    began = time.perf_counter()
    manager, client = start()
    run("1 + 1")
    starts.append(time.perf_counter() - began)
    processors.append(processor())
    client.stop_channels()
    manager.shutdown_kernel()
say("start of the process to the first result, median of 3", f"{statistics.median(starts):.2f} s ({statistics.median(processors):.2f} s of processor time)")

manager, client = start()
try:
    for i in range(WARM_UP):
        run(f"var x{i % 40} = {i}; x{i % 40} + 1")
    drain()
    before, spent = memory(), processor()
    times = []
    say(f"memory after a warm-up of {WARM_UP} cells", f"{before:.0f} MB")
    for i in range(count):
        times.append(run("1 + 1" if i % 2 else f"var x{i % 40} = {i}; x{i % 40} + 1"))
        if i % 100 == 99:
            drain()
        if i % 2000 == 1999:
            say(f"  after {i + 1} cells more", f"{memory():.0f} MB")
    after = memory()
    say(f"growth over {count} cells", f"{(after / before - 1) * 100:+.1f} %")
    say("a cell, sent to answered: median, slowest in a hundred", f"{statistics.median(times):.1f} ms, {sorted(times)[len(times) * 99 // 100]:.1f} ms")
    say("processor time a cell", f"{(processor() - spent) / count * 1000:.1f} ms")

    latencies = []
    for _ in range(10):
        request = client.execute("while (true) { }")
        time.sleep(0.5)
        began = time.perf_counter()
        manager.interrupt_kernel()
        while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != request:
            pass
        latencies.append((time.perf_counter() - began) * 1000)
    say("interrupt of an endless loop: median, slowest of 10", f"{statistics.median(latencies):.0f} ms, {max(latencies):.0f} ms")
finally:
    client.stop_channels()
    manager.shutdown_kernel()
say("load of the machine at the end", f"{os.getloadavg()[0]:.1f}")
