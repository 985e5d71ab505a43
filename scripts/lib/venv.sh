# What the scripts use from PyPI, in target/venv; installed again when the list has changed. To be sourced from the root.

venv=$PWD/target/venv
if ! cmp -s scripts/requirements.txt "$venv/requirements.txt"; then
    echo "installing what the tests need from PyPI into target/venv …" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input -r scripts/requirements.txt
    cp scripts/requirements.txt "$venv/requirements.txt"
fi
