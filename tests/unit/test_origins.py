"""Origins and hosts of ranker.toml, in the form in which browsers send them."""

from pathlib import Path

import pytest

from schemas import configuration
from schemas.origins import OriginError, sent_host, sent_origin

SENT = {
    "https://www.example.org": "https://www.example.org",
    "HTTPS://WWW.Example.ORG:443": "https://www.example.org",
    "http://www.example.org:80": "http://www.example.org",
    "http://www.example.org:443": "http://www.example.org:443",
    "https://www.example.org:08443": "https://www.example.org:8443",
    "https://www.example.org.": "https://www.example.org.",
    "https://a_b.example": "https://a_b.example",
    "https://www.société.example": "https://www.xn--socit-esab.example",
    "https://WWW.SOCIÉTÉ.Example": "https://www.xn--socit-esab.example",
    "https://www.socie\u0301te\u0301.example": "https://www.xn--socit-esab.example",
    "https://www.XN--socit-esab.example": "https://www.xn--socit-esab.example",
    "https://straße.example": "https://xn--strae-oqa.example",  # IDNA of 2003 has strasse
    "https://βόλος.example": "https://xn--nxasmm1c.example",
    "https://نامه\u200cای.example": "https://xn--mgba3gch31f060k.example",
    "https://例え。テスト": "https://xn--r8jz45g.xn--zckzah",
    "https://ｅｘａｍｐｌｅ．org": "https://example.org",
    "https://i❤\ufe0f.example:8080": "https://xn--i-7iq.example:8080",
    "http://127.0.0.1:8000": "http://127.0.0.1:8000",
    "http://[::1]:8000": "http://[::1]:8000",
    "http://[2001:DB8:0:0::7]": "http://[2001:db8::7]",
    "https://www-example-org.translate.goog": "https://www-example-org.translate.goog",
}
UNFIT = [
    *("", "null", "*", "www.example.org", "https://", "https:///", "ftp://a.example", "https://a.example/"),
    *("https://a.example/x", "https://a.example?", "https://a.example#", "https://u:p@a.example", "https://a example"),
    *("https://a..example", "https://.example", "https://*.example.org", "https://a.example:", "https://a.example:0"),
    *(
        "https://a.example:65536",
        "https://a.example:x",
        "https://1.2.3.4.5",
        "https://256.1.1.1",
        "https://[::g]",
        "https://[1.2.3.4]",
    ),
    *(
        "https://[::1",
        "https://a%41.example",
        "https://a.example\n",
        "https://a\\b",
        "https://a／b",
        "https://a\u2028b",
    ),
    *(
        "https://" + "x" * 64,
        "https://" + "é" * 64,
        "https://" + "a." * 127 + "a",
        "https://\u00ad",
        "https://\ud800.example",
    ),
]


@pytest.mark.parametrize("given", SENT)
def test_an_origin_is_as_browsers_send_it(given: str) -> None:
    """And so is the host in it."""
    assert sent_origin(given) == sent_origin(SENT[given]) == SENT[given]
    if "[" not in given and given.count(":") == 1:
        assert sent_host(given.partition("//")[2]) == SENT[given].partition("//")[2]


@pytest.mark.parametrize("given", UNFIT)
def test_what_is_no_origin(given: str) -> None:
    with pytest.raises(OriginError):
        sent_origin(given)


def test_every_list_of_the_file(tmp_path: Path) -> None:
    """Each fault names its place; * stands for every page that may read."""
    file = tmp_path / "ranker.toml"
    text = '[sites.demo]\norigins = ["{0}"]\ncors = ["*", "{0}"]\nhosts = ["{1}"]\n'
    file.write_text(text.format("https://Société.example:443", "Vues.Société.example"))
    table, faults = configuration.table(str(file))
    assert faults == []
    demo = table["sites"]["demo"]
    assert demo["origins"] == ["https://xn--socit-esab.example"]
    assert demo["cors"] == ["*", "https://xn--socit-esab.example"]
    assert demo["hosts"] == ["vues.xn--socit-esab.example"]
    file.write_text(text.format("https://*.example", "1.2.3"))
    _, faults = configuration.table(str(file))
    assert len(faults) == 3
    unfit = "has no host that there can be: write each host by its name, such as www.example.org"
    assert faults[0] == f"{file}: sites.demo.origins: 'https://*.example' {unfit}"
    assert "sites.demo.hosts: '1.2.3' has an IP address that there cannot be" in faults[2]
    file.write_text(text.format("https://a.example/page", "a.example:80"))
    _, faults = configuration.table(str(file))
    assert len(faults) == 3
    assert all("such as " in fault for fault in faults)
