"""What is seen of a page in a frame, and a tracker that cannot know where it came from."""

import base64

import pytest
from playwright.async_api import BrowserContext

from tests.support.published_scripts import TRACKER
from tests.support.reader import until
from tests.support.tracker_site import Site
from tests.support.tracker_visit import Visit, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = "default-src 'none'; frame-src *; style-src 'unsafe-inline'; script-src {0}; connect-src {0}"
UNSEEN = {
    "not-displayed": '<iframe src="{}" style="display: none"></iframe>',
    "inside-what-is-not-displayed": '<div hidden><iframe src="{}"></iframe></div>',
    "no-size": '<iframe src="{}" width="0" height="0" style="border: 0"></iframe>',
    "no-height": '<iframe src="{}" height="0"></iframe>',
    "one-pixel": '<iframe src="{}" width="1" height="1" style="border: 0"></iframe>',
    "far-left": '<iframe src="{}" style="position: absolute; left: -9999px"></iframe>',
    "collapsed": '<div style="height: 0; overflow: hidden"><iframe src="{}"></iframe></div>',
    "closed": '<details><summary>More</summary><iframe src="{}"></iframe></details>',
    "scaled-away": '<iframe src="{}" style="transform: scale(0)"></iframe>',
    "clipped": '<iframe src="{}" style="clip-path: inset(100%)"></iframe>',
    "cut-out": '<iframe src="{}" style="position: absolute; clip: rect(0, 0, 0, 0)"></iframe>',
    "dialog": '<dialog><iframe src="{}"></iframe></dialog>',
    "far-up": '<iframe src="{}" style="position: fixed; top: -999px"></iframe>',
    "below": '<div style="position: absolute; top: 9000px"><iframe src="{}"></iframe></div>',
}
UNSEEN_IF_OF_THE_SAME_ORIGIN = {
    "invisible": '<iframe src="{}" style="visibility: hidden"></iframe>',
    "inside-what-is-invisible": '<div style="visibility: hidden"><iframe src="{}"></iframe></div>',
    "transparent": '<div style="opacity: 0"><iframe src="{}"></iframe></div>',
}
ODD = {
    "no-flow": '<p style="position: fixed">All</p>',
    "no-root-size": "<style>html { position: fixed; width: 0; height: 0 }</style>",
    "no-root-box": "<style>html { display: contents }</style>",
    "root-scrolled-away": "<style>html, body { height: 100% }</style>"
    '<p style="height: 5000px">Long</p><p id="far" style="height: 500px">Here</p>',
    "tall": '<p style="height: 100000px">Long</p>',
}
"""Pages whose root element says little of where they are."""
SEEN = {
    "plain": '<iframe src="{}"></iframe>',
    "small": '<iframe src="{}" width="20" height="20"></iframe>',
    "lazy": '<iframe src="{}" loading="lazy"></iframe>',
    **dict.fromkeys(ODD, '<iframe src="{}#far"></iframe>'),
}
SHOW = """(path) => {
  const frame = document.querySelector(`iframe[src*="${path}"]`);
  for (let at = frame.parentElement; at !== document.body; at = at.parentElement) {
    at.removeAttribute("style");
    at.hidden = false;
    if ("open" in at) at.open = true;
  }
  frame.style.cssText = "width: 300px; height: 150px";
  frame.scrollIntoView();
}"""


@pytest.mark.parametrize("other_site", [False, True], ids=["same-origin", "other-site"])
async def test_a_frame_that_nobody_sees(site: Site, context: BrowserContext, other_site: bool) -> None:
    """No view before it is shown, and then one; what is shown at once has its view."""
    origin = site.origin.replace("127.0.0.1", "localhost") if other_site else site.origin
    policy = POLICY.format(site.collector)
    unseen = UNSEEN if other_site else UNSEEN | UNSEEN_IF_OF_THE_SAME_ORIGIN
    for name in unseen | SEEN:
        site.page(f"/{name}", ODD.get(name, ""), content_security_policy=policy)
    frames = "".join(frame.format(f"{origin}/{name}") for name, frame in (SEEN | unseen).items())
    seen = await visit(site, context, site.page("/outer", frames, head="", content_security_policy=policy))
    for name in SEEN:
        await viewed(site, seen, name, "scrollTo(0, 0)")
    assert sorted(await views(site, seen)) == sorted(f"/{name}" for name in SEEN)
    for name in unseen:
        await seen.page.evaluate(SHOW, name)
        await viewed(site, seen, name)
    await seen.page.evaluate("document.querySelectorAll('iframe').forEach((frame) => { frame.style.display = 'none' })")
    await seen.page.evaluate(SHOW, "plain")
    assert sorted(await views(site, seen)) == sorted(f"/{name}" for name in unseen)
    assert seen.complaints == []


