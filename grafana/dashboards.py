#!/usr/bin/env python3
"""Writes the four dashboards that Grafana shows. They are thousands of lines of JSON, so they are said here, panel by panel:

    grafana/dashboards.py            writes grafana/dashboards/*.json
    grafana/dashboards.py --check    fails when what is written there is not what is said here

Panels flow from left to right in 24 columns, so that nothing overlaps. In a query `[R]` is the range that Grafana chooses for rates.
"""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
LOKI = {"type": "loki", "uid": "loki"}
# Of Grafana 12.
SCHEMA_VERSION = 42
COLUMNS = 24

# Amounts come in minor units; how many of them make one differs by currency, and the program knows.
EXPONENTS = re.findall(r'^    \("([A-Z]{3})", (\d)\),$', (HERE.parent / "modules/kernel/src/money.rs").read_text(), re.M)


# --- what panels are made of ------------------------------------------------------------------------------------------


def panel(kind, title, description, unit, targets, *, width=8, height=8, options=None, thresholds=None, custom=None, **defaults):
    """A panel whose targets are (query, legend)."""
    logs = kind == "logs"
    source = LOKI if logs or targets[0][0].startswith("{") or "_over_time({" in targets[0][0] else PROMETHEUS
    steps = [{"color": color, "value": value} for value, color in thresholds or [(None, "green")]]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": source,
        "gridPos": {"w": width, "h": height},
        "targets": [target(source, number, *each, kind=kind) for number, each in enumerate(targets)],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "color": {"mode": "thresholds" if thresholds and kind != "timeseries" else "palette-classic"},
                "thresholds": {"mode": "absolute", "steps": steps},
                **({"custom": custom} if custom else {}),
                **defaults,
            },
            "overrides": [],
        },
        "options": options or {},
    }


def target(source, number, query, legend="", kind="timeseries"):
    query = re.sub(r"\s+", " ", query).replace("[R]", "[$__rate_interval]").strip()
    made = {"refId": chr(ord("A") + number), "datasource": source, "expr": query}
    if source is LOKI:
        return made | {"queryType": "range", "legendFormat": legend}
    if kind == "table":
        return made | {"format": "table", "instant": True, "range": False}
    return made | {"legendFormat": legend, "range": True}


def graph(title, description, unit, *targets, thresholds=None, stacked=False, **more):
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 25 if stacked else 8,
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    more = {"min": 0} | more
    return panel("timeseries", title, description, unit, targets, options=options, thresholds=thresholds, custom=custom, **more)


def stat(title, description, unit, *targets, width=4, height=4, **more):
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "auto",
        "justifyMode": "auto",
    }
    return panel("stat", title, description, unit, targets, width=width, height=height, options=options, **more)


def bars(title, description, unit, *targets, calc="mean", **more):
    """Horizontal bars of what a query was over the time that is shown."""
    options = {
        "reduceOptions": {"calcs": [calc], "fields": "", "values": False},
        "orientation": "horizontal",
        "displayMode": "gradient",
        "showUnfilled": True,
        "valueMode": "color",
    }
    return panel("bargauge", title, description, unit, targets, options=options, **({"min": 0} | more))


def table(title, description, *columns, label=None, **more):
    """One line a `label`; columns are (name, unit, query)."""
    made = panel("table", title, description, columns[0][1], [(query,) for _, _, query in columns], **more)
    values = [f"Value #{target['refId']}" for target in made["targets"]] if len(columns) > 1 else ["Value"]
    names = {value: column[0] for value, column in zip(values, columns)} | (label or {})
    made["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
    ]
    made["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]} for name, unit, _ in columns
    ]
    made["options"] = {"showHeader": True, "sortBy": [{"displayName": columns[0][0], "desc": True}]}
    return made


def logs(title, description, query):
    options = {
        "showTime": True,
        "wrapLogMessage": True,
        "enableLogDetails": True,
        "prettifyLogMessage": False,
        "sortOrder": "Ascending",
        "dedupStrategy": "none",
    }
    return panel("logs", title, description, "none", [(query,)], width=24, height=10, options=options)


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": COLUMNS, "h": 1}}


def laid_out(panels):
    """Gives every panel its number and its place: the next one on the line, or a new line below the highest of this one."""
    x = y = line = 0
    for number, each in enumerate(panels, 1):
        place = each["gridPos"]
        if x + place["w"] > COLUMNS:
            x, y, line = 0, y + line, 0
        place |= {"x": x, "y": y}
        x, line = x + place["w"], max(line, place["h"])
        each["id"] = number
    return panels


