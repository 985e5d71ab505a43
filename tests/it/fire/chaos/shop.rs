//! The shop that the clients are in: people, things for sale, and the orders that somebody is still going to do something with.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use accounts::TokenKeys;
use kernel::{PgConn, Role, UserId, VariantId};
use serde_json::Value;

use super::{MARK, WHOLE, acts::COMMANDS, history::History};
use crate::{
    journeys::arrange::{Buyer, buyers, count, operator, shelf, words},
    support::processes::Site,
};

const BUYERS: usize = 100;
/// Variants that everybody wants, so that they run out; and some that are only counted.
const HOT: usize = 8;
const COLD: usize = 4;
/// An access token lasts 15 minutes.
const TOKEN_AGE: Duration = Duration::from_secs(300);

/// Somebody who acts.
pub struct Person {
    pub id: UserId,
    pub name: String,
    role: Role,
    token: RefCell<(String, Instant)>,
}

impl Person {
    fn new(buyer: &Buyer, role: Role) -> Self {
        let name = buyer.email.split('@').next().unwrap_or_default().to_owned();
        Self { id: buyer.id, name, role, token: RefCell::new((buyer.token.clone(), Instant::now())) }
    }

    /// What they show to be let in.
    pub fn authorization(&self, keys: &TokenKeys) -> String {
        let mut token = self.token.borrow_mut();
        if token.1.elapsed() > TOKEN_AGE {
            *token = (keys.token_for(self.id, self.role).unwrap(), Instant::now());
        }
        format!("Bearer {}", token.0)
    }
}

/// An order that somebody is going to do something with.
#[derive(Debug, Clone)]
pub struct Life {
    pub id: String,
    pub buyer: usize,
    /// Pay pages that nobody has pressed a button on: the path, and whether the money is only to be held.
    pub pages: Vec<String>,
    /// Payments whose money is held first.
    pub held: Vec<String>,
    /// How it stood when it was last answered to staff.
    pub view: Option<Value>,
    pub steps: usize,
}

/// A session of somebody.
pub struct Session {
    pub person: usize,
    /// Nothing: to be logged in.
    pub refresh_token: Option<String>,
}

/// The shop.
pub struct Shop<'a> {
    pub history: &'a History,
    pub keys: TokenKeys,
    pub servers: [SocketAddr; 2],
    pub gateway: SocketAddr,
    pub buyers: Vec<Person>,
    pub operator: Person,
    pub seller: Person,
    pub business: String,
    pub hot: Vec<VariantId>,
    pub cold: Vec<VariantId>,
    pub product: String,
    pub lives: RefCell<Vec<Life>>,
    pub sessions: RefCell<Vec<Session>>,
    /// Until when things go wrong.
    pub ends: Instant,
    length: Duration,
    /// Of each kind of command so many are wanted.
    pub target: usize,
    sold_out: Cell<usize>,
    number: Cell<u64>,
    /// The edits of the product that were acknowledged, by the version they made.
    edits: RefCell<BTreeMap<i64, String>>,
}

impl<'a> Shop<'a> {
    /// Opens the shop.
    pub async fn open(
        site: &Site,
        servers: [SocketAddr; 2],
        conn: &mut PgConn,
        history: &'a History,
        length: Duration,
    ) -> Self {
        let people = buyers(site, conn, BUYERS).await;
        let staff = operator(site, conn).await;
        let stocks: Vec<i32> = [60; HOT].into_iter().chain([1_000; COLD]).collect();
        let mut hot = shelf(conn, &stocks).await;
        let cold = hot.split_off(HOT);
        let word = async |conn: &mut PgConn, select: &str| words(conn, select).await.remove(0);
        let seller = word(conn, "SELECT id::text AS word FROM accounts.users WHERE username = 'seller'").await;
        let seller: UserId = seller.parse().unwrap();
        let token = site.keys().token_for(seller, Role::Customer).unwrap();
        let seller = Buyer { id: seller, email: "seller@example.com".to_owned(), token };
        assert_eq!(count(conn, "catalog.products").await, 1);
        Self {
            history,
            keys: site.keys(),
            servers,
            gateway: site.gateway,
            sessions: RefCell::new((0..people.len()).map(|person| Session { person, refresh_token: None }).collect()),
            buyers: people.iter().map(|buyer| Person::new(buyer, Role::Customer)).collect(),
            operator: Person::new(&staff, Role::Operator),
            seller: Person::new(&seller, Role::Customer),
            business: word(conn, "SELECT id::text AS word FROM catalog.businesses").await,
            product: word(conn, "SELECT id::text AS word FROM catalog.products").await,
            hot,
            cold,
            lives: RefCell::default(),
            ends: Instant::now() + length,
            length,
            target: usize::try_from(length.as_secs()).unwrap() * 220 / 150,
            sold_out: Cell::default(),
            number: Cell::default(),
            edits: RefCell::default(),
        }
    }

    /// Whether to stop: the time is over and the mark reached, or something did not hold.
    pub fn is_closing(&self) -> bool {
        let over = self.ends.elapsed();
        self.history.is_broken()
            || (Instant::now() >= self.ends
                && (self.length < WHOLE || over >= self.length || self.missing().is_empty()))
    }

    /// What there was too little of, and how much there was.
    pub fn missing(&self) -> Vec<(&'static str, usize)> {
        let all = ("writes", self.history.acknowledged());
        let kinds = COMMANDS.iter().map(|(op, ..)| (*op, self.history.done(op))).filter(|(_, done)| *done < MARK.1);
        kinds.chain(Some(all).filter(|(_, done)| *done < MARK.0)).collect()
    }

    /// A key that nobody has used.
    pub fn key(&self, op: &str) -> String {
        let number = self.number.get();
        self.number.set(number + 1);
        format!("{op}-{number}")
    }

    /// Somebody wanted what is not there.
    pub fn is_sold_out(&self) {
        self.sold_out.set(self.sold_out.get() + 1);
    }

    /// Whether goods should come in: answers yes once for each refusal.
    pub fn takes_delivery(&self) -> bool {
        let wanted = self.sold_out.get();
        self.sold_out.set(wanted.saturating_sub(1));
        wanted > 0
    }

    /// An edit was acknowledged: it made the version after the one that was seen, and that one is nobody else's.
    pub fn edited(&self, seen: Option<&str>, made: Option<&str>, key: &str) {
        let version = |tag: Option<&str>| -> i64 {
            let behind = tag.unwrap_or_default().trim_start_matches(|c: char| !c.is_ascii_digit());
            behind.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(-1)
        };
        let (seen, made) = (version(seen), version(made));
        if made != seen + 1 {
            self.history
                .violated(format!("{key} was about version {seen} and made {made}: the edits between are lost"));
        }
        if let Some(other) = self.edits.borrow_mut().insert(made, key.to_owned()) {
            self.history.violated(format!("{key} and {other} made version {made} of the product: one edit is lost"));
        }
    }

    /// The last version that was acknowledged, and whose it is.
    pub fn last_edit(&self) -> Option<(i64, String)> {
        self.edits.borrow().last_key_value().map(|(version, key)| (*version, key.clone()))
    }
}
