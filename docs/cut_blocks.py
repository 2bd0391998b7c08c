"""Measures, in a browser, how much of the built pages is cut off at the right.

    mkdocs build && python docs/cut_blocks.py [--widths 1280 400] [--browser chromium]

prints for each width of the window how many blocks of code and tables are wider than their place, and which pages
scroll sideways; exits with 1 if there are any. It needs Chromium and nothing else: the pages are shown in a frame of
that width, one after the other, and a script in the page around the frame measures them.
"""

import argparse
import functools
import http.server
import json
import re
import subprocess
import sys
import tempfile
import threading
from html import unescape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
    "--virtual-time-budget=600000",
    "--dump-dom",
]
# A block of code is cut where what is in it is wider than what can be seen of it, its border not counted.
HARNESS = """<!doctype html><title>measuring</title><iframe id="frame" style="border:0;height:900px"></iframe>
<pre id="found"></pre><script>
const pages = PAGES, width = WIDTH, frame = document.getElementById("frame"), found = [];
frame.style.width = width + "px";
const load = page => new Promise(done => { frame.onload = () => setTimeout(done, 150); frame.src = "/" + page; });
(async () => {
  for (const page of pages) {
    await load(page);
    const inside = frame.contentDocument, cut = { code: [], table: [] };
    const codes = [...inside.querySelectorAll(".md-content pre > code")];
    const tables = [...inside.querySelectorAll(".md-content table")].filter(each => !each.closest(".highlighttable"));
    const isCut = each => each.scrollWidth > each.clientWidth + 1;
    for (const each of codes)
      if (isCut(each) || isCut(each.parentElement))
        cut.code.push(each.textContent.trim().split("\\n").reduce((a, b) => a.length > b.length ? a : b, ""));
    for (const each of tables) {
      let around = each.parentElement;
      while (around && getComputedStyle(around).overflowX === "visible") around = around.parentElement;
      if (around && isCut(around)) cut.table.push(each.textContent.trim().slice(0, 60));
    }
    const sideways = inside.documentElement.scrollWidth > width + 1;
    found.push({ page, codes: codes.length, tables: tables.length, cut, sideways });
  }
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""


def measure(site: Path, width: int, browser: str) -> list[dict]:
    """What is cut on each page, in a window of this many pixels."""
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("index.html"))
    harness = HARNESS.replace("PAGES", json.dumps(pages)).replace("WIDTH", str(width)).encode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/measuring":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(harness)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        address = f"http://127.0.0.1:{server.server_port}/measuring"
        command = [browser, *FLAGS, f"--user-data-dir={folder}", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    server.shutdown()
    server.server_close()
    text = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    if not text or not text[1]:
        raise SystemExit("The browser gave no measurements.")
    return json.loads(unescape(text[1]))


def main() -> int:
    """Measure at each width, and say what is cut."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--site", type=Path, default=ROOT / "site")
    parser.add_argument("--widths", type=int, nargs="+", default=[1280, 400], metavar="PIXELS")
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--all", action="store_true", help="name each block and table that is cut")
    given = parser.parse_args()
    any_cut = False
    for width in given.widths:
        found = measure(given.site.resolve(), width, given.browser)
        count = {what: sum(page[what] for page in found) for what in ("codes", "tables")}
        cut = {what: sum(len(page["cut"][what]) for page in found) for what in ("code", "table")}
        sideways = [page["page"] for page in found if page["sideways"]]
        print(
            f"{width} px: {cut['code']} of {count['codes']} blocks of code and {cut['table']} of {count['tables']} "
            f"tables are cut on {len(found)} pages, {len(sideways)} of which scroll sideways."
        )
        for page in found:
            for what, texts in page["cut"].items():
                if texts:
                    print(f"  {page['page']}: {what} {len(texts)}")
                    for text in texts if given.all else []:
                        print(f"      {text}")
        any_cut |= bool(sum(cut.values()) or sideways)
    return int(any_cut)


if __name__ == "__main__":
    sys.exit(main())