def choice(name, label, query, all_value):
    return {
        "type": "query", "name": name, "label": label, "datasource": PROMETHEUS, "definition": query,
        "query": {"query": query, "refId": "A"}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
        "allValue": all_value, "current": {"text": ["All"], "value": ["$__all"]}, "options": [], "regex": "", "hide": 0,
    }


COMPONENT = choice("component", "Component", 'label_values(up{job="oms"}, component)', ".*")
# Whose lines are shipped, whether they are up or not. Prometheus could not say: the mock gateway has logs and no metrics.
COMPONENT_OF_LOGS = {
    "type": "custom", "name": "component", "label": "Component", "query": "web,worker,gateway", "multi": True, "includeAll": True,
    "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0,
    "options": [{"text": each, "value": each, "selected": False} for each in ("web", "worker", "gateway")],
}
ROUTE = choice(
    "route", "Route", 'label_values(http_server_request_duration_seconds_count{job="oms", http_route=~"/v1/.*"}, http_route)', "/v1/.*"
)
REQUEST_ID = {
    "type": "textbox", "name": "request_id", "label": "Request id", "query": "", "hide": 0,
    "current": {"text": "", "value": ""}, "options": [{"text": "", "value": "", "selected": True}],
}


def dashboard(uid, title, description, variables, panels):
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["oms"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards", "title": "oms", "tags": ["oms"], "asDropdown": False, "includeVars": False, "keepTime": True,
                "targetBlank": False, "icon": "external link", "tooltip": "", "url": "",
            }
        ],
        "templating": {"list": variables},
        "panels": laid_out(panels),
    }


# --- queries that several panels ask -----------------------------------------------------------------------------------


def per_minute(metric, by=""):
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}[R])) * 60"


def money_per_minute(metric):
    """What a count of minor units grows by in a minute, in whole units of each currency."""
    codes = {digits: "|".join(code for code, exponent in EXPONENTS if exponent == digits) for _, digits in EXPONENTS}
    usual = codes.pop("2")
    assert usual, "no currency with cents"
    parts = [per_minute(f'{metric}{{currency!~"{"|".join(codes.values())}"}}', "currency") + " / 100"]
    parts += [per_minute(f'{metric}{{currency=~"{code}"}}', "currency") + f" / {10 ** int(digits)}" for digits, code in sorted(codes.items())]
    return " or ".join(parts).replace(" / 1 ", " ")


def quantile(q, metric, by="", matchers=""):
    by = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({by}) (rate({metric}_bucket{{{matchers}}}[R])))"


REQUESTS = "http_server_request_duration_seconds"
OF_ROUTE = 'job="oms", http_route=~"$route"'
FAILED = f'{OF_ROUTE}, http_response_status_code=~"5.."'
OF_COMPONENT = 'job="oms", component=~"$component"'
# What is held first and captured later is counted as both; here it counts when it is captured.
TAKEN = 'oms_payments_total{outcome="captured"}'
DECIDED = 'oms_payments_total{outcome=~"captured|failed"}'
# A status, an outcome or a reason has no series before it happens the first time; then it is an honest zero.
ERROR_SHARE = (
    f"(sum(rate({REQUESTS}_count{{{FAILED}}}[R])) or 0 * sum(rate({REQUESTS}_count{{{OF_ROUTE}}}[R])))"
    f" / sum(rate({REQUESTS}_count{{{OF_ROUTE}}}[R]))"
)
ERROR_SHARE_BY_ROUTE = (
    f"(sum by (http_route) (rate({REQUESTS}_count{{{FAILED}}}[R])) or 0 * sum by (http_route) (rate({REQUESTS}_count{{{OF_ROUTE}}}[R])))"
    f" / sum by (http_route) (rate({REQUESTS}_count{{{OF_ROUTE}}}[R]))"
)
PAYMENT_SUCCESS = f"sum(rate({TAKEN}[R])) / sum(rate({DECIDED}[R]))"
# The line filter comes first: it is what makes a search through a week fast, and an empty one finds everything.
STORY = (
    '{service="oms", component=~"$component"} |= "$request_id" | json'
    ' | line_format "{{.component}} {{.level}} {{.message}} {{.http_method}} {{.http_route}} {{.http_status}} {{.job_kind}} {{.mail_template}} {{.error}}"'
)
TROUBLE = '{service="oms", component=~"$component", level=~"WARN|ERROR"}'


