//! People, things to buy, and what must hold at the end.

use std::{
    io,
    time::{Duration, Instant},
};

use accounts::{Hasher, Password, Username, admin};
use catalog::{
    business::{self, NewBusiness},
    product::{self, NewProduct, NewVariant},
    stock::{self, Receipt},
    words::Sku,
};
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, Clock, CountryCode, Currency, EmailAddress, PgConn, Role, SystemClock, Text, UserId, VariantId};
use payments::Gateway;
use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep;

pub use crate::support::rows::words;
use crate::support::{
    client::{Answer, Client},
    processes::Site,
};

/// Somebody with an account and an access token.
pub struct Buyer {
    pub id: UserId,
    pub email: String,
    pub token: String,
}

/// So many people who may buy. They share a password, because hashing one takes as long as placing thirty orders.
pub async fn buyers(site: &Site, conn: &mut PgConn, count: usize) -> Vec<Buyer> {
    let hash = Hasher::default().hash(&Password::parse("correct horse battery staple").unwrap()).await.unwrap();
    let keys = site.keys();
    let all = conn.transaction(async |conn| {
        let mut buyers = Vec::new();
        for number in 0..count {
            let name = Username::parse(format!("buyer{number}")).unwrap();
            let email = EmailAddress::parse(format!("buyer{number}@example.com")).unwrap();
            let user =
                admin::create_user(conn, &name, &email, &hash, Role::Customer, true, SystemClock.now()).await.unwrap();
            buyers.push(Buyer { id: user.id, email: user.email, token: keys.token_for(user.id, user.role).unwrap() });
        }
        Ok::<_, diesel::result::Error>(buyers)
    });
    all.await.unwrap()
}

/// Somebody who works everybody's orders.
pub async fn operator(site: &Site, conn: &mut PgConn) -> Buyer {
    let hash = Hasher::default().hash(&Password::parse("correct horse battery staple").unwrap()).await.unwrap();
    let (name, email) = (Username::parse("olga").unwrap(), EmailAddress::parse("olga@example.com").unwrap());
    let user = admin::create_user(conn, &name, &email, &hash, Role::Operator, true, SystemClock.now()).await.unwrap();
    let token = site.keys().token_for(user.id, user.role).unwrap();
    Buyer { id: user.id, email: user.email, token }
}

/// A shelf with a product that has a variant for each of these quantities.
pub async fn shelf(conn: &mut PgConn, stocks: &[i32]) -> Vec<VariantId> {
    let (seller, now) = (seller(conn).await, SystemClock.now());
    let shop = NewBusiness {
        name: Text::parse("The Shop").unwrap(),
        city: Text::parse("Hanoi").unwrap(),
        country: CountryCode::parse("VN").unwrap(),
        description: None,
        phone: None,
    };
    let business_id = business::create_business(conn, &seller, &shop, now).await.unwrap().id;
    let variant = |number| NewVariant {
        sku: Sku::parse(format!("SKU-{number}")).unwrap(),
        name: Some(Text::parse(format!("No {number}")).unwrap()),
        options: vec![],
        price_minor: 1_999,
        discount_basis_points: None,
    };
    let new = NewProduct {
        business_id,
        category_id: None,
        name: Text::parse("A thing").unwrap(),
        description: None,
        currency: Currency::parse("EUR").unwrap(),
        active: true,
        attributes: vec![],
        variants: (0..stocks.len()).map(variant).collect(),
    };
    let made = product::create_product(conn, &seller, &new, now).await.unwrap();
    let variants: Vec<VariantId> = made.variants.iter().map(|variant| variant.id).collect();
    for (&variant, &quantity) in variants.iter().zip(stocks) {
        if quantity > 0 {
            receive(conn, variant, quantity).await;
        }
    }
    variants
}

/// Whose the shop is.
async fn seller(conn: &mut PgConn) -> Caller {
    let id = match admin::find(conn, "seller").await.unwrap() {
        Some(user) => user.id,
        None => {
            let hash = Hasher::default().hash(&Password::parse("correct horse battery staple").unwrap()).await.unwrap();
            let (name, email) =
                (Username::parse("seller").unwrap(), EmailAddress::parse("seller@example.com").unwrap());
            admin::create_user(conn, &name, &email, &hash, Role::Customer, true, SystemClock.now()).await.unwrap().id
        }
    };
    Caller::new(id, Role::Customer)
}

/// Goods come in.
pub async fn receive(conn: &mut PgConn, variant: VariantId, quantity: i32) {
    let (seller, receipt) = (seller(conn).await, Receipt { quantity, reason: None });
    stock::receive(conn, &seller, variant, &receipt, SystemClock.now()).await.unwrap();
}

/// The body of an order.
pub fn order(lines: &[(VariantId, i32)]) -> String {
    let lines: Vec<_> =
        lines.iter().map(|(variant, quantity)| json!({ "variant_id": variant, "quantity": quantity })).collect();
    let ship_to = json!({ "name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "country": "VN" });
    json!({ "lines": lines, "ship_to": ship_to }).to_string()
}

impl Buyer {
    /// Sends a POST with a key once.
    pub async fn post(&self, client: &mut Client, path: &str, key: &str, body: &str) -> io::Result<Answer> {
        let authorization = format!("Bearer {}", self.token);
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
        client.send("POST", path, &headers, body).await
    }

    /// Places an order.
    pub async fn place(&self, client: &mut Client, key: &str, body: &str) -> Answer {
        self.post(client, "/v1/orders", key, body).await.unwrap()
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// What `SELECT count(*) FROM …` answers.
pub async fn count(conn: &mut PgConn, from: &str) -> i64 {
    diesel::sql_query(format!("SELECT count(*) AS count FROM {from}")).get_result::<Count>(conn).await.unwrap().count
}

/// Nothing in the books contradicts anything else, nor the books of these gateways.
pub async fn assert_sound(database: &TestDatabase, gateways: &[&dyn Gateway]) {
    let report = oms::audit::audit(database.url(), gateways).await.unwrap();
    assert_eq!(report.differences, vec![]);
}

/// Waits until a query counts this many, on a machine that is busy with other things.
pub async fn until(conn: &mut PgConn, from: &str, wanted: i64) {
    let began = Instant::now();
    loop {
        let found = count(conn, from).await;
        if found == wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{found} instead of {wanted}: {from}");
        sleep(Duration::from_millis(50)).await;
    }
}
