//! Clients that place orders of three lines, each with a key of its own.

use std::net::SocketAddr;

use kernel::Role;

use super::{
    load::{Answer, Ask, find},
    needle::Needle,
    shop::{BUYERS, Dice, VARIANTS, id, token, write_hex},
};

/// Which variants are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Three of all, by chance, but not the first one.
    Any,
    /// The first one, which everybody wants, and two others.
    Hot,
}

/// Digits of an id or a key that are written anew for every order.
const ID_DIGITS: usize = 12;
const KEY_DIGITS: usize = 32;
/// How far behind the beginning of this the id ends that follows it.
const LINE: &[u8] = br#""variant_id":""#;
const FIRST_ID_ENDS: usize = LINE.len() + 36;

pub struct Buyer {
    request: Vec<u8>,
    key_at: usize,
    ids_at: [usize; 3],
    wanted: Wanted,
    dice: Dice,
    pending: Needle,
    line: Needle,
}

impl Buyer {
    /// Somebody with this token who orders at this server.
    pub fn new(server: SocketAddr, token: &str, wanted: Wanted) -> Self {
        let line = |number: usize| format!(r#"{{"variant_id":"{}","quantity":1}}"#, id(number));
        let body = format!(
            r#"{{"lines":[{},{},{}],"ship_to":{{"name":"Alice Nguyen","line1":"12 Hang Bac","city":"Hanoi","country":"VN"}}}}"#,
            line(1),
            line(2),
            line(3)
        );
        let head = format!(
            "POST /v1/orders HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nidempotency-key: ",
            body.len()
        );
        let (key_at, key) = (head.len(), "0".repeat(KEY_DIGITS));
        let request = format!("{head}{key}\r\n\r\n{body}").into_bytes();
        let id_ends = |number: usize| {
            let id = id(number).to_string();
            find(&request, id.as_bytes()).unwrap() + id.len() - ID_DIGITS
        };
        let ids_at = [1, 2, 3].map(id_ends);
        let (pending, line) = (Needle::new(br#""status":"pending""#), Needle::new(LINE));
        Self { request, key_at, ids_at, wanted, dice: Dice::new(), pending, line }
    }
}

impl Ask for Buyer {
    fn request(&mut self) -> &[u8] {
        let third = VARIANTS / 3;
        let first = if self.wanted == Wanted::Hot { 1 } else { self.dice.pick(2, third) };
        let picked = [first, self.dice.pick(third + 1, 2 * third), self.dice.pick(2 * third + 1, VARIANTS)];
        for (at, number) in self.ids_at.into_iter().zip(picked) {
            write_hex(&mut self.request[at..at + ID_DIGITS], number as u64);
        }
        for half in [0, KEY_DIGITS / 2] {
            let at = self.key_at + half;
            write_hex(&mut self.request[at..at + KEY_DIGITS / 2], self.dice.throw());
        }
        &self.request
    }

    /// A pending order of three lines, the first of which is what was asked for.
    fn is_right(&mut self, answer: &Answer<'_>) -> bool {
        let Some(line) = self.line.find(answer.body) else { return false };
        let lines = &answer.body[line..];
        let first = &self.request[self.ids_at[0]..self.ids_at[0] + ID_DIGITS];
        answer.status == 201
            && lines.get(FIRST_ID_ENDS - ID_DIGITS..FIRST_ID_ENDS) == Some(first)
            && self.line.count(lines) == 3
            && self.pending.find(answer.body).is_some()
    }
}

/// So many buyers, spread over the servers.
pub fn buyers(servers: &[SocketAddr], connections: usize, wanted: Wanted) -> Vec<(SocketAddr, Buyer)> {
    let buyer = |number: usize| {
        let server = servers[number % servers.len()];
        (server, Buyer::new(server, &token(1 + number % BUYERS, Role::Customer), wanted))
    };
    (0..connections).map(buyer).collect()
}
