"""The graph of a flow: what is shown where, with five jobs and with thousands, and by keyboard."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import expect

from tests.browser.console import job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.console import Console

numbers = itertools.count(1)
ROOMS = {"desktop": (1130, 1548), "phone": (360, 1636)}
SMALLEST = 0.7  # the scale at which names can be read


# -- what is shown where: the modules alone ------------------------------------------------------


def flow(layers: int, wide: int, needs: int, name: Callable[[int], str]) -> list[dict[str, Any]]:
    """Make jobs of which each needs some of the layer before, rarely of an earlier one."""
    chance = random.Random(layers * 1000 + wide)
    nodes = []
    for at in range(layers * wide):
        layer = at // wide
        before: set[str] = set()
        for _ in range(needs if layer else 0):
            back = layer - 1 if chance.random() < 0.9 else chance.randrange(layer)
            before.add(name(back * wide + chance.randrange(wide)))
        nodes.append({"id": name(at), "in": sorted(before)})
    return nodes


def numbered(at: int) -> str:
    return f"job-{at:04}"


def word(at: int) -> str:
    """A name without digits that says nothing of its neighbours'."""
    chance = random.Random(at)
    return (
        "".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(9)) + "_" + "xyz"[at % 3]
    )


LONG = "x" * 250
FLOWS = {
    "one": [{"id": "only", "in": []}],
    "long": [{"id": LONG, "in": []}, {"id": "b", "in": [LONG]}],
    "ring": [{"id": "a", "in": ["b", "a"]}, {"id": "b", "in": ["a", "gone"]}],
    "ten": flow(4, 3, 2, numbered)[:10],
    "hundred": flow(10, 10, 2, numbered),
    "hundred words": flow(10, 10, 2, word),
    "thousand": flow(25, 40, 2, numbered),
    "two thousand": flow(40, 50, 2, numbered),
    "two thousand words": flow(40, 50, 2, word),
    "chain": [{"id": f"s{at:04}", "in": [f"s{at - 1:04}"] if at else []} for at in range(2000)],
    "alone": [{"id": word(at), "in": []} for at in range(500)],
    "fan": [{"id": f"part{at}", "in": ["start"]} for at in range(900)]
    + [{"id": "start", "in": []}, {"id": "end", "in": [f"part{at}" for at in range(900)]}],
    "names": [{"id": f"extract_the_{word(at)}_table", "in": ["start"]} for at in range(12)]
    + [{"id": "start", "in": []}],
}

ARRANGE = """async ({ nodes, width, height, more }) => {
    const { arrange } = await import('./arrange.js');
    const { width: measure } = await import('./text.js');
    const look = { name: '600 13px', widest: 320, smallest: 0.7 };
    const room = { width, height };
    const found = arrange({ nodes, room, look, ...more }, measure);
    const lists = ['ends', 'starts', 'points'].map((name) => [name, [...found[name]]]);
    return { ...found, ...Object.fromEntries(lists) };
}"""


def arrange(page: Page, nodes: list[dict[str, Any]], room: str, **more: object) -> dict[str, Any]:
    width, height = ROOMS[room]
    options = {"nodes": nodes, "width": width, "height": height, "more": more}
    return dict(page.evaluate(ARRANGE, options))


def members(scene: dict[str, Any]) -> list[str]:
    return [name for box in scene["boxes"] for name in box.get("members") or [box["id"]]]


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("name", FLOWS)
def test_every_flow_opens_whole_with_names_that_can_be_read(
    modules: Page, name: str, room: str
) -> None:
    nodes = FLOWS[name]
    scene = arrange(modules, nodes, room)
    width, height = ROOMS[room]
    assert min(width / scene["width"], height / scene["height"]) >= SMALLEST
    assert sorted(members(scene)) == sorted(node["id"] for node in nodes)
    for box in scene["boxes"]:
        assert 0 <= box["x"] <= scene["width"] - box["width"]
        assert 0 <= box["y"] <= scene["height"] - box["height"]
    along = "x" if scene["right"] else "y"
    pairs = zip(scene["ends"][::2], scene["ends"][1::2], strict=True)
    if name != "ring":
        assert all(scene["boxes"][a][along] < scene["boxes"][b][along] for a, b in pairs)
    mixed = random.Random(1).sample(nodes, len(nodes))
    assert arrange(modules, mixed, room) == scene  # whatever the order of the server's list


