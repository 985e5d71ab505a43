//! What a process logs when it logs JSON: the form of every line, and the lines of one request.

use std::path::Path;

use serde_json::{Map, Value};

/// What stands in every line, in this order.
const HEAD: [&str; 8] = ["timestamp", "level", "target", "message", "service", "version", "request_id", "trace_id"];

/// The lines of a log. A process that refuses to start says why in words, beginning with `error:`.
///
/// # Panics
/// At a line that is no JSON object with the head that every line has.
pub fn lines(log: &str) -> Vec<Map<String, Value>> {
    let mut lines = Vec::new();
    for line in log.lines().filter(|line| !line.starts_with("error: ")) {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the log line {line}"));
        let Value::Object(parsed) = parsed else { panic!("not an object: {line}") };
        let head: Vec<&str> = HEAD.into_iter().filter(|name| parsed.contains_key(*name)).collect();
        assert_eq!(head, HEAD, "something is missing in the log line {line}");
        let is_text = |name: &&str| parsed[*name].is_string();
        assert!(HEAD[..6].iter().all(is_text), "something is no text in the log line {line}");
        assert!(parsed["request_id"].is_null() || parsed["trace_id"].is_string(), "a request without a trace: {line}");
        lines.push(parsed);
    }
    lines
}

/// Whether a file is the log of a process that logs JSON.
pub fn is_of_json(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.ends_with(".log") && !name.starts_with("once-") && name != "mailcatcher.log"
}
