//! Everything that was asked and answered, as it happened; and what the answers promise.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::client::Answer;

/// How long after a fault has healed a server error may still be a consequence of it.
pub const AFTERMATH: Duration = Duration::from_secs(10);

/// What is known of a write.
#[derive(Debug, Clone)]
pub struct Sent {
    pub op: &'static str,
    /// Who asked: the id of a user.
    pub caller: String,
    /// How often it was sent.
    pub attempts: usize,
    /// Whether every sending but the last is known to have had no effect. A request that got no answer, or a 503, may take effect
    /// later than anybody waits for it.
    pub is_certain: bool,
    pub end: End,
}

/// How a write ended.
#[derive(Debug, Clone)]
pub enum End {
    /// Nobody has answered yet.
    Open,
    /// Acknowledged: the status, the digest of the body, and the id of what was made.
    Done { status: u16, digest: String, id: Option<String> },
    /// Refused: the status and the code.
    Refused(u16, String),
}

/// The history of a run.
pub struct History {
    began: Instant,
    path: PathBuf,
    file: RefCell<BufWriter<File>>,
    writes: RefCell<BTreeMap<String, Sent>>,
    done: RefCell<BTreeMap<&'static str, usize>>,
    refused: RefCell<BTreeMap<String, usize>>,
    unanswered: RefCell<BTreeMap<String, usize>>,
    reads: Cell<usize>,
    replays: Cell<usize>,
    windows: RefCell<Vec<(Instant, Option<Instant>)>>,
    violations: RefCell<Vec<(Duration, String)>>,
    errors_under_fault: Cell<usize>,
}

/// The digest of an answer's bytes, as the checker computes it in the database.
pub fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

