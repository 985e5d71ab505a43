"""Lints what watches the shop: rules, their tests, runbooks, dashboards. Prints every fault and exits 1 if there is one.

    watching.py PROMQL LOGQL    also writes every PromQL query to the rules file PROMQL, for promtool to parse, and every
                                LogQL query to LOGQL, for scripts/logql/parse.mjs
"""

import itertools
import json
import pathlib
import re
import sys

import yaml

from promql import NotUnderstood, filled, metrics, watched

RULES = sorted(pathlib.Path("grafana/rules").glob("*.yml"))
TESTS = sorted(pathlib.Path("grafana/rules/tests").glob("*.yml"))
DASHBOARDS = sorted(pathlib.Path("grafana/dashboards").glob("*.json"))
DATASOURCES = pathlib.Path("grafana/provisioning/datasources")
RUNBOOKS = pathlib.Path("docs/runbooks.md")
METRICS = pathlib.Path("docs/metrics.md")
# What each page of the runbook says, in this order.
QUESTIONS = ["Means", "Hurts", "Look", "Do", "Over"]
# Metrics of others: that they exist is shown by scripts/watching-live.sh, with the exporters themselves.
OF_OTHERS = re.compile(r"(pg|redis|prometheus)_.+|up|ALERTS")
COLUMNS = 24

faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


def alerts_and_records():
    alerts, records = [], []
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                (alerts if "alert" in rule else records).append(rule)
    return alerts, records


def check_alerts(alerts, records):
    for rule in alerts:
        name, annotations = rule["alert"], rule.get("annotations", {})
        if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
            fault(name, "its severity is neither page nor ticket")
        for needed in ("summary", "description"):
            if not annotations.get(needed):
                fault(name, f"has no {needed}")
        if "$value" not in annotations.get("description", ""):
            fault(name, "its description does not tell the value")
        if annotations.get("runbook") != f"docs/runbooks.md#{name.lower()}":
            fault(name, "its runbook does not lead to its page in docs/runbooks.md")
        try:
            watched(rule["expr"])
        except NotUnderstood as why:
            fault(name, f"scripts/lib/promql.py does not understand it: {why}")
    for rule in records:
        if not re.fullmatch(r"\w+:\w+:\w+", rule["record"]):
            fault(rule["record"], "its name is not level:metric:operation")


def check_tests(alerts, records):
    """Every alert is expected to fire by one test and to be silent in another, every recorded series is looked at."""
    fires, silent, asked = set(), set(), ""
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                if case.get("exp_alerts"):
                    for alert in case["exp_alerts"]:
                        labels = alert.get("exp_labels", {})
                        fires.add((case["alertname"], labels.get("severity"), labels.get("burn")))
                else:
                    silent.add(case["alertname"])
            asked += " ".join(case["expr"] for case in test.get("promql_expr_test", [])) + " "
    for rule in alerts:
        name, labels = rule["alert"], rule.get("labels", {})
        if (name, labels.get("severity"), labels.get("burn")) not in fires:
            fault(name, f"no test in which it fires as {labels}")
    for name in sorted({rule["alert"] for rule in alerts} - silent):
        fault(name, "no test in which it is silent")
    for name in sorted({rule["record"] for rule in records} - set(re.findall(r"[\w:]+", asked))):
        fault(name, "is recorded and no test looks at it")


def check_runbooks(alerts):
    """One page for each alert, which answers the five questions. Returns the queries in them."""
    names = {rule["alert"] for rule in alerts}
    pages = re.split(r"^## (.+)$", RUNBOOKS.read_text(), flags=re.M)[1:]
    pages = list(zip(pages[::2], pages[1::2]))
    for name in sorted(names - {name for name, _ in pages}):
        fault(name, f"has no page in {RUNBOOKS}")
    for name, page in pages:
        if name not in names:
            fault(RUNBOOKS, f"## {name} is no alert")
        if re.findall(r"^\*\*(\w+)\.\*\*", page, flags=re.M) != QUESTIONS:
            fault(RUNBOOKS, f"## {name} does not answer {', '.join(QUESTIONS)}")
    text = RUNBOOKS.read_text()
    found = {}
    for language in ("promql", "logql"):
        blocks = re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)
        found[language] = [(f"{RUNBOOKS}", query.strip()) for block in blocks for query in block.splitlines() if query.strip()]
    return found


