"""A screen as the dashboard that Grafana imports."""

import json
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.text import TextMode

from deploy.grafana.screens import Language, Panel, Query, Screen, in_language
from ranker.service.runbook import link

TAG = "popularity-ranker"
ALERTS = 'ALERTS{alertstate="firing"}'
SOURCE = common_model.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOK = {"en": "What to do", "fr": "Que faire"}

AnyPanel = timeseries.Panel | stat.Panel | text.Panel


def as_json(screen: Screen, language: Language) -> str:
    """The same text for the same screen, a panel on each line: it is committed."""
    made = json.loads(json.dumps(_dashboard(screen, language).build(), cls=JSONEncoder), object_hook=_in_sight)
    panels = ",\n".join(_line(panel) for panel in made["panels"])
    around = ",\n".join(f'"{key}": {_line(value)}' for key, value in sorted(made.items()) if key != "panels")
    return f'{{\n{around},\n"panels": [\n{panels}\n]\n}}\n'


def _line(made: Any) -> str:
    return json.dumps(made, sort_keys=True, ensure_ascii=False)


def _in_sight(made: dict[str, Any]) -> dict[str, Any]:
    """The library puts every link into a menu."""
    return {name: value for name, value in made.items() if (name, value) != ("placement", "inControlsMenu")}


def _dashboard(screen: Screen, language: Language) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(in_language(screen.title, language))
        .uid(screen.uid if language == "en" else f"{screen.uid}-{language}")
        .description(in_language(screen.answers, language))
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("10s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        # Narrows every query to what is chosen, such as one namespace of several in one Prometheus.
        .with_variable(dashboard.AdHocVariable("filters").label("Filters").datasource(SOURCE))
        .with_variable(dashboard.TextBoxVariable("page").label("Page").default_value("http://127.0.0.1:8080/"))
        .with_variable(dashboard.TextBoxVariable("runbook_base").label("Runbook base").default_value("/"))
        .link(dashboard.DashboardLink("Screens").type(model.DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True))
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("red")
            .expr(ALERTS)
            .title_format("{{alertname}}")
            .text_format("{{severity}}")
        )
    )
    identities = count(1)
    for row in screen.rows:
        made.with_row(dashboard.Row(in_language(row.title, language)).id(next(identities)))
        for panel in row.panels:
            made.with_panel(_panel(panel, language).id(next(identities)))
    return made


def _panel(panel: Panel, language: Language) -> AnyPanel:
    made: AnyPanel
    if panel.kind == "text":
        made = text.Panel().mode(TextMode.MARKDOWN).content(in_language(panel.text, language).strip())
    else:
        made = _stat(panel) if panel.kind == "stat" else _timeseries(panel)
        made.datasource(SOURCE).unit(panel.unit)
        if panel.decimals is not None:
            made.decimals(panel.decimals)
        for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
            made.with_target(_query(query, language).ref_id(letter))
            if query.unit:
                own = {"unit": query.unit, "custom.axisPlacement": "right"}
                made.override_by_query(letter, [model.DynamicConfigValue(id_val=k, value=v) for k, v in own.items()])
    if panel.runbook:
        made.links(
            [dashboard.DashboardLink(RUNBOOK[language]).url("${runbook_base}" + link(panel.runbook)).target_blank(True)]
        )
    return (
        made.title(in_language(panel.title, language))
        .description(in_language(panel.answers, language))
        .span(panel.width)
        .height(panel.height)
    )


def _query(query: Query, language: Language) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(query.shown)
        .legend_format(in_language(query.legend, language))
        .range()
    )


def _stat(panel: Panel) -> stat.Panel:
    steps = [model.Threshold(value=None, color=panel.base)]
    steps += [model.Threshold(value=value, color=colour) for value, colour in panel.colours]
    return (
        stat.Panel()
        .graph_mode(common_model.BigValueGraphMode.AREA)
        .color_mode(common_model.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    )


def _timeseries(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(30 if panel.stacked else 0)
        .show_points(common_model.VisibilityMode.NEVER)
        .axis_soft_min(0)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        .legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode.LIST)
            .placement(common_model.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs([])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
    )
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
    return made


def queries(made: Any) -> list[str]:
    """Every query of a dashboard, of its panels and of its annotations, as it is committed."""
    return [
        *(target["expr"] for panel in made["panels"] for target in panel.get("targets", ())),
        *(annotation["expr"] for annotation in made["annotations"]["list"]),
    ]
