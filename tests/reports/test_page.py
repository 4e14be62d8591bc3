"""The page: complete, self-contained, the same each time, and alive in a real browser at the width of a phone."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mogakit.errors import TableError
from mogakit.flows.report import ReportRequest, find_searches, report
from mogakit.reports.page.build import build_page
from mogakit.reports.page.front_data import MAX_POINTS, embed
from mogakit.reports.run import RunContent

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def page(content: RunContent) -> str:
    return build_page(content)


class Reader(HTMLParser):
    """Collects what a page refers to, its ids, and whether its tags close."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action") and value:
                self.links.append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_loads_nothing_and_its_ids_are_its_own(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    assert len(reader.ids) == len(set(reader.ids))
    targets = {link[1:] for link in reader.links if link.startswith("#")}
    assert targets <= set(reader.ids)
    assert "default-src 'none'" in page


def test_the_same_results_give_the_same_page(content: RunContent, page: str) -> None:
    assert build_page(content) == page


def test_every_part_is_there(page: str) -> None:
    for part in ("overview", "search-0", "search-1", "searches", "validation", "table", "models", "targets", "sources"):
        assert f'<section id="{part}">' in page
    for words in (
        "Kendall tau",
        "Noise floor",
        "leave-one-out MAPE",
        "It is not an accuracy",
        "load is 3.5, above 1.0: keep the load &lt; 1",
    ):
        assert words in page


def test_a_table_measured_through_adb_says_so(content: RunContent, page: str) -> None:
    words = "a shell binary is scheduled differently from an app"
    assert words not in page
    identity = replace(content.table.identity, flags=("transport=adb shell",))
    phone = RunContent(name="PHONE", table=replace(content.table, identity=identity), findings=())
    assert words in build_page(phone)
    other = replace(content.others[0], identity=replace(content.others[0].identity, flags=("transport=adb shell",)))
    assert f"tflite/gpu/float16, a GPU: measured through adb: {words}." in build_page(replace(content, others=(other,)))


def test_names_of_devices_are_text_and_never_markup(page: str) -> None:
    assert "<script>alert" not in page
    assert html.escape("Pixel <script>alert('4')</script> & Co", quote=False).split("'")[0] in page


def test_no_path_of_this_computer_is_on_the_page(run: Path, page: str) -> None:
    assert str(run.parent) not in page
    assert "lut.json" in page


def test_json_inside_a_script_cannot_end_it() -> None:
    assert "</script" not in embed({"name": "</script><b>"})
    assert json.loads(embed({"name": "</script>"})) == {"name": "</script>"}


def test_a_large_front_is_thinned_and_keeps_its_picks(page: str) -> None:
    data = front_of(page)
    assert len(data["networks"]) <= MAX_POINTS + len(data["picks"])
    assert set(data["picks"]) <= {one["c"] for one in data["networks"]}
    assert len(data["slots"]) == 14
    assert all(len(slot["choices"]) == 12 for slot in data["slots"])


def front_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="front-data-0">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_run_with_a_table_alone_has_a_page(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "BARE"
    folder.mkdir()
    shutil.copy(run / "lut.json", folder)
    result = report(ReportRequest(folder=folder))
    assert result.parts == ("table",)
    text = result.page.read_text(encoding="utf-8")
    assert '<section id="validation">' not in text
    (empty := tmp_path / "EMPTY").mkdir()
    with pytest.raises(TableError, match="moga profile"):
        report(ReportRequest(folder=empty))


def test_searches_below_a_run_are_found(run: Path) -> None:
    assert [path.name for path in find_searches(run)] == ["search", "random-mutation"]


PROBE = """
<script>
window.problems = [];
addEventListener("error", (event) => window.problems.push(event.message));
addEventListener("securitypolicyviolation", (event) => window.problems.push("blocked " + event.blockedURI));
for (const name of ["error", "warn"]) console[name] = (...all) => window.problems.push(all.join(" "));
</script>
"""
ACTIONS = """
<script>
addEventListener("load", () => {
  const seen = {};
  const front = document.querySelector(".front");
  const name = () => front.querySelector(".detail .name").textContent;
  seen.first = name();
  seen.dots = front.querySelectorAll(".plot .net").length;
  seen.exact = front.querySelectorAll(".plot .exact").length;
  const dots = front.querySelectorAll(".plot .net");
  dots[5].dispatchEvent(new Event("pointerenter"));
  seen.hovered = name();
  seen.blocks = front.querySelectorAll(".detail .block").length;
  dots[9].dispatchEvent(new Event("click"));
  seen.clicked = name();
  dots[2].dispatchEvent(new Event("pointerenter"));
  front.querySelector(".plot").dispatchEvent(new Event("pointerleave"));
  seen.kept = name();
  front.querySelector(".plot").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  seen.moved = name();
  const axis = front.querySelector(".y");
  axis.value = "2"; axis.dispatchEvent(new Event("change"));
  seen.axis = Array.from(front.querySelectorAll(".plot text")).map((text) => text.textContent).join("|");
  const rows = document.querySelector("details.rows");
  rows.open = true;
  const table = rows.querySelector("table");
  const column = (index) => Array.from(table.tBodies[0].rows).filter((row) => !row.hidden)
    .map((row) => row.cells[index].textContent.trim());
  const button = table.tHead.rows[0].cells[2].querySelector("button");
  button.focus();
  seen.focused = document.activeElement === button;
  button.click();
  seen.ascending = column(2); seen.sense = table.tHead.rows[0].cells[2].getAttribute("aria-sort");
  button.click();
  seen.descending = column(2);
  const search = rows.querySelector("input[type=search]");
  search.value = "k7 choice"; search.dispatchEvent(new Event("input"));
  seen.filtered = column(0);
  seen.count = rows.querySelector(".count").textContent;
  const saved = [];
  URL.createObjectURL = (blob) => { saved.push(blob); return "#"; };
  HTMLAnchorElement.prototype.click = function () { seen.file = this.download; };
  rows.querySelector(".save").click();
  seen.saved = saved.length;
  seen.data = document.querySelectorAll("figcaption a[download]").length;
  seen.width = innerWidth;
  seen.overflow = document.documentElement.scrollWidth - innerWidth;
  seen.problems = window.problems;
  const result = document.createElement("pre");
  result.id = "probe"; result.textContent = JSON.stringify(seen);
  top.document.body.append(result);
});
</script>
"""


SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def hash_of(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_the_page_runs_one_script_and_has_no_inline_handler(page: str) -> None:
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"].split() == [hash_of(script) for script in SCRIPT.findall(page)]
    assert page.index("Content-Security-Policy") < page.index("<style")  # it holds from where it stands on

    class Handlers(HTMLParser):
        found: ClassVar[list[str]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]
            self.found += [f"{tag} {name}" for name, value in attrs if (value or "").lstrip().startswith("javascript:")]

    Handlers().feed(page)
    assert Handlers.found == []


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")
@pytest.mark.parametrize("width", [1100, 390])
def test_a_real_browser_shows_the_front_without_a_complaint(page: str, tmp_path: Path, width: int) -> None:
    """The page stands in a frame, since a headless window is never as narrow as a phone."""
    probed = page.replace("<style>", f"{PROBE}<style>", 1).replace("</body>", f"{ACTIONS}</body>")
    ours = " ".join(hash_of(text) for text in SCRIPT.findall(PROBE + ACTIONS))
    probed = probed.replace("script-src ", f"script-src {ours} ", 1)  # the page itself lets its own script run alone
    frame = f'<iframe width="{width}" height="800" style="border: 0" srcdoc="{html.escape(probed)}"></iframe>'
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><body>{frame}</body>", encoding="utf-8")
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1300,900",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "CONSOLE" not in done.stderr
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None
    seen = json.loads(html.unescape(found[1]))
    assert seen["problems"] == []
    data = front_of(page)
    assert seen["dots"] == len(data["networks"])
    assert seen["exact"] == 1
    assert seen["first"].removeprefix("moga/") in data["picks"]
    assert seen["hovered"] != seen["clicked"]
    assert seen["kept"] == seen["clicked"]
    assert seen["moved"] != seen["kept"]
    assert seen["blocks"] == 14
    assert "params (M)" in seen["axis"]
    numbers = [float(text) for text in seen["ascending"] if text != "-"]
    assert seen["focused"] and numbers == sorted(numbers) and len(numbers) > 100
    assert seen["sense"] == "ascending"
    assert [float(text) for text in seen["descending"] if text != "-"] == numbers[::-1]
    assert seen["filtered"] and all("_k7" in key for key in seen["filtered"])
    assert seen["count"] == f"{len(seen['filtered'])} of {len(seen['ascending'])} rows"
    assert (seen["saved"], seen["file"].endswith(".csv")) == (1, True)
    assert seen["data"] > 5
    assert seen["width"] == width
    assert seen["overflow"] <= 0
