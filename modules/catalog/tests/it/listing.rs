//! Lists of products: filters, sorts, and walks from page to page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Person, Shop, customer, id, operator, stranger, variant};

struct Shelf {
    shop: Shop,
    alice: Person,
    lotus: String,
    thistle: String,
    tea: String,
    green: String,
}

/// Two businesses, three categories, products of all sorts.
async fn shelf() -> Shelf {
    let (shop, alice, bob) = (Shop::open().await, customer(), customer());
    let lotus = shop.business(&alice, "Lotus").await;
    let thistle = shop.business(&bob, "Thistle").await;
    let drinks = shop.category("drinks", None).await;
    let tea = shop.category("tea", Some(&drinks)).await;
    let green = shop.category("green", Some(&tea)).await;
    for (name, description, currency, price, category, stock) in [
        ("Sencha", "Green tea from Japan", "USD", 1200, Some(&green), 5),
        ("Assam", "Black tea, malty", "USD", 800, Some(&tea), 0),
        ("Gyokuro", "Shaded green tea", "USD", 4500, Some(&green), 2),
        ("Teapot", "For tea of all kinds", "USD", 3000, None, 1),
        ("bowl", "For matcha", "USD", 800, None, 0),
        ("Cà phê sữa đá", "Iced coffee", "VND", 45000, Some(&drinks), 9),
    ] {
        shop.tick();
        let mut body = json!({ "business_id": lotus, "name": name, "description": description, "currency": currency,
            "sku": name.replace(|c: char| !c.is_ascii_alphanumeric(), "x"), "price_minor": price });
        if let Some(category) = category {
            body["category_id"] = json!(category);
        }
        let product = shop.post(&alice, "/products", body).await.ok(201);
        if stock > 0 {
            shop.receive(&alice, variant(&product), stock).await;
        }
    }
    shop.tick();
    let hidden = json!({ "business_id": lotus, "name": "Secret blend", "currency": "USD", "sku": "SECRET", "price_minor": 1,
        "active": false });
    shop.post(&alice, "/products", hidden).await.ok(201);
    shop.tick();
    let wide = json!({ "business_id": thistle, "name": "Cups", "currency": "USD", "variants": [
        { "sku": "C1", "price_minor": 500 }, { "sku": "C6", "price_minor": 5000, "discount_basis_points": 2000 }] });
    shop.post(&bob, "/products", wide).await.ok(201);
    Shelf { shop, alice, lotus, thistle, tea, green }
}

