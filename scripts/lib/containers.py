"""Whether what Docker Compose starts is what the repository has and says: containers.py ROOT MODEL

MODEL is what `docker-compose --profile '*' config --format json` makes of docker-compose.yml. Every finding is a line; none is success.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

import alloy
import dockerfile

ROOT = Path(sys.argv[1])
SERVICES = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))["services"]
LABELS = {"service", "env", "level", "component"}
IMAGE = "oms:local"
# A line without a time keeps that of the engine, with either shipper.
TIMESTAMP = {"source": "timestamp", "format": "RFC3339Nano", "action_on_failure": "skip"}
SOCKET = "/var/run/docker.sock"
# Long-running services without a health check, and why. None is.
WITHOUT_HEALTHCHECK = {}

findings = []


def check(holds, message):
    """Remembers what does not hold."""
    if not holds:
        findings.append(message)


def text(path):
    """What a file of the repository says."""
    return (ROOT / path).read_text(encoding="utf-8")


def ours():
    """The services that run oms."""
    return {name: service for name, service in SERVICES.items() if service.get("image") == IMAGE}


def waits_for(name, other):
    """Whether a service, directly or through others, is started after another has ended well or is healthy."""
    needed = SERVICES[name].get("depends_on", {})
    return other in needed or any(waits_for(each, other) for each in needed)


def is_one_shot(service):
    """Ends by itself."""
    return service.get("restart") == "no"


def tracked_files():
    """What the repository has."""
    return subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def check_line_ends():
    """A clone has the same bytes everywhere: a script with other ends of lines does not start in a container."""
    told = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for line in told.splitlines():
        index, rule, path = re.fullmatch(r"(\S+)\s+\S+\s+attr/(.*?)\s*\t(.*)", line).groups()
        if index == "i/-text":
            check(rule == "-text", f".gitattributes does not say that {path} is binary")
        else:
            check(index in ("i/lf", "i/none"), f"{path} has lines that end otherwise than in a line feed ({index})")
            check("eol=lf" in rule, f".gitattributes does not say how lines of {path} end")


def check_context(stages):
    """The builder gets what it copies, and copies what cargo wants to see: minutes before a build would say so."""
    files = dockerfile.context(tracked_files(), ROOT / ".dockerignore")
    copied = set()
    for step in stages[0].steps:
        for source in step.words[:-1] if step.kind == "COPY" else []:
            found = {file for file in files if file == source or file.startswith(f"{source}/")}
            check(found, f"Dockerfile line {step.line}: {source} is kept back by .dockerignore")
            copied |= found
    manifest = tomllib.loads(text("Cargo.toml"))
    for kind, folder in (("bin", "src/bin"), ("test", "tests"), ("bench", "benches")):
        for target in manifest.get(kind, []):
            path = target.get("path", f"{folder}/{target['name']}.rs")
            check(path in copied, f"Dockerfile: Cargo.toml names {path}, which is not copied")


def check_mounts():
    """Every file and directory that is mounted is in the repository, and not only on the machine of whoever wrote it down."""
    tracked = tracked_files()
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            if mount["type"] != "bind" or mount["source"] == SOCKET:
                continue
            path = Path(mount["source"])
            check(path.is_relative_to(ROOT), f"{name}: {path} is outside of the repository")
            if path.is_relative_to(ROOT):
                path = str(path.relative_to(ROOT))
                check(any(file == path or file.startswith(f"{path}/") for file in tracked), f"{name}: {path} is mounted and not in the repository")
            check(mount.get("read_only"), f"{name}: {path} is mounted for writing")


def check_environment(stages):
    """oms is given nothing but settings that it has."""
    settings = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", text("docs/configuration.md"), re.MULTILINE))
    check(len(settings) > 20, "docs/configuration.md: the table of settings was not found")
    given = {f"Dockerfile ENV {name}" for name in stages[-1].environment if name not in settings}
    for name, service in ours().items():
        given |= {f"{name}: {variable}" for variable in service.get("environment", {}) if variable not in settings}
    for one in sorted(given):
        findings.append(f"{one} is not a setting of oms")


def check_ports():
    """What is published is what the README says, and for this machine only."""
    section = re.search(r"^## With Docker Compose\n(.*?)(?=^## )", text("README.md"), re.MULTILINE | re.DOTALL)
    said = set()
    for line in section.group(1).splitlines() if section else []:
        match = re.match(r"\| `([\w-]+)` \| <http://localhost:(\d+)[^>]*> \|", line)
        if match:
            said.add((match.group(1), match.group(2)))
    published = set()
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            published.add((name, port["published"]))
            check(port.get("host_ip") == "127.0.0.1", f"{name}: port {port['published']} is open to others")
    check(said, "README.md: there are no addresses in the section 'With Docker Compose'")
    for name, port in sorted(published - said):
        findings.append(f"{name} publishes {port}; README.md does not say so")
    for name, port in sorted(said - published):
        findings.append(f"README.md says {name} has port {port}; it is not published")


def is_pinned(image):
    """A digest, or a version of at least two numbers."""
    if re.search(r"@sha256:[0-9a-f]{64}$", image):
        return True
    return bool(re.search(r":v?\d+\.\d+[\w.-]*$", image))


def check_images(stages):
    """Tomorrow's stack is today's."""
    for name, service in SERVICES.items():
        if name not in ours():
            check(is_pinned(service.get("image", "")), f"{name}: {service.get('image')} is not pinned to a version")
    for stage in stages:
        check(is_pinned(stage.base), f"Dockerfile: {stage.base} is not pinned to a version")
    wanted = re.search(r'^rust-version = "([\d.]+)"', text("Cargo.toml"), re.MULTILINE).group(1)
    check(re.match(rf"rust:{re.escape(wanted)}\b", stages[0].base), f"Dockerfile: built with {stages[0].base}, Cargo.toml wants {wanted}")


def check_build():
    """One service builds the image, those that run it wait for that one, and nobody looks for it in a registry."""
    builders = [name for name, service in SERVICES.items() if "build" in service]
    check(len(builders) == 1, f"{', '.join(builders) or 'nobody'} has `build`: one service has to, and no more (they would make the same name at once)")
    check(len(ours()) > 1, f"nobody else runs {IMAGE}")
    for builder in builders:
        check(builder in ours(), f"{builder} builds something else than {IMAGE}")
    for name, service in ours().items():
        check(service.get("pull_policy") == "never", f"{name}: a registry would be asked for {IMAGE}")
        check(name in builders or any(waits_for(name, builder) for builder in builders), f"{name} does not wait for who builds {IMAGE}")


def check_keeping(stages):
    """Whatever runs is looked after, limited, and locked."""
    for name, service in SERVICES.items():
        if is_one_shot(service):
            waited_for = any(
                other.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully" for other in SERVICES.values()
            )
            check(waited_for or service.get("profiles"), f"{name} ends by itself and nobody waits for it")
        else:
            check(service.get("restart") in ("unless-stopped", "always"), f"{name} would stay away after a crash")
            asked = service.get("healthcheck", {})
            healthy = (asked.get("test") or (name in ours() and stages[-1].healthcheck)) and not asked.get("disable")
            check(healthy or name in WITHOUT_HEALTHCHECK, f"{name} has no health check and no reason for that")
        check(service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory"), f"{name} has no limit of memory")
        check(service.get("read_only"), f"{name}: its root can be written to")
        check(service.get("cap_drop") == ["ALL"], f"{name} keeps capabilities that it was not given")
        check("no-new-privileges:true" in service.get("security_opt", []), f"{name} may gain privileges")
        check(service.get("logging", {}).get("options", {}).get("max-size"), f"{name}: its log would fill the disk")
        check(not service.get("privileged") and not service.get("network_mode"), f"{name} is not kept apart from the machine")
        for other, how in service.get("depends_on", {}).items():
            if SERVICES[other].get("restart") == "no":
                check(how["condition"] == "service_completed_successfully", f"{name} does not wait until {other} is done")
    for name, service in ours().items():
        said = service.get("labels", {}).get("oms.component")
        if is_one_shot(service):
            check(not said, f"{name}: has ended before a shipper of logs finds its label oms.component")
        else:
            check(said == name, f"{name}: the label oms.component does not say so, its log would be lost")
        check(service.get("stop_grace_period") == "30s", f"{name} is not given 30 seconds to stop")


def promtail_labels():
    """Label → where its value comes from; what is kept at all; how the time of a line is found."""
    config = yaml.safe_load(text("grafana/promtail.yml"))
    found, kept, times = {}, [], []
    for client in config["clients"]:
        check(set(client) == {"url"}, f"promtail: a client has {sorted(set(client) - {'url'})}")
    for scrape in config["scrape_configs"]:
        unknown = set(scrape) - {"job_name", "docker_sd_configs", "relabel_configs", "pipeline_stages"}
        check(not unknown, f"promtail: {sorted(unknown)} is not understood")
        for rule in scrape["relabel_configs"]:
            relabel("promtail", rule, found, kept)
        parsed = {}
        for stage in scrape["pipeline_stages"]:
            (name, options), = stage.items()
            if name == "json":
                parsed |= options["expressions"]
            elif name == "labels":
                found |= {label: ("json", parsed.get(source or label)) for label, source in options.items()}
            elif name == "static_labels":
                found |= {label: ("static", value) for label, value in options.items()}
            elif name == "timestamp":
                times.append(options | {"source": parsed.get(options["source"])})
            else:
                findings.append(f"promtail: the stage {name} is not understood")
    return found, kept, times


def alloy_labels():
    """The same for Alloy, along the way from the engine to Loki."""
    blocks = {f"{block.name}.{block.label}": block for block in alloy.read(text("grafana/alloy.alloy"))}
    found, kept, times = {}, [], []
    way = [name.rsplit(".", 1)[0] for name in blocks]
    expected = ["discovery.docker", "discovery.relabel", "loki.source.docker", "loki.process", "loki.write"]
    check(way == expected, f"alloy: {way} instead of {expected}")
    if way != expected:
        return found, kept, times
    docker, relabelled, source, process, write = blocks
    check(blocks[relabelled].values.get("targets") == f"{docker}.targets", f"alloy: {relabelled} does not read {docker}")
    check(blocks[source].values.get("targets") == f"{relabelled}.output", f"alloy: {source} does not read {relabelled}")
    check(blocks[source].values.get("forward_to") == [f"{process}.receiver"], f"alloy: {source} does not go to {process}")
    check(blocks[process].values.get("forward_to") == [f"{write}.receiver"], f"alloy: {process} does not go to {write}")
    for name, known in ((source, {"host", "targets", "forward_to"}), (write, set()), (docker, {"host", "refresh_interval"})):
        unknown = set(blocks[name].values) - known
        check(not unknown, f"alloy: {name} has {sorted(unknown)}, which is not understood")
    for endpoint in blocks[write].blocks:
        check(endpoint.name == "endpoint" and set(endpoint.values) == {"url"} and not endpoint.blocks, f"alloy: {write} has more than an address")
    for rule in blocks[relabelled].blocks:
        check(rule.name == "rule", f"alloy: {rule.name} is not understood")
        relabel("alloy", rule.values, found, kept)
    parsed = {}
    for stage in blocks[process].blocks:
        if stage.name == "stage.json":
            parsed |= stage.values["expressions"]
        elif stage.name == "stage.labels":
            found |= {label: ("json", parsed.get(source or label)) for label, source in stage.values["values"].items()}
        elif stage.name == "stage.static_labels":
            found |= {label: ("static", value) for label, value in stage.values["values"].items()}
        elif stage.name == "stage.timestamp":
            times.append(stage.values | {"source": parsed.get(stage.values["source"])})
        else:
            findings.append(f"alloy: {stage.name} is not understood")
    return found, kept, times


def relabel(who, rule, found, kept):
    """Both have taken over these rules from Prometheus."""
    if rule.get("action") == "keep":
        kept.append((rule["source_labels"], rule["regex"]))
    elif set(rule) == {"source_labels", "target_label"}:
        found[rule["target_label"]] = ("engine", tuple(rule["source_labels"]))
    else:
        findings.append(f"{who}: the rule {rule} is not understood")


def check_labels():
    """Both shippers of logs say the same of a line, and no more than is allowed."""
    promtail, alloys = promtail_labels(), alloy_labels()
    for what, one, other in zip(("labels", "choice of containers", "time of a line"), promtail, alloys):
        check(one == other, f"the {what} of Promtail {one} is not that of Alloy {other}")
    check(promtail[2] == [TIMESTAMP], f"Promtail finds the time of a line by {promtail[2]}")
    check(set(promtail[0]) == LABELS, f"Promtail's labels are {sorted(promtail[0])}, not {sorted(LABELS)}")
    check(promtail[1] == [(["__meta_docker_container_label_oms_component"], ".+")], f"Promtail listens to {promtail[1]}")
    for label, (kind, value) in promtail[0].items():
        check(value, f"the label {label} comes from nowhere ({kind})")


def check_loki():
    """Loki forgets in time, and adds no labels of its own."""
    config = yaml.safe_load(text("grafana/loki.yml"))
    limits, compactor = config["limits_config"], config["compactor"]
    hours = re.fullmatch(r"(\d+)h", str(limits.get("retention_period")))
    check(hours and 24 <= int(hours.group(1)) <= 24 * 90, f"loki: it keeps lines for {limits.get('retention_period')}")
    check(compactor.get("retention_enabled") is True and compactor.get("delete_request_store"), "loki: nothing is ever deleted")
    check(limits.get("discover_service_name") == [], "loki: it adds the label service_name")
    schema = config["schema_config"]["configs"][-1]
    check((schema["store"], schema["schema"], schema["index"]["period"]) == ("tsdb", "v13", "24h"), "loki: the schema cannot forget")
    for path in (config["common"]["path_prefix"], compactor["working_directory"], *config["common"]["storage"]["filesystem"].values()):
        mounted = [mount["target"] for mount in SERVICES["loki"]["volumes"] if mount["type"] == "volume"]
        check(any(path == target or path.startswith(f"{target}/") for target in mounted), f"loki: {path} is in no volume")
    for client in [*yaml.safe_load(text("grafana/promtail.yml"))["clients"]]:
        check_address("promtail", client["url"], config["server"]["http_listen_port"])


def check_address(who, address, port=None):
    """The address names a service."""
    match = re.match(r"(?:https?://)?([\w-]+):(\d+)", address)
    check(match and (match.group(1) in SERVICES or match.group(1) == "localhost"), f"{who}: {address} is no service")
    check(not port or (match and match.group(2) == str(port)), f"{who}: {address} is not port {port}")


def shippers_ports():
    """Where Promtail and Alloy tell their numbers, to others than themselves."""
    promtail = yaml.safe_load(text("grafana/promtail.yml"))["server"]
    alloys = re.search(r"--server\.http\.listen-addr=0\.0\.0\.0:(\d+)", " ".join(SERVICES["alloy"]["command"]))
    check(alloys, "alloy does not listen where Prometheus could ask it")
    return {"promtail": promtail["http_listen_port"], "alloy": int(alloys.group(1)) if alloys else None}


def check_prometheus(stages):
    """Prometheus asks services that exist where they listen, and its rules mean the same to the version that tests them."""
    config = yaml.safe_load(text("grafana/prometheus.yml"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    expected = {"oms", "postgres", "redis", "loki", "promtail", "alloy", "prometheus"}
    check(set(jobs) == expected, f"prometheus: the jobs are {sorted(jobs)}")
    metrics = int(stages[-1].environment["OMS_METRICS_LISTEN"].rsplit(":", 1)[1])
    check(metrics in stages[-1].ports, f"Dockerfile: {metrics} is not exposed")
    listening = {name: metrics for name in ours()} | shippers_ports()
    for job in jobs.values():
        for found in job.get("dns_sd_configs", []):
            for name in found["names"]:
                check(name in listening, f"prometheus: {name} is neither a service of oms nor a shipper of logs")
                check(found["port"] == listening.get(name), f"prometheus: {name} is asked at {found['port']} and listens at {listening.get(name)}")
        # Only one of the shippers is there: an address that is always asked would always be down.
        for target in [each for static in job.get("static_configs", []) for each in static["targets"]]:
            check(target.split(":")[0] not in shippers_ports(), f"prometheus: {target} is asked also when the other shipper does its work")
        for static in job.get("static_configs", []):
            for target in static["targets"]:
                check_address("prometheus", target)
    # Prometheus 3 stores le="1" as le="1.0"; version 2, which runs our tests, does not. A rule must not depend on it.
    for path in [*ROOT.glob("grafana/rules/*.yml"), *ROOT.glob("grafana/dashboards/*.json")]:
        for le in re.findall(r'\ble\s*=\s*\\?"\d+\\?"', path.read_text(encoding="utf-8")):
            findings.append(f"{path.relative_to(ROOT)}: {le} means another series in Prometheus 3; choose a bucket with a fraction, or le=~")


def check_grafana():
    """Dashboards find their data where they say it is."""
    shipped = {name for name, service in SERVICES.items() if "oms.component" in service.get("labels", {})}
    for path in ROOT.glob("grafana/dashboards/*.json"):
        for variable in json.loads(path.read_text(encoding="utf-8"))["templating"]["list"]:
            if (variable["name"], variable["type"]) == ("component", "custom"):
                chosen = variable["query"].split(",")
                check(set(chosen) == shipped, f"{path.name}: {', '.join(sorted(shipped))} ship their lines, {', '.join(chosen)} can be chosen")
    sources = yaml.safe_load(text("grafana/provisioning/datasources/datasources.yml"))["datasources"]
    check({source["uid"] for source in sources} == {"prometheus", "loki"}, "grafana: the data sources are not prometheus and loki")
    for source in sources:
        check_address("grafana", source["url"])
    mounted = {mount["target"] for mount in SERVICES["grafana"]["volumes"]}
    for provider in yaml.safe_load(text("grafana/provisioning/dashboards/dashboards.yml"))["providers"]:
        check(provider["options"]["path"] in mounted, f"grafana: {provider['options']['path']} is not mounted")


def main():
    """All checks; exits 1 when there is something to say."""
    try:
        stages = dockerfile.read(ROOT / "Dockerfile")
        check_line_ends()
        check_context(stages)
        check_mounts()
        check_environment(stages)
        check_ports()
        check_images(stages)
        check_build()
        check_keeping(stages)
        check_labels()
        check_loki()
        check_prometheus(stages)
        check_grafana()
    except (dockerfile.NotUnderstood, alloy.NotUnderstood, yaml.YAMLError) as error:
        findings.append(f"not understood: {error}")
    for finding in findings:
        print(f"broken: {finding}")
    if not findings:
        print(f"{len(SERVICES)} services: mounts, settings, ports, versions, health checks, limits, labels and addresses agree")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