def log_panels():
    return [
        row("Logs"),
        graph(
            "Warnings and errors", "Log lines of the levels WARN and ERROR.", "short",
            (f"sum by (component, level) (count_over_time({TROUBLE}[$__auto]))", "{{component}} {{level}}"), width=24, height=6,
        ),
        logs(
            "The story of a request",
            "Every line of the request whose id stands above: the call, the jobs and mails it caused, the webhook and what followed. All lines when there is none.",
            STORY,
        ),
        logs("Warnings and errors, line by line", "What went wrong, of the same request when there is an id.", TROUBLE + ' |= "$request_id"'),
    ]


# --- the dashboards ----------------------------------------------------------------------------------------------------

BUSINESS = dashboard(
    "oms-business", "oms: business", "What the shop sells, what of it is paid and sent, and what people could not buy.", [],
    [
        row("Now"),
        stat("Orders", "Orders placed, each minute.", "suffix: /min", (per_minute("oms_orders_placed_total"), "orders"), width=6),
        stat("Money taken", "Captured payments, each minute, in whole units of each currency.", "suffix: /min",
             (money_per_minute("oms_payments_captured_minor_total"), "{{currency}}"), width=6),
        stat("Payments that go well", "Of the payments that ended, the share in which money was taken; what is held counts when it is captured. Buyers without money are in it, so 100 % is not to be had.",
             "percentunit", (PAYMENT_SUCCESS, "success"), width=6, thresholds=[(None, "red"), (0.5, "orange"), (0.8, "green")], min=0, max=1),
        stat("Sold out", "Orders refused because something was not in stock, each minute.", "suffix: /min",
             (per_minute('oms_orders_refused_total{reason="out_of_stock"}'), "sold out"), width=6),
        row("Orders"),
        graph("Orders placed", "By currency.", "suffix: /min", (per_minute("oms_orders_placed_total", "currency"), "{{currency}}"), stacked=True),
        graph("Value of placed orders", "What was ordered, paid or not, in whole units of each currency.", "suffix: /min",
              (money_per_minute("oms_orders_value_minor_total"), "{{currency}}")),
        graph("Orders refused", "Why an order could not be placed. Only what buyers were told; errors of ours are on the dashboard of the API.", "suffix: /min",
              (per_minute("oms_orders_refused_total", "reason"), "{{reason}}"), stacked=True),
        graph("Placed, paid, shipped", "The way of an order: steps written into orders' histories, each minute. A growing gap between two lines is work that piles up, or money that does not come.",
              "suffix: /min",
              (per_minute('oms_order_events_total{event="placed"}'), "placed"),
              (per_minute('oms_order_events_total{event="payment_captured"}'), "paid"),
              (per_minute('oms_order_events_total{event="shipment_shipped"}'), "shipped"),
              (per_minute('oms_order_events_total{event="shipment_delivered"}'), "delivered"), width=12),
        bars("The funnel", "The same steps on average over the time that is shown.", "suffix: /min",
             (per_minute('oms_order_events_total{event="placed"}'), "placed"),
             (per_minute('oms_order_events_total{event="payment_started"}'), "payment started"),
             (per_minute('oms_order_events_total{event="payment_captured"}'), "paid"),
             (per_minute('oms_order_events_total{event="shipment_shipped"}'), "shipped"),
             (per_minute('oms_order_events_total{event="completed"}'), "completed"), width=12),
        graph("How orders end", "Completed, cancelled by somebody, or expired because nobody paid; revived: money came after all.", "suffix: /min",
              (per_minute('oms_order_events_total{event=~"completed|cancelled|expired|revived"}', "event"), "{{event}}")),
        graph("Returns and lost parcels", "Goods that come back, and parcels that did not arrive.", "suffix: /min",
              (per_minute('oms_order_events_total{event=~"return_.+|shipment_lost"}', "event"), "{{event}}")),
        graph("Sold out, as a share", "Of those who tried to buy, the share that was told that something is out of stock.", "percentunit",
              ('sum(rate(oms_orders_refused_total{reason="out_of_stock"}[R])) / (sum(rate(oms_orders_placed_total[R])) + sum(rate(oms_orders_refused_total{reason="out_of_stock"}[R])))', "sold out"), max=1),
        row("Money"),
        graph("Payments by outcome", "What became of payments. One that is held and captured later is counted twice: as authorized, and as captured.", "suffix: /min", (per_minute("oms_payments_total", "outcome"), "{{outcome}}"), stacked=True),
        graph("Payments that go well", "Captured, of captured and failed.", "percentunit", (PAYMENT_SUCCESS, "success"), max=1),
        graph("Money taken", "Captured, in whole units of each currency.", "suffix: /min", (money_per_minute("oms_payments_captured_minor_total"), "{{currency}}")),
        graph("Refunds by outcome", "How refunds ended. What failed is not tried again by itself: see the alert MoneyNeedsSomebody.", "suffix: /min",
              (per_minute("oms_refunds_total", "outcome"), "{{outcome}}"), stacked=True),
        graph("Money given back", "Refunded, in whole units of each currency.", "suffix: /min", (money_per_minute("oms_refunded_minor_total"), "{{currency}}")),
        graph("Money that somebody has to look at", "The gateway declined a refund, a capture or a release, or took another amount than was asked for.", "suffix: /min",
              (per_minute('oms_order_events_total{event=~"refund_failed|capture_failed|void_failed|payment_mismatch"}', "event"), "{{event}}")),
        row("People"),
        graph("Logins", "By outcome; throttled: too many wrong passwords before.", "suffix: /min", (per_minute("oms_logins_total", "outcome"), "{{outcome}}"), stacked=True, width=12),
        graph("New accounts", "Registrations that were accepted.", "suffix: /min",
              (per_minute(f'{REQUESTS}_count{{job="oms", http_route="/v1/auth/register", http_response_status_code="201"}}'), "registered"), width=12),
    ],
)