def panels_of(dashboard):
    """All panels, also those in folded rows."""
    for each in dashboard["panels"]:
        yield each
        yield from each.get("panels", [])


def check_dashboards():
    """Returns the queries in them."""
    found = {"promql": [], "logql": []}
    sources = {
        source["uid"]: source["type"] for path in sorted(DATASOURCES.glob("*.yml")) for source in yaml.safe_load(path.read_text())["datasources"]
    }
    uids = set()
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        if dashboard["uid"] in uids:
            fault(path, f"the uid {dashboard['uid']} is taken")
        uids.add(dashboard["uid"])
        if dashboard.get("editable") is not False or not dashboard.get("links"):
            fault(path, "is editable, or has no links to the others")
        panels = list(panels_of(dashboard))
        ids = [panel["id"] for panel in panels]
        if len(set(ids)) < len(ids):
            fault(path, "two panels have the same id")
        for one, other in itertools.combinations(panels, 2):
            a, b = one["gridPos"], other["gridPos"]
            if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]:
                fault(path, f"{one['title']!r} and {other['title']!r} overlap")
        for panel in panels:
            place = panel["gridPos"]
            if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > COLUMNS:
                fault(path, f"{panel.get('title')!r} stands outside of {COLUMNS} columns")
            if panel["type"] != "row":
                check_panel(path, panel, sources, found)
    return found


def check_panel(path, panel, sources, found):
    title = panel.get("title")
    where = f"{path.name} {title!r}"
    if not title or not panel.get("description"):
        fault(where, "has no title, or no description")
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        fault(where, "has no unit")
    if not panel.get("targets"):
        fault(where, "asks nothing")
    if panel.get("type") == "logs" and "$request_id" not in panel["targets"][0]["expr"]:
        fault(where, "is not filtered by the request id")
    for target in panel.get("targets", []):
        source, query = target.get("datasource", {}), target.get("expr", "")
        if sources.get(source.get("uid")) != source.get("type") or panel.get("datasource") != source:
            fault(where, f"asks {source}, which is not in {DATASOURCES}")
        if source.get("type") == "loki":
            found["logql"].append((where, query))
            continue
        found["promql"].append((where, query))
        for part in re.findall(r"\b(?:rate|irate|increase)\s*\(.*?\[(.*?)\]", query):
            if part != "$__rate_interval":
                fault(where, f"a rate over {part}, not over $__rate_interval")
        if len(re.findall(r"\b(?:rate|irate|increase)\s*\(", query)) != query.count("[$__rate_interval]"):
            fault(where, "a rate without $__rate_interval")


def check_names(queries, records):
    """Every metric of ours is described in docs/metrics.md, every recorded one is recorded."""
    described = set(re.findall(r"^\| `([a-z_]+)", METRICS.read_text(), flags=re.M)) if METRICS.exists() else set()
    if not described:
        fault(METRICS, "has no table of metrics (| `name` | …)")
    recorded = {rule["record"] for rule in records}
    for where, query in queries:
        try:
            names = sorted(metrics(filled(query)))
        except NotUnderstood as why:
            fault(where, why)
            continue
        for name in names:
            if ":" in name:
                if name not in recorded:
                    fault(where, f"{name} is not recorded")
            elif not OF_OTHERS.fullmatch(name) and not {name, re.sub(r"_(bucket|sum|count)$", "", name)} & described:
                fault(where, f"{name} is not in {METRICS}")


def main():
    alerts, records = alerts_and_records()
    check_alerts(alerts, records)
    check_tests(alerts, records)
    in_runbooks = check_runbooks(alerts)
    in_dashboards = check_dashboards()
    promql = in_dashboards["promql"] + in_runbooks["promql"]
    logql = in_dashboards["logql"] + in_runbooks["logql"]
    in_rules = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in alerts + records]
    check_names(promql + in_rules, records)
    if not faults and len(sys.argv) > 2:
        rules = [{"record": f"query:{number}:of_a_panel", "expr": filled(query)} for number, (_, query) in enumerate(promql)]
        pathlib.Path(sys.argv[1]).write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}, indent=1))
        pathlib.Path(sys.argv[2]).write_text(json.dumps([[where, filled(query)] for where, query in logql]))
    print("\n".join(faults) if faults else f"{len(alerts)} alerts, {len(records)} recorded series, {len(promql)} PromQL and {len(logql)} LogQL queries: no fault")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
