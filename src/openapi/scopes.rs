//! Which scope an API key needs for which operation: one rule, told from method and path.

use kernel::{NeededScope, Scope};
use poem::{Request, http::Method};

/// What a path is about.
enum Realm {
    Orders,
    Catalog,
    Stock,
}

/// The scope that a key needs to call this, `None` when no key may. `path` has no `/v1`.
///
/// Everything about accounts, members, keys and staff is for people: a new path is closed to keys until it is put here.
pub(super) fn needed(method: &Method, path: &str) -> Option<Scope> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (first, _id, third) = (parts.next()?, parts.next(), parts.next());
    let realm = match (first, third) {
        ("orders" | "shipments" | "returns", _) | ("businesses", Some("orders")) => Realm::Orders,
        // Whoever is let in here stays after the key is gone.
        ("businesses", Some("members")) => return None,
        ("variants", Some("stock")) => Realm::Stock,
        ("products" | "variants" | "categories" | "businesses", _) => Realm::Catalog,
        ("my", _) if path == "/my/businesses" => Realm::Catalog,
        ("admin", _) if path.starts_with("/admin/orders") || path.starts_with("/admin/exports") => Realm::Orders,
        _ => return None,
    };
    Some(match (realm, *method == Method::GET) {
        (Realm::Orders, true) => Scope::OrdersRead,
        (Realm::Orders, false) => Scope::OrdersWrite,
        (Realm::Catalog, true) => Scope::CatalogRead,
        (Realm::Catalog, false) => Scope::CatalogWrite,
        (Realm::Stock, true) => Scope::StockRead,
        (Realm::Stock, false) => Scope::StockWrite,
    })
}

/// Says with the request which scope it needs, before anybody asks who sends it.
pub(super) async fn announce(mut request: Request) -> poem::Result<Request> {
    let path = request.uri().path();
    let needed = needed(request.method(), path.strip_prefix("/v1").unwrap_or(path));
    request.set_data(NeededScope(needed));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_open_orders_goods_and_stock_and_nothing_about_people() {
        let needed = |method: &str, path| needed(&method.parse().unwrap(), path).map(Scope::name);
        assert_eq!(needed("GET", "/orders"), Some("orders:read"));
        assert_eq!(needed("POST", "/orders/1/cancel"), Some("orders:write"));
        assert_eq!(needed("GET", "/businesses/1/orders/2"), Some("orders:read"));
        assert_eq!(needed("GET", "/admin/orders/counts"), Some("orders:read"));
        assert_eq!(needed("POST", "/admin/exports"), Some("orders:write"));
        assert_eq!(needed("PATCH", "/variants/1"), Some("catalog:write"));
        assert_eq!(needed("GET", "/variants/1/stock/movements"), Some("stock:read"));
        assert_eq!(needed("POST", "/variants/1/stock/count"), Some("stock:write"));
        assert_eq!(needed("GET", "/my/businesses"), Some("catalog:read"));
        for path in [
            "/me",
            "/me/password",
            "/auth/login",
            "/api-keys",
            "/admin/users",
            "/admin/trail",
            "/businesses/1/members",
            "/businesses/1/members/2",
            "/",
            "//",
            "/new",
        ] {
            assert_eq!(needed("GET", path), None, "{path}");
        }
    }
}