API = dashboard(
    "oms-api", "oms: API", "How many requests there are, how long they take, which fail, and how much room is left.", [ROUTE, COMPONENT_OF_LOGS, REQUEST_ID],
    [
        row("Now"),
        stat("Requests", "Requests to the API, each second.", "reqps", (f"sum(rate({REQUESTS}_count{{{OF_ROUTE}}}[R]))", "requests"), width=4),
        stat("Errors", "The share that was answered 5xx. One in a thousand is what is promised.", "percentunit", (ERROR_SHARE, "errors"), width=4,
             thresholds=[(None, "green"), (0.001, "orange"), (0.01, "red")], min=0),
        stat("p99", "99 of 100 requests are faster. Half a second is what is promised.", "s", (quantile(0.99, REQUESTS, matchers=OF_ROUTE), "p99"), width=4,
             thresholds=[(None, "green"), (0.25, "orange"), (0.5, "red")]),
        stat("Error budget left", "Of what may go wrong in 30 days, the share that is left, by promise. Below 0 the promise is broken.", "percentunit",
             ("slo:error_budget_left:ratio30d", "{{slo}}"), width=12, thresholds=[(None, "red"), (0, "orange"), (0.25, "green")]),
        row("Rate, errors, duration"),
        graph("Requests by status", "Answers by status code, each second. 499: the client hung up before its answer was ready, and nobody has read it.", "reqps",
              (f"sum by (http_response_status_code) (rate({REQUESTS}_count{{{OF_ROUTE}}}[R]))", "{{http_response_status_code}}"), stacked=True),
        graph("Errors", "The share of requests answered 5xx.", "percentunit", (ERROR_SHARE, "errors")),
        graph("Duration", "Half, 95 and 99 of 100 requests are faster than this.", "s",
              (quantile(0.5, REQUESTS, matchers=OF_ROUTE), "p50"),
              (quantile(0.95, REQUESTS, matchers=OF_ROUTE), "p95"),
              (quantile(0.99, REQUESTS, matchers=OF_ROUTE), "p99"), thresholds=[(None, "green"), (0.5, "red")]),
        graph("Requests by route", "The ten busiest routes.", "reqps", (f"topk(10, sum by (http_request_method, http_route) (rate({REQUESTS}_count{{{OF_ROUTE}}}[R])))", "{{http_request_method}} {{http_route}}"), stacked=True),
        graph("Errors by route", "Answers of 5xx by route and status. Empty when there are none.", "reqps",
              (f"sum by (http_request_method, http_route, http_response_status_code) (rate({REQUESTS}_count{{{FAILED}}}[R]))", "{{http_response_status_code}} {{http_request_method}} {{http_route}}")),
        graph("p99 by route", "The ten slowest routes.", "s", (f"topk(10, {quantile(0.99, REQUESTS, 'http_request_method, http_route', OF_ROUTE)})", "{{http_request_method}} {{http_route}}")),
        table("Routes", "Every route: how often it is asked, how long it takes, how often it fails.",
              ("Requests", "reqps", f"sum by (http_route) (rate({REQUESTS}_count{{{OF_ROUTE}}}[R]))"),
              ("p50", "s", quantile(0.5, REQUESTS, "http_route", OF_ROUTE)),
              ("p95", "s", quantile(0.95, REQUESTS, "http_route", OF_ROUTE)),
              ("p99", "s", quantile(0.99, REQUESTS, "http_route", OF_ROUTE)),
              ("Errors", "percentunit", ERROR_SHARE_BY_ROUTE),
              label={"http_route": "Route"}, width=16, height=10),
        table("Alerts", "What is firing now; docs/runbooks.md says what to do. Empty on a good day.",
              ("Firing", "short", 'count by (alertname, severity) (ALERTS{alertstate="firing"})'),
              label={"alertname": "Alert", "severity": "Severity"}, height=10),
        row("Promises"),
        graph("Burn rate, one hour", "How many times faster than it lasts for 30 days the budget of each promise is spent. From 14.4 on somebody is woken.", "none",
              ("slo:burn:rate1h", "{{slo}}"), thresholds=[(None, "green"), (14.4, "red")], width=12),
        graph("Burn rate, six hours", "The same over six hours. From 6 on somebody is woken.", "none",
              ("slo:burn:rate6h", "{{slo}}"), thresholds=[(None, "green"), (6, "red")], width=12),
        row("Room that is left"),
        graph("Requests at once", "Requests to the API that are being worked on, by process, and how many may be (OMS_MAX_IN_FLIGHT).", "short",
              ("http_server_active_requests", "{{instance}}"), ("max(oms_http_active_requests_limit)", "limit of each")),
        graph("Turned away", "Shed: too many at once (503). Limited: a caller or an address asks too often (429); logins with too many wrong passwords are on the dashboard of the business.", "reqps",
              ("sum(rate(oms_http_shed_total[R]))", "shed"), ("sum by (limit) (rate(oms_http_rate_limited_total[R]))", "limited: {{limit}}")),
        graph("Catalog from the cache", "Pages of the catalog that needed no query (hit), one (miss), or could not be cached (bypass).", "reqps",
              ("sum by (outcome) (rate(oms_catalog_cache_total[R]))", "{{outcome}}"), stacked=True),
        row("Intake of orders"),
        graph("Orders in a batch", "Orders are placed together with those that come at the same moment: how many, on average and at most in 95 of 100 batches.", "short",
              ("sum(rate(oms_intake_batch_orders_sum[R])) / sum(rate(oms_intake_batch_orders_count[R]))", "mean"),
              (quantile(0.95, "oms_intake_batch_orders"), "p95")),
        graph("Waiting and committing", "How long an order waits for its batch, and how long a batch takes.", "s",
              (quantile(0.5, "oms_intake_wait_seconds"), "wait p50"), (quantile(0.99, "oms_intake_wait_seconds"), "wait p99"),
              (quantile(0.5, "oms_intake_commit_duration_seconds"), "commit p50"), (quantile(0.99, "oms_intake_commit_duration_seconds"), "commit p99")),
        graph("Orders that wait", "Orders that wait for the batch before theirs, by process.", "short", ("oms_intake_waiting", "{{instance}}")),
        *log_panels(),
    ],
)

