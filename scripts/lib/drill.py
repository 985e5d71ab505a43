"""The customers of the restore drill: they keep a shop busy and remember what they were answered, and afterwards they ask the
restored shop for it. Standard library only.

    drill.py load FOLDER             orders, payments, cancellations, refunds and pictures, until FOLDER/stop is there
    drill.py photograph FOLDER AT    reads every order that was quiet at AT, before the shop closes
    drill.py compare FOLDER AT DONE  asks the restored shop for everything that was acknowledged before AT
    drill.py afresh FOLDER           an order of today, paid at the gateway, under a number that nobody had before
    drill.py expect FOLDER FILE      the differences that FILE (oms audit --json) should have, and has it them?
"""

import hashlib
import http.client
import json
import os
import random
import re
import struct
import sys
import threading
import time
import uuid
import zlib
from collections import Counter
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

API = os.environ["API"]
PASSWORD = "try-the-shop"
BUYERS = ("alice", "bob", "carol")
CLIENTS = 6
SHIP_TO = {"name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "postal_code": "100000", "country": "VN"}
# What an order says for ever, whatever becomes of it.
LASTING = ("id", "number", "customer_id", "original_total", "ship_to", "placed_at")
LASTING_OF_LINES = ("variant_id", "sku", "name", "quantity", "unit_price")


def fail(why):
    print(why, file=sys.stderr)
    sys.exit(1)


class Client:
    """Somebody with a connection of their own."""

    def __init__(self, name=None):
        self.connections, self.token = {}, None
        if name:
            status, body, _ = self.call("POST", "/v1/auth/login", {"login": name, "password": PASSWORD})
            if status != 200:
                fail(f"{name} cannot log in: {status} {body[:300]}")
            self.token = json.loads(body)["access_token"]

    def call(self, method, url, body=None, key=None, content_type="application/json"):
        at = urlsplit(url if url.startswith("http") else API + url)
        headers = {}
        if self.token and url.startswith("/"):
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = key
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = self.connections.get(at.netloc)
        if connection is None:
            connection = self.connections[at.netloc] = http.client.HTTPConnection(at.hostname, at.port, timeout=30)
        path = at.path + (f"?{at.query}" if at.query else "")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def get(self, url):
        status, body, _ = self.call("GET", url)
        return status, json.loads(body) if body else None

    def press(self, page, button):
        """Approves or declines on the gateway's pay page, as a browser would."""
        status, body, _ = self.call("GET", page)
        action = re.search(rf'action="([^"]*{button})"', body.decode())
        nonce = re.search(r'name="nonce" value="([^"]*)"', body.decode())
        if status != 200 or not action or not nonce:
            fail(f"the pay page cannot be used: {status}")
        form = urlencode({"nonce": nonce[1]}).encode()
        where = page.rsplit("/", 1)[0] + "/" + action[1]
        return self.call("POST", where, form, content_type="application/x-www-form-urlencoded")[0]


class Diary:
    """What was acknowledged, and when, a line each."""

    def __init__(self, path):
        self.file, self.lock, self.surprises = open(path, "w", encoding="utf-8"), threading.Lock(), Counter()

    def ask(self, client, kind, path, body, **about):
        """A write under a key of its own; what was answered with success is remembered."""
        key, sent = str(uuid.uuid4()), time.time()
        status, answer, _ = client.call("POST", path, body, key)
        heard = time.time()
        if status in (200, 201):
            entry = dict(kind=kind, sent=sent, heard=heard, key=key, path=path, request=body, answer=answer.decode(), **about)
            with self.lock:
                self.file.write(json.dumps(entry) + "\n")
            return json.loads(answer)
        if status != 409:
            with self.lock:
                self.surprises[f"{kind} {status} {answer[:200].decode()}"] += 1
        return None


def picture():
    """A small picture that nobody has yet."""
    rows = b"".join(b"\0" + os.urandom(3 * 24) for _ in range(24))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 24, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def load(folder):
    sam = Client("sam")
    business = sam.get("/v1/my/businesses")[1]["data"][0]["business"]["id"]
    diary, stop, variants, products = Diary(folder / "acks.jsonl"), folder / "stop", [], []
    for number in range(12):
        status, body, _ = sam.call("POST", "/v1/products", {
            "business_id": business, "name": f"Drill box {number}", "description": "For the restore drill.",
            "currency": "USD", "sku": f"DRILL-{number}", "price_minor": 1000 + 10 * number})
        if status != 201:
            fail(f"no product: {status} {body[:300]}")
        product = json.loads(body)
        products.append(product["id"])
        variants.append(product["variants"][0]["id"])
        diary.ask(sam, "stock", f"/v1/variants/{variants[-1]}/stock/receive", {"quantity": 10_000, "reason": "for the drill"})

    def buyer(name, dice):
        me, olga, paid = Client(name), Client("olga"), []
        while not stop.exists():
            wanted = dice.sample(variants, dice.choice((1, 2)))
            request = {"lines": [{"variant_id": it, "quantity": dice.choice((1, 2, 3))} for it in wanted], "ship_to": SHIP_TO}
            order = diary.ask(me, "order", "/v1/orders", request, buyer=name)
            if not order:
                continue
            about, path, fate = dict(order=order["id"], buyer=name), f"/v1/orders/{order['id']}", dice.random()
            if fate < 0.7:
                how = {"gateway": "mock", "capture": "manual"} if fate > 0.6 else {"gateway": "mock"}
                payment = diary.ask(me, "payment", f"{path}/payments", how, **about)
                if payment:
                    button = "decline" if dice.random() < 0.1 else "approve"
                    me.press(payment["pay_url"], button)
                    if button == "approve":
                        paid.append((time.time(), about, path))
            elif fate < 0.85:
                diary.ask(me, "cancel", f"{path}/cancel", {"reason": "Changed my mind"}, **about)
            # A moment later the money is there, and some of it goes back.
            if paid and paid[0][0] < time.time() - 1:
                _, about, path = paid.pop(0)
                fate = dice.random()
                if fate < 0.25:
                    diary.ask(me, "cancel", f"{path}/cancel", {"reason": "Changed my mind"}, **about)
                elif fate < 0.5:
                    refund = {"kind": "goodwill", "amount": {"amount": 100, "currency": "USD"}, "reason": "For the trouble"}
                    diary.ask(olga, "refund", f"{path}/refunds", refund, **about)

    def seller(_name, dice):
        turn = 0
        while not stop.exists():
            product, boundary = products[turn % len(products)], uuid.uuid4().hex
            turn += 1
            form = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'.encode()
                    + picture() + f"\r\n--{boundary}--\r\n".encode())
            status, body, _ = sam.call("POST", f"/v1/products/{product}/images", form, content_type=f"multipart/form-data; boundary={boundary}")
            heard = time.time()
            if status == 201:
                image = json.loads(body)["images"][-1]
                with diary.lock:
                    diary.file.write(json.dumps(dict(kind="picture", heard=heard, product=product, url=image["url"])) + "\n")
            elif status not in (400, 409, 422):
                diary.surprises[f"picture {status} {body[:200].decode()}"] += 1
            diary.ask(sam, "stock", f"/v1/variants/{dice.choice(variants)}/stock/receive", {"quantity": 5, "reason": "more"})
            time.sleep(0.15)

    broken = []

    def guarded(work, *about):
        try:
            work(*about)
        except BaseException as error:
            broken.append(f"{work.__name__}: {error!r}")
            raise

    people = [(buyer, BUYERS[number % len(BUYERS)], random.Random(number)) for number in range(CLIENTS)] + [(seller, "sam", random.Random(99))]
    threads = [threading.Thread(target=guarded, args=person) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    diary.file.close()
    if broken or diary.surprises:
        fail(f"the load met what it should not: {broken} {dict(diary.surprises)}")


def read(folder):
    with open(folder / "acks.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def photograph(folder, at):
    """Orders that nothing happened to from two seconds before the backup until now: they have to come back as they are, to the byte."""
    clients, quiet = {name: Client(name) for name in BUYERS}, {}
    for ack in read(folder):
        if ack["kind"] == "order" and ack["heard"] < moment(at):
            order = json.loads(ack["answer"])["id"]
            status, body, _ = clients[ack["buyer"]].call("GET", f"/v1/orders/{order}")
            if status != 200:
                fail(f"order {order} is {status} before the shop closes")
            if moment(json.loads(body)["updated_at"]) < moment(at) - 2:
                quiet[order] = body.decode()
    (folder / "quiet.json").write_text(json.dumps(quiet), encoding="utf-8")


def lasting(order):
    return {name: order[name] for name in LASTING} | {"lines": [{name: line[name] for name in LASTING_OF_LINES} for line in order["lines"]]}


def compare(folder, at, done):
    acks, at, done = read(folder), moment(at), float(done)
    before = [ack for ack in acks if ack["heard"] < at]
    during = [ack for ack in acks if at <= ack["heard"] < done]
    after = [ack for ack in acks if ack["heard"] >= done]
    for when, some in (("before the backup's moment", before), ("while it was made", during), ("after it was complete", after)):
        kinds = Counter(ack["kind"] for ack in some)
        print(f"acknowledged {when}: {len(some)} writes ({', '.join(f'{count} × {kind}' for kind, count in sorted(kinds.items()))})")
    if min(len(before), len(during), len(after)) < 3 or not {"order", "payment", "cancel", "refund", "picture", "stock"} <= {ack["kind"] for ack in before}:
        fail("that is too little to prove anything")
    wrong, clients = [], {name: Client(name) for name in BUYERS}
    orders = {json.loads(ack["answer"])["id"]: ack for ack in before if ack["kind"] == "order"}
    for order, ack in orders.items():
        status, found = clients[ack["buyer"]].get(f"/v1/orders/{order}")
        if status != 200:
            wrong.append(f"order {order} was acknowledged and is {status}")
        elif lasting(found) != lasting(json.loads(ack["answer"])):
            wrong.append(f"order {order} is not what was answered")
    seen = Counter()
    for ack in before:
        client = clients.get(ack.get("buyer"))
        if ack["kind"] == "cancel":
            found = client.get(f"/v1/orders/{ack['order']}")[1]["status"] == "cancelled"
        elif ack["kind"] == "payment":
            payment = json.loads(ack["answer"])
            found = any((it["id"], it["amount"]) == (payment["id"], payment["amount"]) for it in client.get(f"/v1/orders/{ack['order']}/payments")[1]["data"])
        elif ack["kind"] == "refund":
            found = any(it["amount"]["amount"] == 100 for it in client.get(f"/v1/orders/{ack['order']}/payments")[1]["refunds"])
        elif ack["kind"] == "picture":
            status, body, _ = Client().call("GET", ack["url"])
            name = ack["url"].rsplit("/", 1)[1].split(".")[0]
            images = Client().get(f"/v1/products/{ack['product']}")[1]["images"]
            found = status == 200 and hashlib.sha256(body).hexdigest() == name and any(it["url"] == ack["url"] for it in images)
        else:
            continue
        seen[ack["kind"]] += 1
        if not found:
            wrong.append(f"{ack['kind']} of {ack.get('order') or ack['url']} was acknowledged and is not there")
    quiet = json.loads((folder / "quiet.json").read_text(encoding="utf-8"))
    for order, body in quiet.items():
        status, now, _ = clients[orders[order]["buyer"]].call("GET", f"/v1/orders/{order}")
        if status != 200 or now.decode() != body:
            wrong.append(f"order {order} was quiet, and has changed: {body} {now.decode()}")
    if len(quiet) < 3:
        wrong.append("too few orders were quiet")
    # A request of before is answered what it was answered; one of after has never been, and is carried out.
    again = list(orders.values())[-20:]
    for ack in again:
        status, body, headers = clients[ack["buyer"]].call("POST", "/v1/orders", ack["request"], ack["key"])
        if status != 201 or body.decode() != ack["answer"] or headers.get("Idempotency-Replayed") != "true":
            wrong.append(f"the key {ack['key']} is answered {status} otherwise than before")
    lost = [ack for ack in after if ack["kind"] == "order" and ack["sent"] >= done]
    numbers = {json.loads(ack["answer"])["number"] for ack in acks if ack["kind"] == "order"}
    for ack in lost:
        if clients[ack["buyer"]].get(f"/v1/orders/{json.loads(ack['answer'])['id']}")[0] != 404:
            wrong.append("an order of after the backup is there: this is not the backup")
    for ack in lost[:5]:
        status, body, headers = clients[ack["buyer"]].call("POST", "/v1/orders", ack["request"], ack["key"])
        if status != 201 or headers.get("Idempotency-Replayed") or json.loads(body)["number"] in numbers:
            wrong.append(f"a lost order that is sent again is answered {status}: {body[:200]}")
    if not lost:
        wrong.append("no order was placed after the backup")
    if wrong:
        fail("\n".join(wrong[:10]) + f"\n{len(wrong)} things are not as they were acknowledged")
    print(f"all of it is there: {len(orders)} orders with their content, " + ", ".join(f"{count} × {kind}" for kind, count in sorted(seen.items()))
          + f"; {len(quiet)} quiet orders are the same to the byte; {len(again)} repeated requests get their first answer")
    print(f"{len(lost)} orders of after it are not, as it has to be; {len(lost[:5])} of them sent again are new orders under new numbers")


def afresh(folder):
    alice, variant = Client("alice"), None
    known = {json.loads(ack["answer"])["number"] for ack in read(folder) if ack["kind"] == "order"}
    for ack in read(folder):
        if ack["kind"] == "order":
            variant = ack["request"]["lines"][0]["variant_id"]
            break
    request = {"lines": [{"variant_id": variant, "quantity": 1}], "ship_to": SHIP_TO}
    status, body, _ = alice.call("POST", "/v1/orders", request, str(uuid.uuid4()))
    order = json.loads(body)
    if status != 201 or order["number"] in known:
        fail(f"no new order: {status} {body[:300]}")
    status, body, _ = alice.call("POST", f"/v1/orders/{order['id']}/payments", {"gateway": "mock"}, str(uuid.uuid4()))
    if status != 201:
        fail(f"no payment: {status} {body[:300]}")
    alice.press(json.loads(body)["pay_url"], "approve")
    for _ in range(300):
        found = alice.get(f"/v1/orders/{order['id']}")[1]
        if (found["status"], found["payment_status"]) == ("confirmed", "paid"):
            print(f"order {order['number']} was placed and paid on the restored shop")
            return
        time.sleep(0.1)
    fail(f"the order of today is {found['status']}/{found['payment_status']}")


def expect(folder, file):
    """The bank's payments that this shop has never heard of, and those of which it gave money back that this shop has never asked for."""
    wanted = {}
    for line in (folder / "expected.tsv").read_text(encoding="utf-8").splitlines():
        check, payment = line.split("\t")
        wanted[payment] = check
    found = {}
    for difference in json.loads(Path(file).read_text(encoding="utf-8"))["differences"]:
        payment = re.match(r"payment (\S+) of ", difference["subject"])
        found[payment[1] if payment else difference["subject"]] = difference["check"]
    if wanted != found:
        only = {key: value for key, value in wanted.items() if found.get(key) != value}
        other = {key: value for key, value in found.items() if wanted.get(key) != value}
        fail(f"expected and not found: {only}\nfound and not expected: {other}")
    for check, count in sorted(Counter(found.values()).items()):
        print(f"  {count} × {check}")
    print(f"{len(found)} differences from the gateway's book, each of them one that was expected, and no other")


if __name__ == "__main__":
    command, where, *rest = sys.argv[1:]
    {"load": load, "photograph": photograph, "compare": compare, "afresh": afresh, "expect": expect}[command](Path(where), *rest)
