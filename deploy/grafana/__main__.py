"""`python -m deploy.grafana` writes dashboards/*.json anew from screens/*.toml."""

from pathlib import Path

from deploy.grafana.building import as_json
from deploy.grafana.screens import load_all

DASHBOARDS = Path(__file__).with_name("dashboards")


def made() -> dict[Path, str]:
    """Each file with its text: NAME.json, and NAME.fr.json of what is also in French."""
    return {
        DASHBOARDS / (f"{name}.json" if language == "en" else f"{name}.{language}.json"): as_json(screen, language)
        for name, screen in load_all().items()
        for language in screen.languages
    }


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text)
