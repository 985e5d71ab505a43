"""Webhook signatures, both ways, against the public library `standardwebhooks`.

Theirs: random payloads, signed by the library, are posted to `oms`, which takes each, and none when a byte is changed.
Ours: the mock gateway reports random payments to a listener of ours, and the library verifies each report.
"""

import http.server
import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

COUNT = int(os.environ.get("COUNT", "1000"))
API, GATEWAY, KEY = os.environ["API"], os.environ["OMS_GATEWAY_URL"], os.environ["OMS_GATEWAY_API_KEY"]
hook = Webhook(os.environ["OMS_WEBHOOK_SECRETS"])
seed = int(os.environ.get("SEED", "20261122"))
chance = random.Random(seed)
LETTERS = "abc XYZ 019 äöü ß đồng 日本 \\\" / { } [ ] , : . é \t \u2028 😀"


def text(most):
    return "".join(chance.choice(LETTERS) for _ in range(chance.randint(1, most)))


def anything(depth=0):
    kind = chance.randint(0, 4 if depth > 2 else 6)
    if kind == 0:
        return chance.randint(-(10**12), 10**12)
    if kind == 1:
        return chance.choice([True, False, None])
    if kind == 2:
        return chance.random()
    if kind <= 4:
        return text(60)
    if kind == 5:
        return [anything(depth + 1) for _ in range(chance.randint(0, 5))]
    return {text(12): anything(depth + 1) for _ in range(chance.randint(0, 5))}


def send(url, body, headers):
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def theirs(number):
    body = payloads[number]
    now = datetime.now(timezone.utc)
    name = f"msg_theirs_{number}"
    headers = {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": hook.sign(name, now, body),
    }
    url = f"{API}/v1/webhooks/payments/mock"
    forged, _ = send(url, (body + " ").encode(), headers)
    taken, answer = send(url, body.encode(), headers)
    assert forged == 401, f"a changed body was answered {forged}"
    assert taken == 200, f"{taken} {answer}"


received, wrong = {}, []


class Listener(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        try:
            hook.verify(body, dict(self.headers.items()))
            received[self.headers["webhook-id"]] = json.loads(body)
        except WebhookVerificationError as error:
            wrong.append(f"{error}: {body}")
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def ours(number):
    amount, currency, reference, description = payments[number]
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    wish = {"amount": amount, "currency": currency, "reference": reference, "description": description, "webhook_url": sink}
    status, answer = send(f"{GATEWAY}/api/payments", json.dumps(wish).encode(), headers | {"idempotency-key": f"p-{number}"})
    assert status == 201, f"{status} {answer}"
    payment = json.loads(answer)["id"]
    status, answer = send(f"{GATEWAY}/api/payments/{payment}/void", b"{}", headers)
    assert status == 200, f"{status} {answer}"


payloads = [json.dumps(anything(), ensure_ascii=chance.random() < 0.5) for _ in range(COUNT)]
payments = [
    (chance.randint(1, 10**9), chance.choice(["USD", "EUR", "VND"]), f"r-{n}-{chance.random()}", f"Order {chance.randint(0, 10**9)} äöü 😀")
    for n in range(COUNT)
]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
sink = f"http://127.0.0.1:{server.server_port}/hook"

began = time.monotonic()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(theirs, range(COUNT)))
    list(pool.map(ours, range(COUNT)))
while len(received) + len(wrong) < COUNT and time.monotonic() - began < 300:
    time.sleep(0.1)
if wrong:
    print("\n".join(wrong[:5]))
    sys.exit(f"W-01: {len(wrong)} of our signatures do not hold")
assert len(received) == COUNT, f"{len(received)} of {COUNT} reports came"
assert {one["data"]["reference"] for one in received.values()} == {reference for _, _, reference, _ in payments}
print(
    f"W-01: {COUNT} webhooks signed by standardwebhooks hold with ours, {COUNT} of ours with standardwebhooks, "
    f"{COUNT} with a changed body refused (seed {seed}, {time.monotonic() - began:.0f} s)"
)
