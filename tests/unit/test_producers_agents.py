"""Known crawlers: what either list knows, and what only looks like one."""

import time

import counter_robots
import pytest
from crawleruseragents import is_crawler

from producers import agents

_ANDROID = "Mozilla/5.0 (Linux; Android 11; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.45 Mobile{}"
_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148{}"
)
READERS = {
    "firefox": "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "chrome": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari",
    "explorer": "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Banca Caboto s.p.a.; rv:11.0) like Gecko",
    "cubot": _ANDROID.format("CUBOT_P50", " Safari/537.36"),
    "cubot in other letters": _ANDROID.format("Cubot_X19", " Safari/537.36"),
    "m bot": _ANDROID.format("M bot 60 Build/NRD90M; wv", " Safari/537.36"),
    "motorola": _ANDROID.format("motorola edge 30 Build/T1RD33.116-33-3; wv", " Safari/537.36"),
    "titan": _ANDROID.format("titan P8000", " Safari/537.36 [FB_IAB/FB4A;FBAV/415.0.0.34.107;]"),
    "facebook": _IPHONE.format(" [FBAN/FBIOS;FBAV/470.0.0.0;FBDV/iPhone14,5;FBMD/iPhone;FBLC/fr_FR]"),
    "instagram": _ANDROID.format(
        "SM-A536B; wv", " Safari/537.36 Instagram 300.0 Android (33/13; 420dpi; Google/google)"
    ),
    "tiktok": _ANDROID.format("SM-A107M", " Safari/537.36 musical_ly_2022704050 JsSdk/1.0 Channel/googleplay"),
    "yahoo": _IPHONE.format(" Safari/604.1 YJApp-IOS jp.co.yahoo.ipn.appli/4.70.0"),
    "baidu": _ANDROID.format("BMH-TN10", " Safari/537.36 T7/12.23 baiduboxapp/12.23.5.10 (Baidu; P1 10)"),
    "sailfish": "Mozilla/5.0 (Maemo; Linux; U; Jolla; Sailfish; rv:26.0) Gecko/26.0 Firefox/26.0 SailfishBrowser/1.0",
    "lynx": "Lynx/2.8.8pre.3 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/1.0.1e",
    "elinks": "ELinks/0.12~pre6-1ubuntu1 (textmode; Ubuntu; Linux 3.11.0-13-generic i686; 100x25-2)",
    "none": "",
    "none in a log": "-",
}
ONLY_CRAWLERS_LIST = (
    "aiohttp/3.9",
    "node-fetch/1.0",
    "Apache-HttpClient/4.5.14",
    "GPTBot/1.2",
    "PetalBot",
    "HTTPie/3.2",
)
ONLY_COUNTERS_LIST = (
    "PHP/8.2",
    "mybot",
    "Mozilla/5.0",
    "Microsoft URL Control",
    "Mozilla/5.0 (compatible; DeepseekBot/1.0; +https://www.deepseek.com/bot)",
    _ANDROID.format("SM-G892A", " Safari/537.36 https://deepcrawl.com/bot"),
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0.4240.183 Safari webtru_crawler",
)
BOTH = ("curl/8.5.0", "Wget/1.21.4", "python-requests/2.32.3", "Googlebot/2.1", "Go-http-client/2.0", "Scrapy/2.11")


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_is_no_crawler(reader: str) -> None:
    """A phone whose maker is called Cubot or Motorola, an app inside whose browser a page is read, no agent at all."""
    assert not agents.is_bot(READERS[reader])


@pytest.mark.parametrize("agent", [*ONLY_CRAWLERS_LIST, *ONLY_COUNTERS_LIST, *BOTH])
def test_what_either_list_knows_is_a_crawler(agent: str) -> None:
    """Both are needed: each knows some that the other does not."""
    assert agents.is_bot(agent)
    by_list = (is_crawler(agent), counter_robots.is_robot_or_machine(agent))
    assert by_list == (agent not in ONLY_COUNTERS_LIST, agent not in ONLY_CRAWLERS_LIST)


def test_the_lists_have_versions() -> None:
    """What a number was counted with can be looked up."""
    assert set(agents.LISTS) == {"crawler-user-agents", "counter-robots"}
    assert all(version[0].isdigit() for version in agents.LISTS.values())


def test_an_agent_of_a_megabyte_is_looked_at_in_part() -> None:
    """It took seconds, and would be remembered whole."""
    began = time.process_time()
    assert not agents.is_bot("a" * (1 << 20))
    assert agents.is_bot("Googlebot/2.1 " + "a" * (1 << 20))
    assert time.process_time() - began < 1
