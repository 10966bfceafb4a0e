#!/usr/bin/python3
"""Jupyter Notebook in headless Chromium: cells are typed, run, show a plot, and an endless one is interrupted.

    tests/frontends/notebook_browser.py [PICTURE.png [KERNEL]]        JUPYTER_PATH says where the kernel is installed

Needs Debian's jupyter-notebook, chromium-driver and python3-selenium.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import nbformat
from nbformat import v4
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

picture = sys.argv[1] if len(sys.argv) > 1 else None
kernel = sys.argv[2] if len(sys.argv) > 2 else "jepat-csharp"
PATIENCE = 240


def wait(what, condition, patience=PATIENCE):
    WebDriverWait(browser, patience, poll_frequency=0.05).until(lambda _: condition(), f"no {what}")


def cells():
    return browser.find_elements(By.CSS_SELECTOR, "div.code_cell")


def write(code):
    """Types into the last cell, as a person does."""
    cells()[-1].find_element(By.CSS_SELECTOR, ".CodeMirror").click()
    for letter in code:
        ActionChains(browser).send_keys(letter).perform()


def run():
    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()


def text(index):
    return cells()[index].find_element(By.CSS_SELECTOR, ".output_wrapper").text


with tempfile.TemporaryDirectory() as folder:
    book = v4.new_notebook(cells=[v4.new_code_cell("")], metadata={"kernelspec": {"display_name": "C# (JepaT)", "language": "C#", "name": kernel}})
    nbformat.write(book, pathlib.Path(folder) / "typed.ipynb")
    log = open(pathlib.Path(folder) / "log", "w+")
    server = subprocess.Popen(["jupyter-notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=18888", "--NotebookApp.token=t", f"--notebook-dir={folder}"],
                              stdout=log, stderr=log, env={**os.environ, "JUPYTER_CONFIG_DIR": folder})
    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1100,1000", "--disable-background-networking"]:
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options)
    try:
        for _ in range(600):
            log.seek(0)
            if "http://127.0.0.1:18888" in log.read():
                break
            time.sleep(0.1)
        browser.get("http://127.0.0.1:18888/notebooks/typed.ipynb?token=t")
        wait("kernel", lambda: browser.execute_script("return window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected() && !!Jupyter.notebook.kernel.info_reply.status"))

        write("using JepaT.Lab; var chart = new ChartView { Title = \"Typed in a browser\" };\nfor (var i = 1; i <= 60; i++) chart.Point(\"loss\", i, 0.2 + 2.0 / i); chart")
        run()
        wait("plot", lambda: cells()[0].find_elements(By.CSS_SELECTOR, ".output_area svg"))

        write("var kept = 42; Console.WriteLine(\"running\"); while (true) { }")
        run()
        wait("output while the cell runs", lambda: "running" in text(1))
        assert "[*]" in cells()[1].find_element(By.CSS_SELECTOR, ".input_prompt").text
        began = time.time()
        browser.find_element(By.CSS_SELECTOR, "button[data-jupyter-action='jupyter-notebook:interrupt-kernel']").click()
        wait("interrupt", lambda: "Interrupted" in text(1), 30)
        print(f"interrupted after {time.time() - began:.2f} s, click to shown")

        write("$\"still {kept}\"")
        run()
        wait("result", lambda: "still 42" in text(2))
        if picture:
            browser.execute_script("document.querySelector('#site').scrollTop = 0")
            time.sleep(1)
            browser.save_screenshot(picture)
        print("passed")
    except Exception:
        browser.save_screenshot(os.path.join(tempfile.gettempdir(), "notebook-failed.png"))
        log.seek(0)
        print(log.read(), file=sys.stderr)
        raise
    finally:
        browser.quit()
        server.terminate()
        server.wait(30)
