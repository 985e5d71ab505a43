//! The bugs that the chaos run has to notice (`scripts/mutants.sh`) can still be planted.

use std::{fs, process::Command};

use super::source::root;

#[test]
fn every_planted_bug_still_fits_into_the_code() {
    let patches: Vec<_> =
        fs::read_dir(root().join("tests/it/fire/mutants")).unwrap().map(|file| file.unwrap()).collect();
    assert!(patches.len() >= 7, "{patches:?}");
    for patch in patches {
        let mut apply = Command::new("git");
        // Outside of any repository, because git asks nobody but its owner in.
        apply.args(["apply", "--check"]).arg(patch.path()).current_dir(root()).env("GIT_DIR", "/nonexistent");
        let output = apply.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
