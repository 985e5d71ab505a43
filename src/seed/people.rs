//! Who lives in the demo shop.

use kernel::Role;

/// The password of all of them. It is printed by `oms dev`, and nothing with these accounts may be reachable by strangers.
pub const DEMO_PASSWORD: &str = "try-the-shop";

/// A person.
#[derive(Debug, Clone, Copy)]
pub struct DemoUser {
    /// The name they log in with.
    pub username: &'static str,
    /// Their address.
    pub email: &'static str,
    /// What they may do.
    pub role: Role,
    /// What they are there for.
    pub about: &'static str,
}

const fn person(username: &'static str, email: &'static str, role: Role, about: &'static str) -> DemoUser {
    DemoUser { username, email, role, about }
}

/// The people; all of them can log in.
pub const DEMO_USERS: [DemoUser; 7] = [
    person("alice", "alice@example.com", Role::Customer, "customer with orders in every state"),
    person("bob", "bob@example.com", Role::Customer, "customer"),
    person("carol", "carol@example.com", Role::Customer, "customer"),
    person("sam", "sam@example.com", Role::Customer, "seller: Nordlicht Home, Cedar & Salt"),
    person("mai", "mai@example.com", Role::Customer, "seller: Saigon Ceramics, Koto Paper"),
    person("olga", "olga@example.com", Role::Operator, "operator: works everybody's orders"),
    person("ada", "ada@example.com", Role::Admin, "admin"),
];
