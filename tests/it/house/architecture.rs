//! Who may know whom, and what may be written where.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use super::source::{File, code, files, is_test, program, read, root};

/// Which of our crates a crate may use, and which its tests may use beyond that. Adding an edge is a decision: see
/// `docs/architecture.md`.
const EDGES: [(&str, &[&str], &[&str]); 10] = [
    ("kernel", &[], &[]),
    ("accounts", &["kernel"], &["testkit"]),
    ("catalog", &["kernel"], &["testkit"]),
    ("payments", &["kernel"], &["testkit"]),
    ("orders", &["accounts", "catalog", "kernel", "payments"], &["testkit"]),
    ("jobs", &["kernel"], &["testkit"]),
    ("gateway", &["kernel"], &["testkit"]),
    ("devdb", &[], &[]),
    ("testkit", &["devdb", "kernel"], &[]),
    ("oms", &["accounts", "catalog", "devdb", "gateway", "jobs", "kernel", "orders", "payments"], &["testkit"]),
];

/// Crates that only one of ours may use.
const KEPT_APART: [(&str, &str); 4] =
    [("fang", "jobs"), ("lettre", "oms"), ("argon2", "accounts"), ("image", "catalog")];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Name, manifest, and for each dependency its name and whether it is for tests.
fn packages() -> Vec<(String, String, Vec<(String, bool)>)> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let dependencies = dependencies.map(|each| (word(&each["name"]), each["kind"] == "dev")).collect();
            (word(&package["name"]), word(&package["manifest_path"]), dependencies)
        })
        .collect()
}

#[test]
fn modules_know_whom_they_may_know() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|(name, ..)| name.as_str()).collect();
    let listed: BTreeSet<&str> = EDGES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(ours, listed, "a crate without a place in the list");
    let allowed: BTreeMap<_, _> = EDGES.iter().map(|(name, all, tests)| (*name, (*all, *tests))).collect();
    for (name, _, dependencies) in &packages {
        let (all, tests) = allowed[name.as_str()];
        for (other, is_test) in dependencies.iter().filter(|(other, _)| ours.contains(other.as_str())) {
            let other = other.as_str();
            assert!(all.contains(&other) || *is_test && tests.contains(&other), "{name} must not know {other}");
        }
    }
}

#[test]
fn heavy_crates_are_used_in_one_place() {
    for (name, _, dependencies) in packages() {
        for (heavy, home) in KEPT_APART {
            // The demo shop draws its pictures, and the tests of the catalog and of the queue read theirs.
            let excused = (heavy, name.as_str()) == ("image", "oms");
            let uses = dependencies.iter().any(|(other, is_test)| other == heavy && !is_test);
            assert!(!uses || name == home || excused, "{name} uses {heavy}, which is for {home} alone");
        }
    }
}

#[test]
fn every_crate_keeps_the_rules_of_the_house() {
    for (name, manifest, _) in packages() {
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{name} has lints of its own");
        let directory = std::path::Path::new(&manifest).parent().unwrap();
        for file in ["src/lib.rs", "src/main.rs"] {
            let Ok(text) = std::fs::read_to_string(directory.join(file)) else { continue };
            // `devdb` says why in its own manifest; there the lint denies what is not excused line by line.
            assert!(name == "devdb" || text.contains("#![forbid(unsafe_code)]"), "{name}: {file} may be unsafe");
            assert!(text.starts_with("//!"), "{name}: {file} does not say what it is");
        }
    }
}

#[test]
fn schemas_are_private() {
    for File { path, text } in program() {
        for (line, code) in code(&text) {
            assert!(!code.trim_start().starts_with("pub mod schema"), "{path}:{line}");
        }
    }
}

#[test]
fn rules_do_not_speak_http() {
    // Pages for browsers, and the type that a signed body is read as, are the edge of their modules.
    let is_edge = |path: &str| path.contains("/src/api");
    for File { path, text } in program() {
        let business = ["accounts", "catalog", "orders", "payments"];
        if !business.iter().any(|module| path.starts_with(&format!("modules/{module}/"))) || is_edge(&path) {
            continue;
        }
        for (line, code) in code(&text) {
            assert!(!code.contains("poem::"), "{path}:{line} speaks HTTP: {code}");
        }
    }
}

#[test]
fn one_module_names_the_queue_library() {
    for File { path, text } in files(&["src", "modules", "tests", "benches"], &[".rs"]) {
        for (line, code) in code(&text) {
            let names_it = ["fang::", "use fang", "extern crate fang"].iter().any(|word| code.contains(word));
            let is_this = path == "tests/it/house/architecture.rs";
            assert!(!names_it || is_this || path.starts_with("modules/jobs/"), "{path}:{line}: {code}");
        }
    }
}

