"""People in the demo shop, all at once: they look around, log in, order, pay or not, send parcels, give money back.

    mixed_load.py load SECONDS      about thirty requests a second (RATE=2 doubles them); prints what was answered
    mixed_load.py trouble SECONDS   strangers at the doors, and a gateway that declines and charges wrongly

Where the shop is comes from the environment, as scripts/lib/running.sh sets it. The people are those of `oms seed`.
"""

import collections
import http.client
import json
import os
import random
import re
import sys
import threading
import time
import urllib.parse
import uuid

API, GATEWAY = os.environ["API"], os.environ["OMS_GATEWAY_URL"]
PASSWORD = "try-the-shop"
HOME = {"name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "postal_code": "100000", "country": "VN"}
RATE = float(os.environ.get("RATE", "1"))

answers = collections.Counter()
until = 0.0


class Client:
    """One person's connections. Somebody who gets no answer tries something else; it is all the same to the load."""

    def __init__(self, user=None):
        self.user, self.token, self.connections = user, None, {}
        self.chance = random.Random(user)

    def send(self, method, url, body=None, headers=None):
        """(status, body); status 0 when nobody answered."""
        place = urllib.parse.urlsplit(url)
        connection = self.connections.get(place.netloc) or http.client.HTTPConnection(place.netloc, timeout=15)
        self.connections[place.netloc] = connection
        try:
            connection.request(method, place.path + ("?" + place.query if place.query else ""), body, headers or {})
            answer = connection.getresponse()
            content = answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            connection.close()
            status, content = 0, b""
        answers[status] += 1
        return status, content

    def call(self, method, path, body=None, key=False):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        status, content = self.send(method, API + path, None if body is None else json.dumps(body), headers)
        try:
            return status, json.loads(content) if content else {}
        except ValueError:
            return status, {}

    def log_in(self):
        while not self.token and time.time() < until:
            status, answer = self.call("POST", "/v1/auth/login", {"login": self.user, "password": PASSWORD})
            self.token = answer.get("access_token") if status == 200 else None
            if not self.token:
                time.sleep(1)

    def pause(self, seconds):
        time.sleep(seconds / RATE * self.chance.uniform(0.5, 1.5))


# --- who does what ------------------------------------------------------------------------------------------------------

on_sale = []
to_ship = collections.deque()


def look_around(me):
    product = me.chance.choice(on_sale)["product"]
    me.call("GET", me.chance.choice(["/v1/products?limit=20", "/v1/products?q=tea", "/v1/category-tree", f"/v1/products/{product}"]))
    me.pause(0.25)


def buy(me):
    """One order, and what people do after they have pressed the button."""
    offer = me.chance.choice(on_sale)
    _, order = me.call("POST", "/v1/orders", {"lines": [{"variant_id": offer["variant"], "quantity": me.chance.randint(1, 2)}], "ship_to": HOME}, key=True)
    me.pause(0.2)
    if "id" not in order:
        return
    if me.chance.random() < 0.1:  # changes their mind
        me.call("POST", f"/v1/orders/{order['id']}/cancel", {"reason": "Ordered by mistake"}, key=True)
        return
    pay(me, order["id"], "decline" if me.chance.random() < 0.15 else "approve")
    me.pause(0.4)
    _, order = me.call("GET", f"/v1/orders/{order['id']}")
    if order.get("payment_status") == "paid":
        to_ship.append((me, order))
    if me.chance.random() < 0.3:  # wants more than there is
        me.call("POST", "/v1/orders", {"lines": [{"variant_id": offer["variant"], "quantity": 900}], "ship_to": HOME}, key=True)
    me.pause(0.3)


def pay(me, order, button):
    _, payment = me.call("POST", f"/v1/orders/{order}/payments", {"gateway": "mock"}, key=True)
    page = payment.get("pay_url")
    if not page:
        return
    _, content = me.send("GET", page)
    action = re.search(rf'action="([^"]*{button})"', content.decode())
    nonce = re.search(r'name="nonce" value="([^"]*)"', content.decode())
    if action and nonce:
        form = urllib.parse.urlencode({"nonce": nonce[1]})
        me.send("POST", urllib.parse.urljoin(page, action[1]), form, {"Content-Type": "application/x-www-form-urlencoded"})


def send_parcels(me):
    """The operator: sends what is paid; some of it comes back, and some buyers get a little for their trouble."""
    if not to_ship:
        me.call("GET", "/v1/admin/orders?limit=20")
        me.pause(0.5)
        return
    buyer, order = to_ship.popleft()
    lines = [{"position": line["position"], "quantity": line["quantity"]} for line in order["lines"]]
    _, packed = me.call("POST", f"/v1/orders/{order['id']}/shipments", {"lines": lines}, key=True)
    parcel = packed.get("shipment", {}).get("id")
    if parcel:
        me.call("POST", f"/v1/shipments/{parcel}/ship", {"carrier": "Viet Post", "tracking_number": "LTH-1"}, key=True)
        me.call("POST", f"/v1/shipments/{parcel}/deliver", {}, key=True)
        if me.chance.random() < 0.3:
            buyer.call("POST", f"/v1/orders/{order['id']}/returns", {"lines": lines, "reason": "It does not fit"}, key=True)
    if me.chance.random() < 0.5:
        give_back(me, order)
    me.pause(0.3)


def give_back(me, order):
    amount = {"amount": max(1, order["total"]["amount"] // 10), "currency": order["total"]["currency"]}
    me.call("POST", f"/v1/orders/{order['id']}/refunds", {"kind": "goodwill", "amount": amount, "reason": "For the trouble"}, key=True)


def come_and_go(me):
    """Logs in, now and then with the password of something else, and registers."""
    known = me.chance.random() < 0.7
    name, password = (me.chance.choice(["bob", "carol"]), PASSWORD) if known else (f"nobody-{me.chance.randint(1, 3)}", "not my password")
    me.call("POST", "/v1/auth/login", {"login": name, "password": password})
    me.pause(0.5)
    name = f"new-{uuid.uuid4().hex[:12]}"
    me.call("POST", "/v1/auth/register", {"username": name, "email": f"{name}@example.com", "password": "three small boats at sea"})
    me.pause(1)


def live(user, what):
    me = Client(user)
    if user:
        me.log_in()
    while time.time() < until:
        what(me)


def open_doors():
    """Learns what is for sale, and that it will not run out."""
    sellers = {name: Client(name) for name in ("sam", "mai")}
    for seller in sellers.values():
        seller.log_in()
    _, page = Client().call("GET", "/v1/products?limit=100&in_stock=true")
    for product in page["data"]:
        for seller in sellers.values():
            _, whole = seller.call("GET", f"/v1/products/{product['id']}")
            variant = whole["variants"][0]["id"]
            status, _ = seller.call("POST", f"/v1/variants/{variant}/stock/receive", {"quantity": 500, "reason": "For the load"}, key=True)
            if status == 200:
                on_sale.append({"product": product["id"], "variant": variant})
        if len(on_sale) == 12:
            return


def load():
    open_doors()
    answers.clear()
    people = [(None, look_around)] * 4 + [(name, buy) for name in ("alice", "bob", "carol")] + [("olga", send_parcels), (None, come_and_go)]
    threads = [threading.Thread(target=live, args=person, daemon=True) for person in people]
    began = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.time() - began
    told = ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(answers.items()))
    print(f"{sum(answers.values()) / seconds:.0f} requests a second for {seconds:.0f} seconds: {told}")


# --- trouble ------------------------------------------------------------------------------------------------------------


def trouble():
    stranger, hasty, olga = Client(), Client("carol"), Client("olga")
    hasty.log_in()
    olga.log_in()
    for number in range(15):
        head = {"Content-Type": "application/json", "webhook-id": f"msg_{number}", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,bm8="}
        assert stranger.send("POST", f"{API}/v1/webhooks/payments/mock", "{}", head)[0] == 401
    told = collections.Counter(hasty.call("GET", "/v1/me")[0] for _ in range(int(os.environ["OMS_RATE_LIMIT_CALLER"]) + 50))
    assert told[429], f"a hasty caller was let in: {told}"

    # It declines refunds of what was paid while it was well, and those who buy meanwhile are charged wrongly.
    key = {"Authorization": f"Bearer {os.environ['OMS_GATEWAY_API_KEY']}", "Content-Type": "application/json"}
    _, page = olga.call("GET", "/v1/admin/orders?limit=100")
    paid = [order for order in page["data"] if order["payment_status"] in ("paid", "partially_refunded")]
    assert paid, "nobody has paid"
    assert stranger.send("PUT", f"{GATEWAY}/api/chaos", '{"decline": 100, "wrong_amount": 100}', key)[0] < 300
    for order in paid[:5]:
        give_back(olga, order)
    time.sleep(max(0, until - time.time()))
    assert stranger.send("PUT", f"{GATEWAY}/api/chaos", "{}", key)[0] < 300


if __name__ == "__main__":
    until = time.time() + float(sys.argv[2])
    {"load": load, "trouble": trouble}[sys.argv[1]]()
