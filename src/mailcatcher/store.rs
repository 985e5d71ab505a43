//! What was caught: the last mails in memory, and how often each came.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use kernel::SharedClock;
use mail_parser::{Address, MessageParser};
use serde::Serialize;

/// So many `Message-ID`s are remembered for counting, also when their mails are gone.
const IDS_MAX: usize = 100_000;

/// A mail as it was caught.
#[derive(Debug, Clone, Serialize)]
pub struct CaughtMail {
    /// Its number; later mails have larger ones.
    pub id: u64,
    /// Its `Message-ID` without the angle brackets; empty if it has none.
    pub message_id: String,
    /// How often a mail with this `Message-ID` has come for these recipients.
    pub copies: u64,
    /// When it came (the last time).
    pub received_at: DateTime<Utc>,
    /// Who the envelope says it is from.
    pub from: String,
    /// Who the envelope says it is for.
    pub to: Vec<String>,
    /// The sender as the mail shows it.
    pub from_header: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The HTML; empty if it has none.
    pub html: String,
    /// Every address in the text that begins with http:// or https://, in order: what a test wants to open.
    pub links: Vec<String>,
    /// The headers as they came.
    pub headers: Vec<(String, String)>,
    /// Bytes.
    pub size: usize,
}

/// How much has come since the start (or since everything was deleted).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Mails taken.
    pub received: u64,
    /// Different ones, by `Message-ID` and recipients.
    pub distinct: u64,
    /// Mails kept.
    pub kept: u64,
}

#[derive(Default)]
struct Inner {
    next_id: u64,
    received: u64,
    distinct: u64,
    mails: VecDeque<Arc<CaughtMail>>,
    seen: HashMap<(String, String), u64>,
}

/// The mails in memory.
pub struct MailStore {
    keep: usize,
    clock: SharedClock,
    inner: Mutex<Inner>,
}

