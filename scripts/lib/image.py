"""Builds what the Dockerfile describes, without an engine: image.py DIRECTORY (see scripts/image-ci.sh).

The builder's steps run in DIRECTORY/builder, on nothing but what the build context would hold; its caches are kept in DIRECTORY/cache, as a
builder keeps its cache mounts. The runtime's root goes to DIRECTORY/root, what the engine would have to know of it to DIRECTORY/run.sh.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import dockerfile

# The directories of libraries that distroless/cc has; others would be missing there.
PROVIDED = ("ld-linux", "libc.", "libm.", "libgcc_s.", "libstdc++.", "libdl.", "libpthread.", "librt.", "libresolv.")
# glibc of Debian 12, on which both stages stand.
GLIBC = (2, 36)


def fail(message):
    """Says what is wrong and ends."""
    sys.exit(f"image: {message}")


def copy(source, target):
    """As an engine does it: directories by content, times kept (cargo looks at them)."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def inside(root, path, workdir):
    """Where a path of a stage is on this machine."""
    return root / os.path.normpath(os.path.join(workdir, path)).lstrip("/")


def build(stage, where, cache, revision):
    """Runs the steps of the builder."""
    shutil.rmtree(where, ignore_errors=True)
    workdir = inside(where, ".", stage.workdir)
    workdir.mkdir(parents=True)
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
    goes = dockerfile.context([file for file in tracked if file and Path(file).is_file()], ".dockerignore")
    print(f"the build context holds {len(goes)} of {len(tracked) - 1} files of the repository")
    context = where.parent / "context"
    shutil.rmtree(context, ignore_errors=True)
    for file in goes:
        copy(Path(file), context / file)

    # What a login has, and where cargo and rustup are on this machine; nothing of what was set for other builds.
    kept = ("PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_AUTO_INSTALL", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= stage.arguments | stage.environment | {"OMS_REVISION": revision}
    for step in stage.steps:
        if step.kind == "COPY":
            if step.flags:
                fail(f"Dockerfile line {step.line}: the builder copies from the context only")
            *sources, target = step.words
            for source in sources:
                if not (context / source).exists():
                    fail(f"Dockerfile line {step.line}: {source} is not in the build context")
                to = inside(where, target, stage.workdir)
                copy(context / source, to / Path(source).name if target.endswith("/") else to)
            continue
        for mount in step.flags.get("mount", []):
            options = dict(option.partition("=")[::2] for option in mount.split(","))
            if options.pop("type") != "cache" or set(options) != {"target"}:
                fail(f"Dockerfile line {step.line}: --mount={mount}")
            if not options["target"].startswith(f"{stage.workdir}/"):
                # /usr/local/cargo/registry: this machine's own cargo has one.
                continue
            kept_at = cache / options["target"].strip("/")
            kept_at.mkdir(parents=True, exist_ok=True)
            target = inside(where, options["target"], "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(kept_at.resolve(), target_is_directory=True)
        print(f"+ {step.words[0]}", flush=True)
        subprocess.run(["/bin/sh", "-c", step.words[0]], check=True, cwd=workdir, env=environment)


def libraries(binary):
    """What the program is linked with, by its path on this machine."""
    said = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"(?:=> )?(/\S+) \(0x", said)
    for path in found:
        if not Path(path).name.startswith(PROVIDED):
            fail(f"{path} is not in the base image")
    return found


def assemble(builder, stage, where, root):
    """A root that holds what the runtime stage copies, and of its base what the program can come to need."""
    shutil.rmtree(root, ignore_errors=True)
    for directory in ("proc", "dev", "sys", "etc", "tmp", "run"):
        (root / directory).mkdir(parents=True)
    owners = []
    for step in stage.steps:
        if step.kind != "COPY" or step.flags.get("from") != [builder.name] or len(step.words) != 2:
            fail(f"Dockerfile line {step.line}: the runtime copies one thing from the builder at a time, and runs nothing")
        source, target = step.words
        to = inside(root, target, stage.workdir)
        copy(inside(where, source, builder.workdir), to)
        owners += [(to, owner) for owner in step.flags.get("chown", [])]
    program = inside(root, stage.entrypoint[0], "/")
    if not program.is_file():
        fail(f"there is no {stage.entrypoint[0]} in the image")
    needs = {tuple(int(part) for part in version.split(b".")) for version in re.findall(rb"GLIBC_(\d+\.\d+)", program.read_bytes())}
    if max(needs) > GLIBC:
        fail(f"the program needs glibc {max(needs)}, the base has {GLIBC}")
    for path in libraries(program):
        copy(Path(path).resolve(), root / path.lstrip("/"))
    uid, gid = stage.user.split(":")
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{uid}:{gid}:nonroot:/home/nonroot:/sbin/nologin\n", encoding="utf-8")
    (root / "etc/group").write_text(f"root:x:0:\nnonroot:x:{gid}:\n", encoding="utf-8")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n", encoding="utf-8")
    # An engine writes these two.
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
    (root / "etc/resolv.conf").write_text("", encoding="utf-8")
    for path in ("/etc/ssl/certs/ca-certificates.crt", "/usr/share/zoneinfo"):
        if Path(path).exists():
            copy(Path(path), root / path.lstrip("/"))
    for path, owner in owners:
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", owner, path], check=True)
    return program


def main():
    """Builds, or takes the program of IMAGE_BINARY for built."""
    where = Path(sys.argv[1])
    stages = dockerfile.read("Dockerfile")
    if len(stages) != 2:
        fail("the Dockerfile is expected to have a builder and a runtime")
    builder, runtime = stages
    for what, value in (("USER", runtime.user), ("ENTRYPOINT", runtime.entrypoint), ("CMD", runtime.command), ("HEALTHCHECK", runtime.healthcheck)):
        if not value:
            fail(f"the runtime stage has no {what}")
    if runtime.user.split(":")[0] == "0":
        fail("the image runs as root")
    ready = os.environ.get("IMAGE_BINARY")
    if ready:
        workdir = inside(where / "builder", ".", builder.workdir)
        shutil.rmtree(where / "builder", ignore_errors=True)
        (workdir / "out/media").mkdir(parents=True)
        shutil.copy2(ready, workdir / "out/oms")
        print(f"NOT BUILT: {ready} stands in for the program")
    else:
        revision = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        build(builder, where / "builder", where / "cache", revision)
    program = assemble(builder, runtime, where / "builder", where / "root")
    shutil.rmtree(where / "context", ignore_errors=True)

    def array(words):
        return "(" + " ".join(shlex.quote(word) for word in words) + ")"

    uid, gid = runtime.user.split(":")
    lines = [
        f"uid={uid} gid={gid}",
        f"program={shlex.quote(str(program))}",
        f"environment={array([f'{name}={value}' for name, value in runtime.environment.items()])}",
        f"start={array(runtime.entrypoint + runtime.command)}",
        f"entrypoint={array(runtime.entrypoint)}",
        f"healthcheck={array(runtime.healthcheck)}",
        f"volumes={array(runtime.volumes)}",
        f"ports={array([str(port) for port in runtime.ports])}",
    ]
    (where / "run.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