JOBS = dashboard(
    "oms-jobs", "oms: jobs, webhooks, mail", "What is done in the background: whether it is done in time, and what of it fails.", [COMPONENT_OF_LOGS, REQUEST_ID],
    [
        row("Now"),
        stat("Jobs that wait", "Jobs whose time has come and that no worker has taken yet.", "short", ("max by (queue) (oms_jobs_ready)", "{{queue}}"), width=6),
        stat("Oldest of them", "How long the oldest has been waiting. A minute of an urgent one wakes somebody.", "s",
             ("queue:oms_jobs_oldest_ready_age_seconds:max", "{{queue}}"), width=6, thresholds=[(None, "green"), (30, "orange"), (60, "red")]),
        stat("Dead jobs", "Jobs that have used up their attempts; `oms jobs list --state failed` lists them.", "short", ("queue:oms_jobs_dead:max", "{{queue}}"), width=6),
        stat("Workers alive", "Of all workers that there should be, the share that is there.", "percentunit",
             ("sum(oms_job_workers_alive) / sum(oms_job_workers)", "alive"), width=3, thresholds=[(None, "red"), (1, "green")], min=0, max=1),
        stat("Unsettled money", "How long the oldest payment, capture or refund has been waiting whose outcome nobody knows.", "s",
             ("max(oms_payments_unsettled_oldest_age_seconds)", "oldest"), width=3, thresholds=[(None, "green"), (300, "orange"), (900, "red")]),
        row("Queues"),
        graph("Jobs that wait", "Jobs whose time has come, by queue.", "short", ("max by (queue) (oms_jobs_ready)", "{{queue}}")),
        graph("Oldest job that waits", "By queue.", "s", ("queue:oms_jobs_oldest_ready_age_seconds:max", "{{queue}}")),
        graph("Start lag", "How long after its time a job starts. 99.5 % of the urgent ones within five seconds is what is promised.", "s",
              (quantile(0.5, "oms_job_start_lag_seconds", "queue"), "{{queue}} p50"), (quantile(0.99, "oms_job_start_lag_seconds", "queue"), "{{queue}} p99")),
        graph("Asked for", "Jobs put into the queues, by kind.", "ops", ("sum by (kind) (rate(oms_jobs_enqueued_total[R]))", "{{kind}}"), stacked=True),
        graph("Done", "Jobs taken out of the queues, by kind.", "ops", ('sum by (kind) (rate(oms_jobs_finished_total{outcome="finished"}[R]))', "{{kind}}"), stacked=True),
        graph("How they end", "Retried: it failed and is tried again. Failed: given up. Snoozed: not its time yet. Released and lost: the worker stopped, or died.", "ops",
              ("sum by (queue, outcome) (rate(oms_jobs_finished_total[R]))", "{{queue}} {{outcome}}")),
        graph("Duration by kind", "95 of 100 jobs of a kind are faster.", "s", (quantile(0.95, "oms_job_duration_seconds", "kind"), "{{kind}}")),
        graph("Failures by kind", "Jobs that failed, whether they are tried again or not.", "ops",
              ('sum by (kind, outcome) (rate(oms_jobs_finished_total{outcome=~"retried|failed|lost"}[R]))', "{{kind}} {{outcome}}")),
        graph("Dead jobs", "Given up, by queue; they stay until somebody retries them.", "short", ("queue:oms_jobs_dead:max", "{{queue}}")),
        row("Workers and schedules"),
        graph("Workers", "Workers alive, by process, and how many each should have.", "short", ("oms_job_workers_alive", "{{instance}}"), ("max(oms_job_workers)", "of each")),
        graph("What goes wrong with workers", "Reaped: jobs taken from a worker that was silent. Panicked and timed out: jobs that were ended.", "ops",
              ("sum(rate(oms_jobs_reaped_total[R]))", "reaped"), ("sum(rate(oms_jobs_panicked_total[R]))", "panicked"), ("sum(rate(oms_jobs_timed_out_total[R]))", "timed out")),
        graph("Periodic jobs started", "By the schedule, each minute.", "suffix: /min", (per_minute("oms_jobs_scheduled_total"), "started")),
        graph("Periodic jobs", "How long ago each last went well, in its own periods. Around 1 is right; from 3 on somebody is told.", "none",
              ("kind:oms_job_schedule_last_success:periods", "{{kind}}"), thresholds=[(None, "green"), (3, "red")], width=16),
        table("Schedules", "When each periodic job last went well, and how often it should.",
              ("Last success", "dateTimeFromNow", "max by (kind) (oms_job_schedule_last_success_timestamp_seconds) * 1000"),
              ("Period", "s", "max by (kind) (oms_job_schedule_period_seconds)"), label={"kind": "Kind"}),
        row("Webhooks, gateway, mail"),
        graph("Webhooks", "Stored: news. Repeated: heard before. Refused: no valid signature.", "ops", ("sum by (gateway, outcome) (rate(oms_webhooks_total[R]))", "{{gateway}} {{outcome}}"), stacked=True),
        graph("Calls to the gateway", "Unknown: no answer, so nobody knows whether it was done; it is asked about later.", "ops",
              ("sum by (operation, outcome) (rate(oms_gateway_request_duration_seconds_count[R]))", "{{operation}} {{outcome}}")),
        graph("Duration of calls to the gateway", "95 of 100 calls are faster; `oms` waits for eight seconds.", "s", (quantile(0.95, "oms_gateway_request_duration_seconds", "operation"), "{{operation}}")),
        graph("Unsettled money", "How long the oldest payment, capture or refund has been waiting whose outcome nobody knows.", "s",
              ("max(oms_payments_unsettled_oldest_age_seconds)", "oldest"), thresholds=[(None, "green"), (900, "red")]),
        graph("Mails by outcome", "Retry: the mail server did not take it, it is tried again. Refused: it never will.", "suffix: /min", (per_minute("oms_mails_total", "outcome"), "{{outcome}}"), stacked=True),
        graph("Mails sent", "By template.", "suffix: /min", (per_minute('oms_mails_total{outcome="sent"}', "template"), "{{template}}"), stacked=True),
        *log_panels(),
    ],
)

