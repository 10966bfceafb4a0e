#!/usr/bin/python3
"""The public conformance suite of Jupyter kernels (Debian's python3-jupyter-kernel-test) against an installed kernel.

    tests/frontends/conformance.py [KERNEL]        jepat-csharp by default; JUPYTER_PATH says where it is installed
"""
import sys
import unittest

import jupyter_kernel_test
from jupyter_client import manager

kernel = sys.argv.pop(1) if len(sys.argv) > 1 else "jepat-csharp"
start = manager.start_new_kernel
jupyter_kernel_test.start_new_kernel = lambda **options: start(startup_timeout=240, **options)      # a busy machine
jupyter_kernel_test.TIMEOUT = 120


class CSharpKernel(jupyter_kernel_test.KernelTests):
    kernel_name = kernel
    language_name = "C#"
    file_extension = ".cs"
    code_hello_world = 'Console.WriteLine("hello, world");'
    code_stderr = 'Console.Error.WriteLine("so");'
    code_generate_error = 'throw new Exception("so");'
    completion_samples = [
        {"text": "Console.WriteL", "matches": ["WriteLine"]},
        {"text": "Math.Ab", "matches": ["Abs"]},
    ]
    complete_code_samples = ["1 + 1", "var x = 1;", "int F(int x)\n{\n    return x;\n}", "await Task.Delay(1);"]
    incomplete_code_samples = ["var x = ", "int F(int x)\n{", 'Console.WriteLine("a",', "/* a comment"]
    invalid_code_samples = ["var 1x = 2;", "1 + ;"]
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"text"', "result": "text"},
        {"code": "HTML(\"<b>x</b>\")", "result": "<b>x</b>", "mime": "text/html"},
    ]
    code_display_data = [
        {"code": 'display(HTML("<b>x</b>"));', "mime": "text/html"},
        {"code": "display(1);", "mime": "text/plain"},
        {"code": 'display("iVBORw0KGgo=", "image/png");', "mime": "image/png"},
    ]
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6 ? 7"
    code_inspect_sample = "Console.WriteLine"
    code_clear_output = "clear_output();"


if __name__ == "__main__":
    unittest.main(verbosity=2)