impl Shelf {
    async fn names(&self, person: &Person, query: &str) -> Vec<String> {
        let page = self.shop.get(person, &format!("/products?limit=100&{query}")).await.ok(200);
        page["data"].as_array().unwrap().iter().map(|product| product["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn found(&self, query: &str) -> BTreeSet<String> {
        self.names(&stranger(), query).await.into_iter().collect()
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn words_find_products_as_a_search_engine_does() {
    let shelf = shelf().await;
    for (query, found) in [
        ("tea", set(&["Sencha", "Assam", "Gyokuro", "Teapot"])),
        ("green%20tea", set(&["Sencha", "Gyokuro"])),
        ("%22green%20tea%22%20-shaded", set(&["Sencha"])),
        ("assam%20or%20teapot", set(&["Assam", "Teapot"])),
        ("S%E1%BB%AEA", set(&["Cà phê sữa đá"])),
        ("nothing", set(&[])),
        ("%27%3B%20DROP%20TABLE%20catalog.products--", set(&[])),
        ("%26%7C%21%28%29%3A%2A", set(&[])),
    ] {
        assert_eq!(shelf.found(&format!("q={query}")).await, found, "{query}");
    }
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let shelf = shelf().await;
    let (tea, green, lotus, thistle) = (&shelf.tea, &shelf.green, &shelf.lotus, &shelf.thistle);
    for (query, found) in [
        (format!("category={tea}"), set(&["Sencha", "Assam", "Gyokuro"])),
        (format!("category={green}"), set(&["Sencha", "Gyokuro"])),
        ("category=0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f".to_owned(), set(&[])),
        (format!("business={thistle}"), set(&["Cups"])),
        ("currency=VND".to_owned(), set(&["Cà phê sữa đá"])),
        ("min_price=3000&currency=USD".to_owned(), set(&["Gyokuro", "Teapot", "Cups"])),
        ("min_price=3900&max_price=4100".to_owned(), set(&["Cups"])),
        ("min_price=501&max_price=799".to_owned(), set(&[])),
        ("max_price=800".to_owned(), set(&["Assam", "bowl", "Cups"])),
        ("in_stock=true&currency=USD".to_owned(), set(&["Sencha", "Gyokuro", "Teapot"])),
        ("in_stock=false".to_owned(), set(&["Assam", "bowl", "Cups"])),
        (format!("q=tea&category={tea}&in_stock=true&max_price=2000&business={lotus}&active=true"), set(&["Sencha"])),
    ] {
        assert_eq!(shelf.found(&query).await, found, "{query}");
    }
    for bad in [
        "min_price=-1",
        "max_price=x",
        "in_stock=perhaps",
        "active=1",
        "sort=random",
        "category=x",
        "currency=usd",
        "limit=0",
        "q=",
    ] {
        assert_eq!(shelf.shop.get(&stranger(), &format!("/products?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn what_is_not_on_sale_is_listed_for_its_own_people_only() {
    let shelf = shelf().await;
    for (person, inactive) in [(&stranger(), 0), (&customer(), 0), (&shelf.alice, 1), (&operator(), 1)] {
        assert_eq!(shelf.names(person, "active=false").await.len(), inactive);
        assert_eq!(shelf.names(person, "active=any").await.len(), 7 + inactive);
        assert_eq!(shelf.names(person, "").await.len(), 7);
    }
}

#[tokio::test]
async fn sorts_sort() {
    let shelf = shelf().await;
    for (sort, names) in [
        ("newest", ["Cups", "Cà phê sữa đá", "bowl", "Teapot", "Gyokuro", "Assam", "Sencha"]),
        ("name", ["Assam", "bowl", "Cups", "Cà phê sữa đá", "Gyokuro", "Sencha", "Teapot"]),
    ] {
        assert_eq!(shelf.names(&stranger(), &format!("sort={sort}")).await, names, "{sort}");
    }
    let prices = |page: &Value| -> Vec<i64> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|product| product["price_from"]["amount"].as_i64().unwrap())
            .collect()
    };
    let up = prices(&shelf.shop.get(&stranger(), "/products?sort=price_asc").await.ok(200));
    let down = prices(&shelf.shop.get(&stranger(), "/products?sort=price_desc").await.ok(200));
    assert_eq!(up, [500, 800, 800, 1200, 3000, 4500, 45000]);
    assert_eq!(down.into_iter().rev().collect::<Vec<_>>(), up);
}

#[tokio::test]
async fn a_walk_over_the_pages_sees_everything_once() {
    let shelf = shelf().await;
    // Many with one price, one name and one time: only the id tells them apart.
    for number in 0..9 {
        let body = json!({ "business_id": shelf.lotus, "name": "Same \u{1f375}", "currency": "USD", "sku": format!("SAME-{number}"),
            "price_minor": 800 });
        shelf.shop.post(&shelf.alice, "/products", body).await.ok(201);
    }
    let long = json!({ "business_id": shelf.lotus, "name": "\u{1f375}".repeat(200), "currency": "USD", "sku": "LONG", "price_minor": 9 });
    shelf.shop.post(&shelf.alice, "/products", long).await.ok(201);
    for sort in ["newest", "price_asc", "price_desc", "name"] {
        for filter in ["", "&in_stock=false", "&q=same"] {
            let whole = shelf.shop.get(&stranger(), &format!("/products?limit=100&sort={sort}{filter}")).await.ok(200);
            let whole: Vec<&str> = whole["data"].as_array().unwrap().iter().map(id).collect();
            for limit in [1, 2, 5] {
                let (mut walked, mut cursor) = (Vec::new(), String::new());
                loop {
                    let path = format!("/products?limit={limit}&sort={sort}{filter}{cursor}");
                    let page = shelf.shop.get(&stranger(), &path).await.ok(200);
                    walked.extend(page["data"].as_array().unwrap().iter().map(|product| id(product).to_owned()));
                    let Some(next) = page["next_cursor"].as_str() else { break };
                    assert!(next.len() <= 512);
                    cursor = format!("&cursor={next}");
                }
                assert_eq!(walked, whole, "{sort} {filter} {limit}");
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_order() {
    let shelf = shelf().await;
    let page = shelf.shop.get(&stranger(), "/products?limit=1&sort=name").await.ok(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    shelf.shop.get(&stranger(), &format!("/products?sort=newest&cursor={cursor}")).await.refused(400, "invalid_cursor");
    shelf.shop.get(&stranger(), "/products?cursor=e30").await.refused(400, "invalid_cursor");
}
