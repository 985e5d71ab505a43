//! A client: sends a write with its key, to either server, until there is a definite answer.

use std::{
    io,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;

use super::{
    history::code,
    shop::{Person, Shop},
};
use crate::support::{
    client::{self, Answer},
    load::Dice,
};

/// How long a client waits for an answer before it asks somebody else: less than the servers take to give up, so that the same
/// request is often under way twice.
const PATIENCE: Duration = Duration::from_secs(6);
/// When everything is whole again there is a definite answer within this time.
const STUBBORN: Duration = Duration::from_secs(90);

/// One of the clients.
pub struct Client<'a> {
    pub shop: &'a Shop<'a>,
    pub dice: Dice,
    pub main: client::Client,
    /// For sending the same thing a second time meanwhile.
    other: client::Client,
    pub gateway: client::Client,
    /// Writes that were acknowledged, to be sent once more at the end.
    pub remembered: Vec<(Write<'a>, String)>,
}

/// A request that changes something.
#[derive(Clone)]
pub struct Write<'a> {
    pub op: &'static str,
    pub who: Option<&'a Person>,
    pub method: &'static str,
    pub path: String,
    pub body: String,
    /// The version it is about.
    pub if_match: Option<String>,
    /// Whether its key goes along; registering and refreshing store no answers.
    pub is_keyed: bool,
    /// Where in its answer is the id of what it makes.
    pub makes: Option<&'static str>,
}

impl<'a> Write<'a> {
    /// A POST with a key.
    pub fn post(op: &'static str, who: &'a Person, path: String, body: &Value) -> Self {
        let (body, makes) = (if body.is_null() { String::new() } else { body.to_string() }, None);
        Self { op, who: Some(who), method: "POST", path, body, if_match: None, is_keyed: true, makes }
    }

    /// The same, of which something new comes that is found there.
    pub fn making(self, pointer: &'static str) -> Self {
        Self { makes: Some(pointer), ..self }
    }
}

/// What an answer means.
enum Verdict {
    Done,
    Refused,
    /// It says nothing about the request: ask again.
    Again,
    /// No answer that this request can have.
    Wrong,
}

fn verdict(write: &Write<'_>, answer: &Answer) -> Verdict {
    match answer.status {
        200..=399 => Verdict::Done,
        408 | 425 | 429 | 500.. => Verdict::Again,
        409 if code(answer) == "in_progress" => Verdict::Again,
        409 | 412 => Verdict::Refused,
        // A session may have been ended by the same request, sent twice.
        401 if write.op == "refresh" => Verdict::Refused,
        _ => Verdict::Wrong,
    }
}