IN_DATABASE = 'datname!~"|template.*"'
RESOURCES = dashboard(
    "oms-resources", "oms: resources", "What the processes, PostgreSQL and Redis use, and how much of it is left.", [COMPONENT],
    [
        row("Processes"),
        stat("Processes that answer", "By component.", "short", ('count by (component) (up{job="oms", component=~"$component"} == 1)', "{{component}}"), width=6),
        stat("Up for", "How long the youngest process of a component has been running.", "s", (f"time() - max by (component) (process_start_time_seconds{{{OF_COMPONENT}}})", "{{component}}"), width=6),
        table("Build", "What is running.", ("Processes", "short", f"count by (component, version, revision) (oms_build_info{{{OF_COMPONENT}}})"),
              label={"component": "Component", "version": "Version", "revision": "Revision"}, width=12, height=4),
        graph("CPU", "Cores in use, by process.", "none", (f"rate(process_cpu_seconds_total{{{OF_COMPONENT}}}[R])", "{{component}} {{instance}}")),
        graph("Memory", "Resident memory, by process.", "bytes", (f"process_resident_memory_bytes{{{OF_COMPONENT}}}", "{{component}} {{instance}}")),
        graph("Virtual memory", "Address space, by process.", "bytes", (f"process_virtual_memory_bytes{{{OF_COMPONENT}}}", "{{component}} {{instance}}")),
        graph("Open files", "Files and connections, as a share of what the process may open.", "percentunit",
              (f"process_open_fds{{{OF_COMPONENT}}} / process_max_fds{{{OF_COMPONENT}}}", "{{component}} {{instance}}"), max=1),
        graph("Threads", "By process.", "short", (f"process_threads{{{OF_COMPONENT}}}", "{{component}} {{instance}}")),
        graph("PostgreSQL and Redis, as oms sees them", "1: it answers. 0: it does not.", "short",
              (f"oms_database_up{{{OF_COMPONENT}}}", "PostgreSQL {{component}}"), (f"oms_redis_up{{{OF_COMPONENT}}}", "Redis {{component}}"), max=1),
        row("Connections to PostgreSQL"),
        graph("Connections in use", "By pool.", "short", (f'sum by (component, pool) (oms_db_pool_connections{{{OF_COMPONENT}, state="used"}})', "{{component}} {{pool}}")),
        graph("Use of the pools", "Connections in use as a share of what the pool may open.", "percentunit",
              (f'sum by (component, pool) (oms_db_pool_connections{{{OF_COMPONENT}, state="used"}}) / sum by (component, pool) (oms_db_pool_connections_limit{{{OF_COMPONENT}}})', "{{component}} {{pool}}"), max=1),
        graph("Waiting for a connection", "How long somebody waits for one on average.", "s",
              (f"sum by (component, pool) (rate(oms_db_pool_wait_seconds_total{{{OF_COMPONENT}}}[R])) / (sum by (component, pool) (rate(oms_db_pool_gets_total{{{OF_COMPONENT}}}[R])) > 0)", "{{component}} {{pool}}")),
        graph("How connections are got", "Direct: one was free. Waited: one became free. Timed out: none did within a second, and the request got 503.", "ops",
              (f"sum by (component, pool, outcome) (rate(oms_db_pool_gets_total{{{OF_COMPONENT}}}[R]))", "{{component}} {{pool}} {{outcome}}"), width=24),
        row("PostgreSQL"),
        graph("Connections", "By state, and how many there may be.", "short",
              ("sum by (state) (pg_stat_activity_count) > 0", "{{state}}"), ("max(pg_settings_max_connections)", "limit")),
        graph("Transactions", "By how they ended, each second.", "ops",
              (f"sum by (datname) (rate(pg_stat_database_xact_commit{{{IN_DATABASE}}}[R]))", "{{datname}} committed"),
              (f"sum by (datname) (rate(pg_stat_database_xact_rollback{{{IN_DATABASE}}}[R]))", "{{datname}} rolled back")),
        graph("Blocks from memory", "The share of blocks that PostgreSQL did not have to ask the system for. Below 99 % for long: more memory helps.", "percentunit",
              (f"sum by (datname) (rate(pg_stat_database_blks_hit{{{IN_DATABASE}}}[R])) / (sum by (datname) (rate(pg_stat_database_blks_hit{{{IN_DATABASE}}}[R])) + sum by (datname) (rate(pg_stat_database_blks_read{{{IN_DATABASE}}}[R])))", "{{datname}}"), max=1),
        graph("Rows written", "By what was done to them.", "ops",
              (f"sum(rate(pg_stat_database_tup_inserted{{{IN_DATABASE}}}[R]))", "inserted"),
              (f"sum(rate(pg_stat_database_tup_updated{{{IN_DATABASE}}}[R]))", "updated"),
              (f"sum(rate(pg_stat_database_tup_deleted{{{IN_DATABASE}}}[R]))", "deleted")),
        graph("Longest transaction", "How long the oldest open transaction has been running, by what it does.", "s",
              ('max by (state) (pg_stat_activity_max_tx_duration{state=~"active|idle in transaction.*"})', "{{state}}")),
        graph("Locks and deadlocks", "Locks that are held; deadlocks, each minute.", "short",
              (f"sum by (mode) (pg_locks_count{{{IN_DATABASE}}}) > 0", "{{mode}}"), (f"sum(rate(pg_stat_database_deadlocks{{{IN_DATABASE}}}[R])) * 60", "deadlocks /min")),
        graph("Size", "Of each database on disk.", "bytes", (f"max by (datname) (pg_database_size_bytes{{{IN_DATABASE}}})", "{{datname}}"), width=12),
        graph("Spilled to disk", "Temporary files of queries that did not fit into memory.", "Bps", (f"sum by (datname) (rate(pg_stat_database_temp_bytes{{{IN_DATABASE}}}[R]))", "{{datname}}"), width=12),
        row("Redis"),
        graph("Memory", "What is used, and what may be. Full is normal for a cache; evictions say whether it hurts.", "bytes",
              ("redis_memory_used_bytes", "used"), ("redis_memory_max_bytes", "limit")),
        graph("Keys that went", "Expired: their time was over. Evicted: there was no room.", "ops",
              ("sum(rate(redis_expired_keys_total[R]))", "expired"), ("sum(rate(redis_evicted_keys_total[R]))", "evicted")),
        graph("Commands", "Each second, and how many clients are connected.", "ops", ("sum(rate(redis_commands_processed_total[R]))", "commands")),
        graph("Found in Redis", "The share of keys that were asked for and there.", "percentunit",
              ("sum(rate(redis_keyspace_hits_total[R])) / (sum(rate(redis_keyspace_hits_total[R])) + sum(rate(redis_keyspace_misses_total[R])))", "found"), max=1),
        graph("Clients", "Connections to Redis.", "short", ("redis_connected_clients", "clients")),
        graph("What oms asks Redis", "Failed: no answer in time. Skipped: not asked, because it did not answer before. In both cases oms goes on without.", "ops",
              (f"sum by (component, outcome) (rate(oms_redis_questions_total{{{OF_COMPONENT}}}[R]))", "{{component}} {{outcome}}")),
        graph("Catalog from the cache", "The share of cacheable pages of the catalog that needed no query.", "percentunit",
              ('sum(rate(oms_catalog_cache_total{outcome="hit"}[R])) / sum(rate(oms_catalog_cache_total{outcome=~"hit|miss"}[R]))', "from the cache"), max=1, width=24),
    ],
)


def main():
    stale = []
    for each in (BUSINESS, API, JOBS, RESOURCES):
        path = HERE / "dashboards" / f"{each['uid'].removeprefix('oms-')}.json"
        text = json.dumps(each, indent=2, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"{', '.join(stale)}: not what grafana/dashboards.py says; run it")


if __name__ == "__main__":
    main()
