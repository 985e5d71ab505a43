//! `docs/guarantees.md` names every test that proves a guarantee, and only tests that there are.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{files, read, root};

/// What the product does not ship without.
const P0: [&str; 45] = [
    "M-01", "M-02", "M-04", "M-05", "M-06", "M-07", "M-08", "M-09", "M-10", "M-11", "M-12", "M-13", //
    "W-01", "W-03", "W-04", "W-05", "W-06", "C-07", "C-08", "C-09", //
    "R-01", "R-02", "R-03", "R-04", "R-05", "R-06", "R-08", "R-09", "R-10", "R-11", "R-12", "R-14", //
    "S-01", "S-02", "S-03", "S-04", "S-05", "S-06", "S-08", //
    "I-01", "I-02", "I-04", "I-05", "I-07", "I-08",
];

/// Those of them that have no test yet. This list only ever becomes shorter.
const OPEN: &[&str] = &[];

/// One line of the page.
struct Row {
    id: String,
    priority: String,
    tests: Vec<String>,
    is_open: bool,
    run: String,
}

fn page() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in read("docs/guarantees.md").lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, priority, about, tests, run, measured] = cells[..] else { panic!("six columns: {line}") };
        assert!(about.len() > 20 && !measured.is_empty(), "{id} says too little");
        let named: Vec<_> = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let is_open = tests == "open";
        assert!(is_open == named.is_empty(), "{id}: tests in backquotes, or open");
        rows.push(Row { id: id.into(), priority: priority.into(), tests: named, is_open, run: run.into() });
    }
    rows
}

/// The guarantees that the name of a test begins with: `r_02_r_09_…` shows two of them.
fn proves(name: &str) -> Vec<String> {
    let (mut ids, mut rest) = (Vec::new(), name);
    while let Some((letter, (number, after))) =
        rest.split_once('_').and_then(|(letter, more)| Some((letter, more.split_once('_')?)))
    {
        let digits = number.strip_suffix('b').unwrap_or(number);
        let is_id = "mwcrsi".contains(letter) && digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if letter.len() != 1 || !is_id {
            break;
        }
        ids.push(format!("{}-{number}", letter.to_uppercase()));
        rest = after;
    }
    ids
}

/// The name of every test function of the house, and whether it is one of the slow ones.
fn tests() -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for file in files(&["src", "modules", "tests"], &[".rs"]) {
        let (mut is_test, mut is_slow) = (false, false);
        for line in file.text.lines().map(str::trim) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            is_slow |= line.starts_with("#[ignore = \"fire");
            if let Some((_, rest)) = line.split_once("fn ") {
                let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if std::mem::take(&mut is_test) {
                    found.insert(name, is_slow);
                }
                is_slow = false;
            }
        }
    }
    found
}

#[test]
fn every_guarantee_has_a_place_on_the_page() {
    let rows = page();
    let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id twice");
    for id in P0 {
        let row = rows.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id} is missing"));
        assert_eq!(row.priority, "0", "{id}");
        assert_eq!(row.is_open, OPEN.contains(&id), "{id}: it is on the list of open ones until it has a test");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let tests = tests();
    for Row { id, tests: named, run, is_open, .. } in page() {
        for name in &named {
            if name.contains('/') {
                assert!(root().join(name).exists(), "{id}: there is no {name}");
                let runs = |script: &str| read(script).contains(name.as_str());
                assert!(runs("scripts/test.sh") || runs(".ci/run"), "{id}: nobody runs {name}");
                continue;
            }
            assert!(proves(name).contains(&id), "{id} is proved by {name}, whose name says something else");
            let is_slow = tests.get(name).unwrap_or_else(|| panic!("{id}: there is no test {name}"));
            let way = if *is_slow { "make fire" } else { "make test" };
            assert!(run.contains(way), "{id}: {name} is run by '{way}'");
        }
        assert!(is_open || !run.is_empty(), "{id}: how is it run?");
    }
}

#[test]
fn every_test_of_a_guarantee_is_named() {
    let rows = page();
    let mut missing = Vec::new();
    for (name, is_slow) in tests() {
        for id in proves(&name) {
            if !rows.iter().any(|row| row.id == id && row.tests.contains(&name)) {
                missing.push(format!("{id}: `{name}` make {}", if is_slow { "fire" } else { "test" }));
            }
        }
    }
    assert!(missing.is_empty(), "docs/guarantees.md does not name\n{}", missing.join("\n"));
}