impl MailStore {
    /// An empty store for `keep` mails (at least one).
    pub fn new(keep: usize, clock: SharedClock) -> Self {
        Self { keep: keep.max(1), clock, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a mail in. One that was there before, with the same recipients, is counted and moved to the top.
    pub fn add(&self, from: String, to: Vec<String>, raw: &[u8]) {
        let mut mail = read(raw);
        (mail.from, mail.to, mail.received_at) = (from, to, self.clock.now());
        let mut inner = self.lock();
        inner.received += 1;
        if !mail.message_id.is_empty() {
            let key = (mail.message_id.clone(), mail.to.join(" "));
            if inner.seen.len() >= IDS_MAX && !inner.seen.contains_key(&key) {
                inner.seen.clear();
            }
            let copies = inner.seen.entry(key).or_default();
            *copies += 1;
            mail.copies = *copies;
        }
        if mail.copies > 1 {
            inner.mails.retain(|other| other.message_id != mail.message_id || other.to != mail.to);
        } else {
            inner.distinct += 1;
        }
        inner.next_id += 1;
        mail.id = inner.next_id;
        while inner.mails.len() >= self.keep {
            inner.mails.pop_front();
        }
        inner.mails.push_back(Arc::new(mail));
    }

    /// The mails for `to` (everybody if `None`), newest first.
    pub fn list(&self, to: Option<&str>, limit: usize) -> Vec<Arc<CaughtMail>> {
        let is_for = |mail: &CaughtMail| to.is_none_or(|to| mail.to.iter().any(|each| each.eq_ignore_ascii_case(to)));
        self.lock().mails.iter().rev().filter(|mail| is_for(mail)).take(limit).cloned().collect()
    }

    /// The mail with this number.
    pub fn get(&self, id: u64) -> Option<Arc<CaughtMail>> {
        self.lock().mails.iter().find(|mail| mail.id == id).cloned()
    }

    /// How much has come.
    pub fn totals(&self) -> Totals {
        let inner = self.lock();
        let kept = u64::try_from(inner.mails.len()).unwrap_or(u64::MAX);
        Totals { received: inner.received, distinct: inner.distinct, kept }
    }

    /// Forgets everything but the last number.
    pub fn clear(&self) {
        let mut inner = self.lock();
        *inner = Inner { next_id: inner.next_id, ..Inner::default() };
    }
}

/// Reads a mail; what cannot be read is shown as it came.
fn read(raw: &[u8]) -> CaughtMail {
    let parsed = MessageParser::default().parse(raw);
    let parsed = parsed.as_ref();
    let text = match parsed {
        Some(message) => message.body_text(0).map(|text| text.into_owned()).unwrap_or_default(),
        None => String::from_utf8_lossy(raw).into_owned(),
    };
    let text = text.replace("\r\n", "\n");
    // Of a mail without an HTML part the parser would make one out of the text.
    let has_html = parsed.is_some_and(|message| message.html_bodies().any(|part| part.is_text_html()));
    let html = parsed.filter(|_| has_html).and_then(|message| message.body_html(0)).map(|html| html.into_owned());
    CaughtMail {
        id: 0,
        message_id: parsed.and_then(|message| message.message_id()).unwrap_or_default().to_owned(),
        copies: 1,
        received_at: DateTime::UNIX_EPOCH,
        from: String::new(),
        to: Vec::new(),
        from_header: parsed.and_then(|message| message.from()).map(address).unwrap_or_default(),
        subject: parsed.and_then(|message| message.subject()).unwrap_or_default().to_owned(),
        links: links(&text),
        text,
        html: html.unwrap_or_default(),
        headers: parsed
            .map(|message| {
                message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
            })
            .unwrap_or_default(),
        size: raw.len(),
    }
}

fn address(address: &Address<'_>) -> String {
    let one = |each: &mail_parser::Addr<'_>| match (each.name(), each.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (None, Some(address)) => address.to_owned(),
        (name, None) => name.unwrap_or_default().to_owned(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn links(text: &str) -> Vec<String> {
    let is_link = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
    let trailing = ['.', ',', ';', ')', '>', '!', '?'];
    text.split_whitespace()
        .map(|word| word.trim_start_matches(['<', '(']))
        .filter(is_link)
        .map(|word| word.trim_end_matches(trailing).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use kernel::SystemClock;

    use super::*;

    fn store(keep: usize) -> MailStore {
        MailStore::new(keep, Arc::new(SystemClock))
    }

    fn add(store: &MailStore, to: &str, id: &str) {
        let raw = format!("Message-ID: <{id}>\r\nSubject: S {id}\r\n\r\nSee (http://a.example/?x=1&y=2).\r\n");
        store.add("shop@example.com".to_owned(), vec![to.to_owned()], raw.as_bytes());
    }

    #[test]
    fn the_newest_comes_first_and_the_oldest_is_forgotten() {
        let store = store(3);
        for n in 1..=5 {
            add(&store, "a@b.co", &format!("{n}@x"));
        }
        let subjects: Vec<_> = store.list(None, 10).iter().map(|mail| mail.subject.clone()).collect();
        assert_eq!(subjects, ["S 5@x", "S 4@x", "S 3@x"]);
        assert_eq!(store.totals(), Totals { received: 5, distinct: 5, kept: 3 });
        assert!(store.get(1).is_none());
        assert_eq!(store.get(5).unwrap().links, ["http://a.example/?x=1&y=2"]);
    }

    #[test]
    fn a_mail_that_comes_again_is_counted_even_when_its_first_copy_is_forgotten() {
        let store = store(2);
        for id in ["1@x", "1@x", "2@x", "3@x", "1@x"] {
            add(&store, "a@b.co", id);
        }
        assert_eq!(store.list(None, 1)[0].copies, 3);
        assert_eq!(store.totals(), Totals { received: 5, distinct: 3, kept: 2 });
        add(&store, "other@b.co", "1@x");
        assert_eq!(store.list(Some("OTHER@b.co"), 9)[0].copies, 1, "another recipient is another mail");
        store.clear();
        assert_eq!(store.totals(), Totals { received: 0, distinct: 0, kept: 0 });
        add(&store, "a@b.co", "1@x");
        assert_eq!((store.list(None, 1)[0].copies, store.list(None, 1)[0].id), (1, 7));
    }

    #[test]
    fn what_is_no_mail_is_kept_too() {
        let store = store(10);
        for raw in [&b""[..], b"\xff\xfe\0", b"no headers at all", b"A:\r\n"] {
            store.add(String::new(), vec!["a@b.co".to_owned()], raw);
        }
        assert_eq!(store.totals().kept, 4);
    }
}