async def viewed(site: Site, seen: Visit, name: str, look: str = "") -> None:
    """Looks at it, and lets time pass, until there is a view of it.

    A frame of the same origin scrolls the outer page to its own fragment when it has loaded, and others out of sight; and
    how long a frame takes until it is laid out, after which it looks again each second, only the machine knows.
    """

    async def came() -> bool:
        await seen.page.evaluate(look)
        await seen.pass_time(2)
        return ("view", f"/{name}") in site.briefs

    await until(came, f"view of /{name}, only {site.briefs}")


async def views(site: Site, seen: Visit) -> list[str]:
    """The articles viewed since the last time, once every frame has had time to say so."""
    await seen.pass_time()
    frames = seen.page.frames[1:]
    for number, frame in enumerate(frames):
        await frame.evaluate(f"popular('mark', '{number}')")
    for number in range(len(frames)):
        await site.arrival("mark", f"{number}")
    came = [article for kind, article in site.briefs if kind == "view"]
    site.sent.clear()
    return came


async def test_frames_in_frames(site: Site, context: BrowserContext) -> None:
    """The outermost page decides; each document with the tracker counts its own article."""
    policy = POLICY.format(site.collector)
    site.page("/inner")
    frame = f'<iframe src="{site.origin}/inner"></iframe>'
    site.page("/middle", frame, content_security_policy=policy)
    outer = '<iframe src="/middle" style="visibility: hidden"></iframe>'
    seen = await visit(site, context, site.page("/outer", outer, content_security_policy=policy))
    await site.arrival("view", "/outer")
    assert await views(site, seen) == ["/outer"]
    await seen.page.evaluate(SHOW, "/middle")
    await seen.pass_time(2)
    await site.arrival("view", "/inner")
    assert sorted(await views(site, seen)) == ["/inner", "/middle"]


HIDDEN = {
    "inlined": "<script>{}</script>",
    "a module": '<script type="module" src="{}"></script>',
    "a data address": '<script src="data:text/javascript;base64,{}"></script>',
    "behind another name": '<img name="currentScript" src="/pixel"><script src="{}/tracker.js"></script>',
}


async def test_a_tracker_that_cannot_know_its_collector(site: Site, context: BrowserContext) -> None:
    """It says so once, with the fix, and throws nothing; one that is loaded as it should be counts beside it."""
    text = TRACKER.current.decode()
    given = {"inlined": text, "a data address": base64.b64encode(TRACKER.current).decode()}
    given |= {"a module": f"{site.collector}/tracker.js", "behind another name": site.collector}
    for name, html in HIDDEN.items():
        site.page("/a", html.format(given[name]) * 2, head="", content_security_policy="")
        seen = await visit(site, context, f"{site.origin}/a")
        warned = [line for line in seen.complaints if "404" not in line]
        assert len(warned) == 1, name
        assert "load it as <script defer src=" in warned[0]
        assert "popular" in await seen.page.evaluate("Object.keys(window)")
    blob = "document.head.append(Object.assign(document.createElement('script'), {src: URL.createObjectURL(new Blob([`%s`]))}))"
    site.page("/b", head="", content_security_policy="")
    seen = await visit(site, context, f"{site.origin}/b")
    async with seen.page.expect_console_message(lambda message: "load it as" in message.text):
        await seen.page.evaluate(blob % text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${"))
    await seen.page.add_script_tag(url=f"{site.collector}/tracker.js")
    await site.arrival("view", "/b")
    assert site.briefs == [("view", "/b")]
