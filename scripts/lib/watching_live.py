"""Asks a real Prometheus for everything that dashboards and alerts ask for.

    watching_live.py configure FOLDER              the shipped configuration, as it has to be on one machine without names
    watching_live.py ask calm|troubled             every query returns a series, but those of TROUBLE when all is well; and every label that
                                                   is named in a legend, in an alert's text or behind `by` is one that a series has
    watching_live.py keep FILE MARKS               rate, p99 and errors between the first and the last mark, for scripts/load-picture.py

Where everything is comes from the environment: PROMETHEUS (its URL), and WEB, WORKER, POSTGRES, REDIS, PROMETHEUS_ADDRESS
(address:port of what is scraped).
"""

import functools
import json
import math
import os
import pathlib
import re
import sys
import urllib.parse
import urllib.request

import yaml

from promql import aggregations, filled, watched

EVERY = "2s"
# What has no series before something goes wrong; scripts/watching-live.sh makes all of it go wrong, and asks again.
TROUBLE = {
    # panel or alert: what brings it about
    "api.json 'Errors by route'": "somebody holds the tables",
    "api.json 'Alerts'": "the gateway declines refunds",
    "api.json 'Turned away'": "a hasty caller",
    "business.json 'Money that somebody has to look at'": "the gateway declines refunds",
    "jobs.json 'Failures by kind'": "the mail server is away",
    "GatewayFailing": "the gateway is away",
    "MailsFailing": "the mail server is away",
    "MoneyNeedsSomebody": "the gateway declines refunds",
    "WebhooksRefused": "a stranger's webhook",
}

# Jobs of Prometheus that have nobody to ask here, and why.
NOBODY_HERE = {
    "loki": "logs are not collected: there is no ready-made Loki to install",
    "promtail": "the same",
    "alloy": "the same",
}


def configure(folder):
    """Addresses instead of names to be looked up, and shorter intervals, of the rules as well: a rule that is evaluated every
    five minutes would not be evaluated once. Everything else is what is shipped."""
    places = {
        "oms": [("WEB", {"component": "web"}), ("WORKER", {"component": "worker"})],
        "postgres": [("POSTGRES", {})],
        "redis": [("REDIS", {})],
        "prometheus": [("PROMETHEUS_ADDRESS", {})],
    }
    config = yaml.safe_load(pathlib.Path("grafana/prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY}
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert set(NOBODY_HERE) <= jobs, f"{NOBODY_HERE} names jobs that are not in grafana/prometheus.yml"
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] not in NOBODY_HERE]
    for job in config["scrape_configs"]:
        if "scrape_interval" in job:
            job["scrape_interval"] = EVERY
        # What rewrites labels that only the search by name leaves, goes with it.
        relabel = [each for each in job.pop("relabel_configs", []) if not any(label.startswith("__meta_") for label in each.get("source_labels", []))]
        for search in [name for name in job if name.endswith("_sd_configs") or name == "static_configs"]:
            del job[search]
        job["static_configs"] = [{"targets": [os.environ[name]], "labels": labels} for name, labels in places.pop(job["job_name"])]
        if relabel:
            job["relabel_configs"] = relabel
    assert not places, f"nobody scrapes {', '.join(places)}"
    (folder / "rules").mkdir()
    assert config["rule_files"] == ["rules/*.yml"], config["rule_files"]
    for path in pathlib.Path("grafana/rules").glob("*.yml"):
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group["interval"] = EVERY
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules, sort_keys=False))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False))


def get(path, **arguments):
    url = f"{os.environ['PROMETHEUS']}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)["data"]


def queries():
    """(where, query) of every panel and of everything that an alert looks at."""
    for path in sorted(pathlib.Path("grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == "prometheus":
                    yield f"{path.name} {panel['title']!r}", filled(target["expr"])
    for path in sorted(pathlib.Path("grafana/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                for query in watched(rule["expr"]) if "alert" in rule else []:
                    yield rule["alert"], query


def labels():
    """(where, label, queries): at least one series of these queries has to have the label."""
    for path in sorted(pathlib.Path("grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            where = f"{path.name} {panel['title']!r}"
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == "prometheus":
                    query = filled(target["expr"])
                    yield from ((where, label, [query]) for label in re.findall(r"{{\s*(\w+)\s*}}", target.get("legendFormat", "")))
                    yield from ((where, label, [operand]) for label, operand in aggregations(query))
    for path in sorted(pathlib.Path("grafana/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                where = rule.get("alert") or rule["record"]
                yield from ((where, label, [operand]) for label, operand in aggregations(rule["expr"]))
                named = re.findall(r"\$labels\.(\w+)", " ".join(rule.get("annotations", {}).values()))
                yield from ((where, label, watched(rule["expr"])) for label in named if label not in rule.get("labels", {}))


@functools.cache
def series(query):
    return get("query", query=query)["result"]


def has_series(query):
    """A series of which all that is known is that it is not a number shows nothing."""
    return any(not math.isnan(float(each["value"][1])) for each in series(query))


def ask(state):
    targets = get("targets")["activeTargets"]
    down = [f"{each['scrapeUrl']}: {each['lastError']}" for each in targets if each["health"] != "up"]
    sick = [f"{rule['name']}: {rule['lastError']}" for group in get("rules")["groups"] for rule in group["rules"] if rule["health"] != "ok"]
    asked, missing = 0, []
    for where, query in queries():
        asked += 1
        if not has_series(query) and not (state == "calm" and where in TROUBLE):
            missing.append(f"{where}: no series for {query}")
    unknown = [f"{where} is on the list of trouble and asks nothing" for where in set(TROUBLE) - {where for where, _ in queries()}]
    # Whether there has to be a series is asked above; here, those that there are.
    named, strange = 0, []
    for where, label, asking in labels():
        found = [each["metric"] for query in asking for each in series(query)]
        named += 1
        if found and not any(label in each for each in found):
            strange.append(f"{where}: no series has the label {label}: {' or '.join(asking)}")
    faults = down + sick + missing + unknown + strange
    firing = sorted({alert["labels"]["alertname"] for alert in get("alerts")["alerts"] if alert["state"] == "firing"})
    print(f"{len(targets)} targets, {asked} queries of panels and alerts, {len(missing)} without a series; {named} labels; firing: {', '.join(firing) or 'none'}")
    for fault in faults:
        print(f"  {fault}")
    return not faults


def keep(path, marks):
    of_api = 'job="oms", http_route=~"/v1/.*"'
    count, bucket = (f"http_server_request_duration_seconds_{each}" for each in ("count", "bucket"))
    wanted = {
        "requests": f"sum(rate({count}{{{of_api}}}[6s]))",
        "p99": f"histogram_quantile(0.99, sum by (le) (rate({bucket}{{{of_api}}}[6s])))",
        "errors": f'sum(rate({count}{{{of_api}, http_response_status_code=~"5.."}}[6s])) or 0 * sum(rate({count}{{{of_api}}}[6s]))',
    }
    marks = [line.split(" ", 1) for line in pathlib.Path(marks).read_text().splitlines()]
    kept = {"queries": wanted, "marks": marks}
    for name, query in wanted.items():
        # The first seconds have no rate yet.
        kept[name] = get("query_range", query=query, start=float(marks[0][0]) + 6, end=marks[-1][0], step=1)["result"][0]["values"]
    pathlib.Path(path).write_text(json.dumps(kept, indent=1) + "\n")
    print(f"kept {sum(len(kept[name]) for name in wanted)} values in {path}")
    return True


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "configure":
        configure(pathlib.Path(arguments[0]))
    else:
        sys.exit(not {"ask": ask, "keep": keep}[command](*arguments))
