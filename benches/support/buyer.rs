//! Clients that place orders of three lines, or of one, each with a key of its own.

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
    /// The first one, which everybody wants, and nothing else.
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
    /// Where the digits are that are written anew, one place for each line.
    ids_at: Vec<usize>,
    wanted: Wanted,
    dice: Dice,
    pending: Needle,
    line: Needle,
}

impl Buyer {
    /// Somebody with this token who orders at this server.
    pub fn new(server: SocketAddr, token: &str, wanted: Wanted) -> Self {
        let line = |number: usize| format!(r#"{{"variant_id":"{}","quantity":1}}"#, id(number));
        let numbers = if wanted == Wanted::Hot { vec![1] } else { vec![1, 2, 3] };
        let body = format!(
            r#"{{"lines":[{}],"ship_to":{{"name":"Alice Nguyen","line1":"12 Hang Bac","city":"Hanoi","country":"VN"}}}}"#,
            numbers.iter().copied().map(line).collect::<Vec<_>>().join(",")
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
        let ids_at = numbers.into_iter().map(id_ends).collect();
        let (pending, line) = (Needle::new(br#""status":"pending""#), Needle::new(LINE));
        Self { request, key_at, ids_at, wanted, dice: Dice::new(), pending, line }
    }
}

impl Ask for Buyer {
    fn request(&mut self) -> &[u8] {
        let third = VARIANTS / 3;
        if self.wanted == Wanted::Any {
            let thirds = [(2, third), (third + 1, 2 * third), (2 * third + 1, VARIANTS)];
            for (&at, (from, to)) in self.ids_at.iter().zip(thirds) {
                write_hex(&mut self.request[at..at + ID_DIGITS], self.dice.pick(from, to) as u64);
            }
        }
        for half in [0, KEY_DIGITS / 2] {
            let at = self.key_at + half;
            write_hex(&mut self.request[at..at + KEY_DIGITS / 2], self.dice.throw());
        }
        &self.request
    }

    /// A pending order of as many lines, the first of which is what was asked for.
    fn is_right(&mut self, answer: &Answer<'_>) -> bool {
        let Some(line) = self.line.find(answer.body) else { return false };
        let lines = &answer.body[line..];
        let first = &self.request[self.ids_at[0]..self.ids_at[0] + ID_DIGITS];
        answer.status == 201
            && lines.get(FIRST_ID_ENDS - ID_DIGITS..FIRST_ID_ENDS) == Some(first)
            && self.line.count(lines) == self.ids_at.len()
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
