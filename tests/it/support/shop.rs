//! Somebody sells something.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    app::{Person, TestApp},
};

/// A business and its owner.
#[derive(Debug, Clone)]
pub struct Shop {
    pub owner: Person,
    pub id: String,
}

/// A product with one variant that is about to be offered.
pub struct VariantBuilder<'a> {
    app: &'a TestApp,
    shop: Option<&'a Shop>,
    price: i64,
    currency: &'a str,
    stock: i32,
}

impl TestApp {
    /// Somebody who sells, and their business.
    pub async fn seller(&self, username: &str) -> Shop {
        let owner = self.customer(username).await;
        let body = json!({ "name": format!("{username}'s shop"), "city": "Huế", "country": "VN" });
        let business = self.post(&owner, "/businesses", body).await.ok(201);
        Shop { owner, id: text(&business, "id") }
    }

    /// Says how many units of a variant were counted on its shelf.
    pub async fn count(&self, person: &Person, variant: &str, on_hand: i32) -> Answer {
        let stock = self.get(person, &format!("/variants/{variant}/stock")).await;
        let (tag, key) = (stock.header("etag").unwrap(), self.key());
        let headers = [("if-match", tag), ("idempotency-key", key.as_str())];
        let body = json!({ "on_hand": on_hand, "reason": "counted" }).to_string();
        self.send(Some(person), Method::POST, &format!("/variants/{variant}/stock/count"), &headers, Some(body)).await
    }

    /// Something to sell: ten of it at 10.00 USD, unless said otherwise.
    pub fn variant(&self) -> VariantBuilder<'_> {
        VariantBuilder { app: self, shop: None, price: 1_000, currency: "USD", stock: 10 }
    }
}

impl<'a> VariantBuilder<'a> {
    pub fn of(self, shop: &'a Shop) -> Self {
        Self { shop: Some(shop), ..self }
    }

    pub fn price(self, price: i64) -> Self {
        Self { price, ..self }
    }

    pub fn currency(self, currency: &'a str) -> Self {
        Self { currency, ..self }
    }

    pub fn stock(self, stock: i32) -> Self {
        Self { stock, ..self }
    }

    /// Offers it; the product as it is answered.
    pub async fn product(self) -> Value {
        let shop = match self.shop {
            Some(shop) => shop,
            None => self.app.default_shop().await,
        };
        let sku = format!("SKU-{}", self.app.next());
        let body = json!({ "business_id": shop.id, "name": format!("Thing {sku}"), "currency": self.currency, "sku": sku,
            "price_minor": self.price });
        let product = self.app.post(&shop.owner, "/products", body).await.ok(201);
        let variant = text(&product["variants"][0], "id");
        if self.stock > 0 {
            let path = format!("/variants/{variant}/stock/receive");
            self.app.command(&shop.owner, &path, &self.app.key(), json!({ "quantity": self.stock })).await.ok(200);
        }
        product
    }

    /// Offers it; the variant's id.
    pub async fn create(self) -> String {
        text(&self.product().await["variants"][0], "id")
    }
}

/// A text in an answer.
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}