impl History {
    /// A history that is written to `directory`.
    pub fn new(directory: &Path, seed: u64) -> Self {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join(format!("history-{seed}.jsonl"));
        Self {
            began: Instant::now(),
            file: RefCell::new(BufWriter::new(File::create(&path).unwrap())),
            path,
            writes: RefCell::default(),
            done: RefCell::default(),
            refused: RefCell::default(),
            unanswered: RefCell::default(),
            reads: Cell::default(),
            replays: Cell::default(),
            windows: RefCell::default(),
            violations: RefCell::default(),
            errors_under_fault: Cell::default(),
        }
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Time since the beginning.
    pub fn at(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line of the file.
    fn line(&self, mut fields: Value) {
        fields["ms"] = json!(u64::try_from(self.at().as_millis()).unwrap());
        let mut file = self.file.borrow_mut();
        serde_json::to_writer(&mut *file, &fields).unwrap();
        file.write_all(b"\n").unwrap();
    }

    /// Something that is promised did not hold.
    pub fn violated(&self, what: String) {
        self.line(json!({ "violation": what }));
        println!("chaos: {:>6.1} s  VIOLATION {what}", self.at().as_secs_f64());
        self.violations.borrow_mut().push((self.at(), what));
    }

    /// What did not hold, and when it was noticed.
    pub fn violations(&self) -> Vec<(Duration, String)> {
        self.violations.borrow().clone()
    }

    /// Whether anything did not hold.
    pub fn is_broken(&self) -> bool {
        !self.violations.borrow().is_empty()
    }

    /// A fault begins.
    pub fn fault_begins(&self, fault: &Value) {
        self.line(json!({ "fault": fault, "is": "begun" }));
        self.windows.borrow_mut().push((Instant::now(), None));
    }

    /// The last fault has healed.
    pub fn fault_ends(&self) {
        self.line(json!({ "fault": "last", "is": "healed" }));
        if let Some(last) = self.windows.borrow_mut().last_mut() {
            last.1 = Some(Instant::now());
        }
    }

    /// Whether what began then could be the consequence of a fault.
    pub fn is_under_fault(&self, began: Instant) -> bool {
        let touches = |&(from, to): &(Instant, Option<Instant>)| {
            to.is_none_or(|to| began < to + AFTERMATH) && from <= Instant::now()
        };
        self.windows.borrow().iter().any(touches)
    }

    /// A write is about to be sent for the first time.
    pub fn opens(&self, key: &str, op: &'static str, caller: &str) {
        let write = Sent { op, caller: caller.to_owned(), attempts: 0, is_certain: true, end: End::Open };
        self.writes.borrow_mut().insert(key.to_owned(), write);
    }

    /// A write was sent, and this came back.
    pub fn sent(&self, key: &str, attempt: usize, to: &str, began: Instant, outcome: &std::io::Result<Answer>) {
        let (status, said) = match outcome {
            Ok(answer) => (Some(answer.status), if answer.status < 400 { String::new() } else { code(answer) }),
            Err(error) => (None, error.to_string()),
        };
        let mut writes = self.writes.borrow_mut();
        let write = writes.get_mut(key).expect("it was opened");
        write.attempts += 1;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap();
        let hash = outcome.as_ref().ok().map(|answer| digest(&answer.body).get(..16).map(str::to_owned));
        let line = json!({ "op": write.op, "caller": write.caller, "key": key, "attempt": attempt, "to": to, "took_ms": took,
            "status": status, "said": said, "hash": hash });
        let op = write.op;
        drop(writes);
        self.line(line);
        if status.is_none_or(|status| status >= 500) {
            let what = status.map_or_else(|| "no answer".to_owned(), |status| format!("{status} {said}"));
            *self.unanswered.borrow_mut().entry(what).or_default() += 1;
        }
        if let Some(status) = status.filter(|&status| status >= 500 && status != 503) {
            self.errors_under_fault.set(self.errors_under_fault.get() + 1);
            if !self.is_under_fault(began) {
                self.violated(format!("{op} {key} is answered {status} {said} outside of any fault"));
            }
        }
    }

    /// A sending of a write got no definite answer: it may have an effect.
    pub fn doubtful(&self, key: &str) {
        if let Some(write) = self.writes.borrow_mut().get_mut(key) {
            write.is_certain = false;
        }
    }

    /// Whether no sending of it but the last can have had an effect.
    pub fn is_certain(&self, key: &str) -> bool {
        self.writes.borrow().get(key).is_some_and(|write| write.is_certain)
    }

    /// A write got its answer.
    pub fn answered(&self, key: &str, answer: &Answer, id: Option<String>) {
        let mut writes = self.writes.borrow_mut();
        let write = writes.get_mut(key).expect("it was opened");
        if answer.status < 400 {
            *self.done.borrow_mut().entry(write.op).or_default() += 1;
            write.end = End::Done { status: answer.status, digest: digest(&answer.body), id };
        } else {
            let code = code(answer);
            *self.refused.borrow_mut().entry(format!("{} {code}", write.op)).or_default() += 1;
            write.end = End::Refused(answer.status, code);
        }
    }

    /// A write that was answered before was sent again: the same bytes must have come.
    pub fn replayed(&self, key: &str, answer: &Answer) {
        self.replays.set(self.replays.get() + 1);
        let first = self.writes.borrow().get(key).map(|write| (write.op, write.end.clone()));
        let Some((op, End::Done { status, digest: first, .. })) = first else { return };
        if answer.status != status || digest(&answer.body) != first {
            let text = answer.text();
            self.violated(format!(
                "{op} {key} was answered {status} and is answered {} with other bytes: {text}",
                answer.status
            ));
        }
    }

    /// Somebody read something.
    pub fn read(&self) {
        self.reads.set(self.reads.get() + 1);
    }

    /// How many writes of a kind were acknowledged.
    pub fn done(&self, op: &str) -> usize {
        self.done.borrow().get(op).copied().unwrap_or_default()
    }

    /// How many writes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.done.borrow().values().sum()
    }

    /// Every write by its key.
    pub fn writes(&self) -> BTreeMap<String, Sent> {
        self.writes.borrow().clone()
    }

    /// What is to be said of it in the report.
    pub fn summary(&self) -> Value {
        self.file.borrow_mut().flush().unwrap();
        let violations: Vec<_> =
            self.violations.borrow().iter().map(|(at, what)| json!([at.as_secs_f64(), what])).collect();
        json!({
            "acknowledged": self.acknowledged(),
            "acknowledged_by_kind": *self.done.borrow(),
            "refused_by_kind": *self.refused.borrow(),
            "unanswered_sendings": *self.unanswered.borrow(),
            "errors_other_than_503": self.errors_under_fault.get(),
            "replayed": self.replays.get(),
            "reads": self.reads.get(),
            "violations": violations,
        })
    }
}

/// The code of a problem.
pub fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["code"].as_str().unwrap_or("without a code").to_owned()
}
