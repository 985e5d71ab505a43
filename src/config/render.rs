//! The table of settings as text: `.env.example` and `docs/configuration.md`.

use super::settings::{GROUPS, Setting};

/// The text of `.env.example`.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Settings of oms. Copy this file to .env, or set the variables any other way; variables win over the file.\n\
         # `oms dev` needs none of them. Printed by `oms config --env`; do not edit by hand.\n",
    );
    for group in GROUPS {
        text.push_str(&format!("\n# --- {} ---\n", group.title));
        for Setting { name, default, example, required, about } in group.settings {
            for line in wrapped(&about.replace('`', "'"), 110) {
                text.push_str(&format!("# {line}\n"));
            }
            match (required, default) {
                (true, _) => text.push_str(&format!("{name}={example}\n")),
                (false, Some(default)) => text.push_str(&format!("#{name}={}\n", quoted(default))),
                (false, None) => text.push_str(&format!("#{name}={}\n", quoted(example))),
            }
        }
    }
    text
}

/// The text of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Environment variables, or the same lines in a file `.env` in the working directory or above it; variables win over\n\
         the file. In the file, what has spaces, `$` or `#` in it stands in single quotes. `oms` checks all of them at start and reports every problem at once. Secrets are never printed.\n\
         `oms dev` needs none of them.\n\n\
         This page is printed by `oms config --markdown`.\n",
    );
    for group in GROUPS {
        text.push_str(&format!("\n## {}\n\n| name | default | meaning |\n|---|---|---|\n", group.title));
        for Setting { name, default, required, about, .. } in group.settings {
            let default = match (required, default) {
                (true, _) => "*required*".to_owned(),
                (false, Some(default)) => format!("`{default}`"),
                (false, None) => "–".to_owned(),
            };
            text.push_str(&format!("| `{name}` | {default} | {about} |\n"));
        }
    }
    text
}

fn quoted(value: &str) -> String {
    if value.contains([' ', '<', '>']) { format!("'{value}'") } else { value.to_owned() }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