def test_boxes_are_apart_and_edges_run_beside_them(modules: Page) -> None:
    scene = arrange(modules, FLOWS["hundred"], "desktop", all=True)
    boxes = scene["boxes"]
    assert len(boxes) == 100
    for a, b in itertools.combinations(boxes, 2):
        assert (
            a["x"] + a["width"] + 20 <= b["x"]
            or b["x"] + b["width"] + 20 <= a["x"]
            or a["y"] + a["height"] + 40 <= b["y"]
            or b["y"] + b["height"] + 40 <= a["y"]
        )
    for edge in range(len(scene["ends"]) // 2):
        flat = scene["points"][scene["starts"][edge] : scene["starts"][edge + 1]]
        points = list(zip(flat[::2], flat[1::2], strict=True))
        assert [y for _, y in points] == sorted(y for _, y in points)  # down, always
        others = [
            box for at, box in enumerate(boxes) if at not in scene["ends"][2 * edge : 2 * edge + 2]
        ]
        for x, y in points:
            assert not any(
                box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]
                for box in others
            )


@pytest.mark.parametrize("name", ["thousand", "two thousand words", "chain"])
def test_a_group_opens_into_its_jobs(modules: Page, name: str) -> None:
    nodes = FLOWS[name]
    scene = arrange(modules, nodes, "desktop")
    coarseness = scene["coarseness"]
    assert coarseness > 0
    wanted = nodes[len(nodes) // 2]["id"]
    opened: list[str] = []
    while all(box["id"] != wanted for box in scene["boxes"]):
        (group,) = [box for box in scene["boxes"] if wanted in (box.get("members") or ())]
        assert group["key"] not in opened
        opened.append(group["key"])
        before = len(scene["boxes"])
        scene = arrange(modules, nodes, "desktop", coarseness=coarseness, opened=opened)
        assert len(scene["boxes"]) > before
        assert sorted(members(scene)) == sorted(node["id"] for node in nodes)
    whole = arrange(modules, nodes, "desktop", all=True)
    assert len(whole["boxes"]) == len(nodes)


@pytest.mark.parametrize(
    ("names", "group"),
    [
        (["load-1", "load-2", "load-10"], "load-*"),
        (["load-1-b3", "load-2-b3"], "load-*-b3"),
        (["extract_users", "extract_orders"], "extract_*"),
        (["users", "orders"], "users … orders"),
        (["7", "8"], "*"),
    ],
)
def test_a_group_is_named_after_its_jobs(modules: Page, names: list[str], group: str) -> None:
    found = modules.evaluate("async (names) => (await import('./fold.js')).nameOf(names)", names)
    assert found == group


@pytest.mark.parametrize(
    "name",
    [
        "short",
        "a_job_with_a_name_of_many_words_that_no_box_holds_in_one_line",
        "W" * 50,
        "مهمة-طويلة-" * 6,
    ],
)
def test_a_name_keeps_its_middle(modules: Page, name: str) -> None:
    scene = arrange(modules, [{"id": name, "in": []}], "desktop")
    (box,) = scene["boxes"]
    assert "".join(box["lines"]) == name
    width = "async ([text]) => (await import('./text.js')).width(text, '600 13px')"
    assert all(modules.evaluate(width, [line]) <= box["width"] - 38 for line in box["lines"])


def test_a_job_after_all_others_of_a_chain_ends(modules: Page) -> None:
    chain = FLOWS["chain"]
    nodes = [*chain, {"id": "z", "in": [node["id"] for node in chain]}]  # 2 million stops of edges
    scene = arrange(modules, nodes, "desktop", all=True)
    assert len(scene["boxes"]) == 2001


# -- on a page of a real server ------------------------------------------------------------------


def show(console: Console, name: str, files: dict[str, str], last: str, folder: Path) -> Page:
    console.make_project(name, files, folder)
    page = console.open(f"flow/{name}/{last}")
    expect(page.locator(".node").first).to_be_attached()
    return page


def visible_nodes(console: Console) -> int:
    """How many jobs lie inside the graph's frame."""
    return int(
        console.page.evaluate(
            """() => {
                const frame = document.querySelector('.graph-frame').getBoundingClientRect();
                return [...document.querySelectorAll('.node')].filter((node) => {
                    const box = node.getBoundingClientRect();
                    return box.left >= frame.left - 1 && box.right <= frame.right + 1
                        && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
                }).length;
            }"""
        )
    )


def drawn(page: Page) -> int:
    """How many colours the canvas shows."""
    return int(
        page.evaluate(
            """async () => {
                const canvas = document.querySelector('canvas.graph');
                const { width, height } = canvas;
                const look = () => canvas.getContext('2d').getImageData(0, 0, width, height).data;
                while (!look().some(Boolean)) await new Promise(requestAnimationFrame);
                return new Set(new Uint32Array(look().buffer)).size;
            }"""
        )
    )


def test_thirty_jobs_are_all_there_at_once(
    browse: Callable[[str], Console], tmp_path: Path
) -> None:
    console = browse("admin")
    files = {f"a{i:02}.job": "type=noop\n" for i in range(30)}
    files["z.job"] = "type=noop\ndependencies=" + ",".join(f"a{i:02}" for i in range(30)) + "\n"
    page = show(console, f"wide{next(numbers)}", files, "z", tmp_path)
    expect(page.locator(".node")).to_have_count(31)
    assert visible_nodes(console) == 31
    height = page.locator(".node").first.evaluate("e => e.getBoundingClientRect().height")
    assert height >= 46 * SMALLEST
    console.button("Larger").click()
    console.button("Larger").click()
    assert visible_nodes(console) < 31
    console.button("Show the whole graph").click()
    assert visible_nodes(console) == 31
    assert drawn(page) > 10


@pytest.mark.parametrize("window", ["desktop"])
def test_a_thousand_jobs_open_folded_and_each_is_found(
    browse: Callable[[str], Console], tmp_path: Path
) -> None:
    console = browse("admin")
    nodes = FLOWS["thousand"]
    files = {f"{node['id']}.job": job("true", needs=",".join(node["in"])) for node in nodes}
    ends = {node["id"] for node in nodes} - {name for node in nodes for name in node["in"]}
    files["all.job"] = job("true", needs=",".join(sorted(ends)))
    page = show(console, f"thousand{next(numbers)}", files, "all", tmp_path)
    frame = page.locator(".graph-frame")
    folded = page.locator(".node.folded")
    expect(folded.first).to_be_attached()
    count = page.locator(".node").count()
    assert count < 60
    assert visible_nodes(console) == count
    expect(folded.first).to_have_attribute("aria-expanded", "false")

    page.get_by_label("Find a job in the graph").fill("JOB-0512")
    page.keyboard.press("Enter")
    wanted = page.locator(".node:not(.folded)", has_text="job-0512")
    expect(wanted).to_have_attribute("tabindex", "0")
    expect(wanted).to_be_in_viewport()
    wanted.click()
    expect(page.locator(".job-panel h2")).to_have_text("job-0512")
    console.button("Fold").click()
    expect(page.locator(".node")).to_have_count(count)

    console.button("Show all 1,001 jobs").click()
    expect(page.locator(".node")).to_have_count(1001)
    expect(frame).to_have_attribute("data-boxes", "1001")
    assert drawn(page) > 5
    page.get_by_label("Find a job in the graph").fill("no such job")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('.graph-tools input').validationMessage")
    console.button("Fold").click()
    expect(page.locator(".node")).to_have_count(count)


@pytest.mark.parametrize("window", ["desktop"])
def test_a_run_of_many_jobs_is_listed_by_pages(
    browse: Callable[[str], Console], tmp_path: Path
) -> None:
    console = browse("admin")
    name = f"many{next(numbers)}"
    long = "a_name_of_many_words_that_no_column_of_a_table_holds"
    names = [*(f"job-{at:03}" for at in range(150)), f"{long}_1", f"{long}_2"]
    files = {f"{one}.job": "type=noop\n" for one in names}
    files["z.job"] = "type=noop\ndependencies=" + ",".join(names) + "\n"
    page = show(console, name, files, "z", tmp_path)
    console.button("Run").click()
    console.confirm()
    number = console.execution()
    expect(page.locator(".node.folded").first).to_contain_text("150 jobs")
    console.wait_for_status("Succeeded", seconds=120)
    expect(page.locator(".node.folded").first).to_have_class("node is-good folded")
    for tab, row in (("jobs", ".list tbody tr"), ("timeline", ".gantt tbody tr")):
        console.open(f"execution/{number}/{tab}")
        expect(page.locator(row)).to_have_count(100)
        console.button("Next").click()
        expect(page.locator(row)).to_have_count(53)
        page.get_by_label("Find a job", exact=True).fill("job-14")
        expect(page.locator(row)).to_have_count(10)
        expect(page.locator(".filters")).to_contain_text("10 of 153 jobs")
    page.get_by_label("Find a job", exact=True).fill("many_words")
    shown = page.locator(".gantt th a").all_text_contents()
    assert len(set(shown)) == 2  # shortened, and still told apart
    assert all("…" in text for text in shown)


def test_a_graph_follows_the_keyboard_and_the_colours(
    shop: tuple[Console, str], window: str
) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    first = page.locator(".node[tabindex='0']")
    first.focus()
    begin = first.text_content()
    page.keyboard.press("End")
    expect(page.locator(".node:focus")).to_contain_text("shop,")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    expect(page.locator(".node:focus")).to_have_text(begin or "")
    corner = """async (before) => {
        const canvas = document.querySelector('canvas.graph');
        const box = document.querySelector('.node').getBoundingClientRect();
        const frame = canvas.getBoundingClientRect();
        const by = canvas.width / frame.width;
        const at = [(box.right - frame.left - 12) * by, (box.top - frame.top + 12) * by];
        const pen = canvas.getContext('2d');
        let found = '0,0,0,0';
        for (let frames = 0; frames < 600 && ['0,0,0,0', before].includes(found); frames += 1) {
            await new Promise(requestAnimationFrame);
            found = pen.getImageData(...at.map(Math.round), 1, 1).data.join();
        }
        return found;
    }"""
    colour = page.evaluate(corner, "")
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]  # a phone begins in the dark
    for scheme in schemes if window == "phone" else reversed(schemes):
        page.emulate_media(color_scheme=scheme)
        before, colour = colour, page.evaluate(corner, colour)
        assert colour != before


@pytest.mark.parametrize("window", ["desktop"])
def test_a_page_that_is_open_for_long_does_not_grow(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.page
    session = console.context.new_cdp_session(page)
    session.send("Performance.enable")

    def held() -> dict[str, float]:
        session.send("HeapProfiler.collectGarbage")
        found = session.send("Performance.getMetrics")["metrics"]
        kept = ("Nodes", "JSEventListeners", "Documents")
        return {entry["name"]: entry["value"] for entry in found if entry["name"] in kept}

    def visit(times: int) -> None:
        for _ in range(times):
            for route in ("", f"flow/{name}/shop", "history", f"flow/{name}/shop/executions"):
                console.open(route)
                if route.endswith("/shop"):
                    expect(page.locator(".node")).to_have_count(5)

    visit(1)
    console.open("running")
    before = held()
    visit(4)
    console.open("running")
    # What is garbage may still be held for a moment, by an animation or an answer under way.
    for _ in range(20):
        after = held()
        if all(after[key] <= 1.1 * before[key] + 20 for key in before):
            return
        page.wait_for_timeout(500)
    pytest.fail(f"{before} grew to {after}")