#[test]
fn nothing_is_silenced_without_a_reason() {
    for File { path, text } in files(&["src", "modules", "tests"], &[".rs"]) {
        for (line, code) in code(&text) {
            assert!(!code.trim_start().starts_with(concat!("#[al", "low(")), "{path}:{line}: say expect, and why");
        }
    }
}

/// Where SQL is put together from pieces, and why nothing that a stranger said can be among them.
const FORMATTED_SQL: [(&str, &str); 6] = [
    ("src/audit.rs", "the statements of a file beside it"),
    ("modules/kernel/src/database.rs", "names of databases, which are a type of small letters, digits and underscores"),
    ("modules/kernel/src/db.rs", "numbers and the name of our program in the settings of a connection"),
    ("modules/jobs/src/signal.rs", "a constant channel"),
    (
        "modules/orders/src/query/",
        "identifiers, times, words of ours, and words of letters and digits; planned for their values, and tested with hostile ones",
    ),
    ("modules/testkit/src/", "names of test databases, made of numbers"),
];

#[test]
fn i_05_no_statement_is_put_together_from_what_somebody_said() {
    const VERBS: [&str; 14] = [
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "DELETE ",
        "CREATE ",
        "DROP ",
        "ALTER ",
        "TRUNCATE ",
        "LISTEN ",
        "NOTIFY ",
        "LOCK ",
        "SET ",
        "WITH ",
        "WHERE ",
    ];
    for File { path, text } in program() {
        if FORMATTED_SQL.iter().any(|(place, _)| path.starts_with(place)) {
            continue;
        }
        let lines: Vec<_> = code(&text).collect();
        for (at, (line, code)) in lines.iter().enumerate() {
            let formats = ["format!(", "write!(", "push_str("].iter().any(|word| code.contains(word));
            // The text may begin on the next line.
            let next = lines.get(at + 1).map(|(_, code)| code.trim_start()).unwrap_or_default();
            let begins = |text: &str| VERBS.iter().any(|verb| text.contains(&format!("\"{verb}")));
            let is_sql = begins(code) || code.ends_with('(') && begins(next);
            assert!(!formats || !is_sql, "{path}:{line} puts SQL together: {code}");
            let executes = ["sql_query(", "batch_execute("].iter().any(|word| code.contains(word));
            assert!(!executes || !code.contains("format!("), "{path}:{line} runs a formatted statement: {code}");
        }
    }
}

#[test]
fn the_environment_is_read_in_one_place() {
    for File { path, text } in program() {
        let may = path.starts_with("src/config") || path.starts_with("modules/testkit/");
        for (line, code) in code(&text) {
            let reads = ["env::var(", "env::var_os(", "env::vars("].iter().any(|word| code.contains(word));
            assert!(!reads || may, "{path}:{line}: {code}");
        }
    }
}

#[test]
fn no_client_asks_the_environment_for_a_proxy() {
    for File { path, text } in program() {
        let lines: Vec<_> = code(&text).collect();
        for (at, (line, code)) in lines.iter().enumerate() {
            let unbuilt = ["reqwest::get(", "Client::new(", "Client::default(", "ClientBuilder::"];
            let found = unbuilt.into_iter().find(|word| code.contains(word));
            assert!(found.is_none(), "{path}:{line}: build the client, and say .no_proxy(): {code}");
            if code.contains("Client::builder()") {
                let end = lines[at..].iter().position(|(_, code)| code.contains(".build()")).unwrap_or(0);
                let built = &lines[at..=at + end];
                assert!(built.iter().any(|(_, code)| code.contains(".no_proxy()")), "{path}:{line} lacks .no_proxy()");
            }
        }
    }
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let endings = [
        ".rs",
        ".toml",
        ".md",
        ".json",
        ".sql",
        ".sh",
        ".yml",
        ".yaml",
        ".html",
        ".txt",
        "Makefile",
        "Dockerfile",
        ".example",
    ];
    let here = root().to_string_lossy().into_owned();
    let homes = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];
    for File { path, text } in files(&["."], &endings) {
        if path.ends_with("Cargo.lock") {
            continue;
        }
        assert!(here.len() < 3 || !text.contains(&here), "{path} names {here}");
        for home in homes {
            for (line, code) in code(&text) {
                // 'https://…/home/' and the like are no paths, and a program may know where homes are.
                let found = code.match_indices(home).find(|(at, _)| {
                    let before = code[..*at].chars().next_back();
                    before.is_none_or(|before| before.is_whitespace() || "\"'`=(".contains(before))
                });
                assert!(found.is_none(), "{path}:{line} names a directory in {home}");
            }
        }
    }
}

#[test]
fn tests_are_called_tests() {
    assert!(is_test("modules/jobs/tests/it/support.rs") && !is_test("modules/jobs/src/engine.rs"));
    let manifest = read("Cargo.toml");
    assert_eq!(manifest.matches("[[test]]").count(), 1, "one integration binary, one link");
}
