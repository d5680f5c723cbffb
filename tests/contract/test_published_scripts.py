"""What pages pin by `integrity` goes on being served, and the documents pin what is served now."""

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ranker.service import scripts
from tests.support.published_scripts import BLOCK, CHECKOUT, SCRIPTS, Published

PUBLISH = "the script changed: run .venv/bin/python -m tests.support.published_scripts"

every_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)


@every_script
def test_what_is_served_is_made_from_its_sources(script: Published) -> None:
    """The tracker without its comments; block.js with the style and the words of now."""
    assert script.served.read_bytes() == script.current, PUBLISH


@every_script
def test_the_current_script_is_kept_for_later(script: Published) -> None:
    """It lies in published/ under its address, so that the next version does not overwrite it."""
    kept = script.folder / script.address[1:]
    assert kept.exists(), PUBLISH
    assert kept.read_bytes() == script.current


@every_script
def test_what_was_published_is_served_as_long_as_was_promised(script: Published) -> None:
    """Each row of the table of versions before its date; each file in published/ has a row, with the bytes it pins."""
    served = scripts.versions(script.name, script.current, script.package)
    today = datetime.now(UTC).date()
    for row in script.rows:
        if row.until is None or row.until >= today:
            assert row.address in served, f"{row.address} is promised until {row.until}"
            assert scripts.integrity(served[row.address]) == row.integrity
    assert {f"/{file.name}" for file in script.folder.iterdir()} == set(served), "a file's name is not its content's"
    assert set(served) <= {row.address for row in script.rows}, PUBLISH
    latest, *past = script.rows
    assert (latest.address, latest.until) == (script.address, None), PUBLISH
    assert all(row.until for row in past)


@every_script
def test_documents_pin_the_latest(script: Published) -> None:
    """Its address everywhere, its `integrity` where a page is shown, and no other version outside the table."""
    for document in script.documents:
        lines = [line for line in script.text(document).splitlines() if not line.startswith("| `/")]
        named = re.findall(rf"/{script.name}\.[0-9a-f]{{16}}\.js", "\n".join(lines))
        assert named, document
        assert set(named) == {script.address}, f"{document}: {PUBLISH}"
        if not document.endswith(".yaml"):
            assert script.integrity in "\n".join(lines), f"{document}: {PUBLISH}"
    pinned = {pin for document in script.documents for pin in re.findall(r"sha384-[\w+/=]{64}", script.text(document))}
    assert pinned <= {row.integrity for one in SCRIPTS for row in one.rows}


WORDPRESS = r"""
define( 'ABSPATH', '/' );
define( 'ARTICLES_POPULAIRES_SRC', '' );
function add_shortcode() {}
function add_action( $name, $call ) { $GLOBALS[ $name ] = $call; }
function add_filter( $name, $call ) { $GLOBALS[ $name ] = $call; }
function esc_attr( $text ) { return $text; }
function is_singular() { return false; }
function wp_register_script( $name, $address ) { $GLOBALS['tag'] = "<script src=\"$address\"></script>"; }
require $argv[1];
$wp_enqueue_scripts();
echo $script_loader_tag( $tag, 'articles-populaires' );
"""
"""What the plugin needs of it, and the script's element as a page has it."""

PINNED = ("/block.0123456789abcdef.js", "sha384-pinned")


@pytest.mark.parametrize("own", [{}, {"SCRIPT"}, {"INTEGRITY"}, {"SCRIPT", "INTEGRITY"}], ids=sorted)
def test_the_plugin_takes_both_of_a_version_or_neither(own: set[str], find_tool: Callable[[str, str], Path]) -> None:
    """Address or integrity that wp-config.php names alone would stand beside the plugin's other one: browsers refuse that."""
    php = find_tool("php", "php-cli")
    given = dict(zip(("SCRIPT", "INTEGRITY"), PINNED, strict=True))
    defines = "".join(f"define( 'ARTICLES_POPULAIRES_{name}', '{given[name]}' );" for name in sorted(own))
    plugin = CHECKOUT / "docs" / "block" / "articles-populaires.php"
    done = subprocess.run([php, "-r", defines + WORDPRESS, plugin], capture_output=True, text=True, check=True)
    address, integrity = PINNED if len(own) == 2 else (BLOCK.address, BLOCK.integrity)
    assert done.stdout == f'<script integrity="{integrity}" crossorigin="anonymous" src="{address}"></script>'
