"""A hook of Schemathesis: lives begin with placing an order. It would begin with every POST, and most of them need something
that is there already. Written for the version in requirements.txt."""

from schemathesis.specs.openapi import stateful

if not callable(stateful.is_likely_root_transition):
    raise RuntimeError("this version of Schemathesis chooses its beginnings in another way")
stateful.is_likely_root_transition = lambda operation, *_: operation.label == "POST /v1/orders"