impl<'a> Client<'a> {
    /// The client of that number.
    pub fn new(shop: &'a Shop<'a>, number: usize, seed: u64) -> Self {
        let talker = |first| client::Client::new(&shop.servers, first).patient_for(PATIENCE);
        Self {
            shop,
            dice: Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(u64::try_from(number).unwrap())),
            main: talker(number),
            other: talker(number + 1),
            gateway: client::Client::new(&[shop.gateway], 0).patient_for(PATIENCE),
            remembered: vec![],
        }
    }

    /// Yes so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.dice.throw(100) < percent
    }

    /// Sends once, and writes down what came of it.
    async fn send(&mut self, write: &Write<'_>, key: &str, attempt: usize, aside: bool) -> io::Result<Answer> {
        let (shop, talker) = (self.shop, if aside { &mut self.other } else { &mut self.main });
        send(shop, talker, write, key, attempt).await
    }

    /// Does it: sends until there is a definite answer, and answers that. Nothing: nobody would say, which is a violation.
    pub async fn insists(&mut self, write: &Write<'a>) -> Option<(String, Answer)> {
        let key = self.shop.key(write.op);
        self.insists_as(write, &key).await.map(|answer| (key, answer))
    }

    /// The same under a key.
    pub async fn insists_as(&mut self, write: &Write<'a>, key: &str) -> Option<Answer> {
        let (shop, history, began) = (self.shop, self.shop.history, Instant::now());
        history.opens(key, write.op, &write.who.map(|who| who.id.to_string()).unwrap_or_default());
        let mut attempt = 1_usize;
        // Some press the button twice.
        if write.is_keyed && self.chance(8) {
            attempt = 2;
            let twice =
                tokio::join!(send(shop, &mut self.main, write, key, 1), send(shop, &mut self.other, write, key, 2));
            if let Some(answer) = self.reads_two(write, key, twice) {
                return Some(answer);
            }
        } else {
            let answer = self.send(write, key, 1, false).await;
            if let Some(answer) = self.reads(write, key, answer) {
                return Some(answer);
            }
        }
        loop {
            if history.is_broken() {
                return None;
            }
            if began.elapsed() > STUBBORN && Instant::now() > shop.ends + STUBBORN {
                history.violated(format!("{} {key} gets no definite answer", write.op));
                return None;
            }
            sleep(Duration::from_millis(100 + self.dice.throw(300))).await;
            if attempt.is_multiple_of(2) {
                self.main.turn_away();
            }
            attempt += 1;
            let answer = self.send(write, key, attempt, false).await;
            if let Some(answer) = self.reads(write, key, answer) {
                return Some(answer);
            }
        }
    }

    /// The definite answer, if this is one.
    fn reads(&mut self, write: &Write<'a>, key: &str, answer: io::Result<Answer>) -> Option<Answer> {
        let Ok(answer) = answer else {
            self.shop.history.doubtful(key);
            return None;
        };
        match verdict(write, &answer) {
            Verdict::Done | Verdict::Refused => {
                self.settles(write, key, &answer);
                Some(answer)
            }
            Verdict::Again => {
                self.shop.history.doubtful(key);
                None
            }
            Verdict::Wrong => {
                let (op, path, status) = (write.op, &write.path, answer.status);
                self.shop.history.answered(key, &answer, None);
                self.shop.history.violated(format!("{op} {key} {path} is answered {status} {}", answer.text()));
                Some(answer)
            }
        }
    }

    /// The answer of two sendings at once: the acknowledgement if there is one, and all of them are the same.
    fn reads_two(
        &mut self,
        write: &Write<'a>,
        key: &str,
        (first, second): (io::Result<Answer>, io::Result<Answer>),
    ) -> Option<Answer> {
        let is_done = |answer: &io::Result<Answer>| answer.as_ref().is_ok_and(|answer| answer.status < 400);
        match (is_done(&first), is_done(&second)) {
            (true, true) => {
                let (first, second) = (first.ok()?, second.ok()?);
                self.settles(write, key, &first);
                self.shop.history.replayed(key, &second);
                Some(first)
            }
            (true, false) => self.reads_one_of_two(write, key, first, second),
            (false, true) => self.reads_one_of_two(write, key, second, first),
            (false, false) => {
                let doubtful = |answer: &io::Result<Answer>| {
                    answer.as_ref().map_or(true, |answer| matches!(verdict(write, answer), Verdict::Again))
                };
                // Only when both say the same is it definite.
                if doubtful(&first) || doubtful(&second) {
                    self.shop.history.doubtful(key);
                    return None;
                }
                self.reads(write, key, first)
            }
        }
    }

    /// One sending was acknowledged, so the other one is not refused: it waits for the first and is answered the same. What may be
    /// refused now and allowed in the next moment is exempt: a refusal is not stored.
    fn reads_one_of_two(
        &mut self,
        write: &Write<'a>,
        key: &str,
        done: io::Result<Answer>,
        other: io::Result<Answer>,
    ) -> Option<Answer> {
        let answer = self.reads(write, key, done);
        if let Ok(other) = other
            && matches!(verdict(write, &other), Verdict::Refused)
            && !matches!(write.op, "place" | "pay" | "pay_held")
        {
            let said = code(&other);
            self.shop.history.violated(format!("{key}, sent twice at once, is acknowledged and refused: {said}"));
        }
        answer
    }

    fn settles(&mut self, write: &Write<'a>, key: &str, answer: &Answer) {
        let is_done = answer.status < 400;
        let id = write.makes.filter(|_| is_done).map(|pointer| {
            answer.json().pointer(pointer).and_then(Value::as_str).expect("it says what it made").to_owned()
        });
        self.shop.history.answered(key, answer, id);
        if is_done && write.is_keyed && self.remembered.len() < 40 && self.chance(10) {
            self.remembered.push((write.clone(), key.to_owned()));
        }
    }

    /// Now and then something that was acknowledged is sent again.
    pub async fn doubts(&mut self, write: &Write<'a>, key: &str) {
        if write.is_keyed && self.chance(4) {
            let aside = self.chance(50);
            if let Ok(answer) = self.send(write, key, 99, aside).await
                && !matches!(verdict(write, &answer), Verdict::Again)
            {
                self.shop.history.replayed(key, &answer);
            }
        }
    }

    /// Sends what is remembered once more, now that everything is whole: the same bytes come.
    pub async fn asks_again(&mut self) -> usize {
        let remembered = std::mem::take(&mut self.remembered);
        let count = remembered.len();
        for (write, key) in remembered {
            // The first one may find that its connection was idle for too long.
            let mut answer = self.send(&write, &key, 100, false).await;
            if answer.is_err() {
                answer = self.send(&write, &key, 101, false).await;
            }
            match answer {
                Ok(answer) => self.shop.history.replayed(&key, &answer),
                Err(error) => self.shop.history.violated(format!("{key} cannot be sent again: {error}")),
            }
        }
        count
    }

    /// Reads something. Nothing: nobody answered.
    pub async fn reads_page(&mut self, who: &Person, path: &str) -> Option<Answer> {
        let (authorization, began) = (who.authorization(&self.shop.keys), Instant::now());
        let headers = [("authorization", authorization.as_str())];
        let answer = self.main.send("GET", path, &headers, "").await.ok()?;
        self.shop.history.read();
        match answer.status {
            200 => return Some(answer),
            429 | 503 => self.main.turn_away(),
            500.. if self.shop.history.is_under_fault(began) => {}
            status => self.shop.history.violated(format!("GET {path} is answered {status} {}", answer.text())),
        }
        None
    }

    /// Whether that write was acknowledged.
    pub fn is_done(answer: &Answer) -> bool {
        answer.status < 400
    }
}

async fn send(
    shop: &Shop<'_>,
    talker: &mut client::Client,
    write: &Write<'_>,
    key: &str,
    attempt: usize,
) -> io::Result<Answer> {
    let (began, to) = (Instant::now(), format!("{} {} {}", talker.server(), write.method, write.path));
    let name = format!("{key}.{attempt}");
    let authorization = write.who.map(|who| who.authorization(&shop.keys));
    let mut headers = vec![("x-request-id", name.as_str()), ("content-type", "application/json")];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    headers.extend(write.is_keyed.then_some(("idempotency-key", key)));
    headers.extend(write.if_match.as_deref().map(|value| ("if-match", value)));
    let outcome = talker.send(write.method, &write.path, &headers, &write.body).await;
    shop.history.sent(key, attempt, &to, began, &outcome);
    if outcome.as_ref().is_ok_and(|answer| answer.status == 503) {
        talker.turn_away();
    }
    outcome
}
