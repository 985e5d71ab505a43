//! Finding PostgreSQL's programs on the machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::DevDbError;

/// PostgreSQL's server programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
    version: String,
    major: u32,
}

impl Binaries {
    /// The directory that holds `postgres` and `initdb`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The version as the server says it, such as `15.14`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version: data written by one cannot be read by another.
    pub fn major(&self) -> u32 {
        self.major
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn inspect(directory: PathBuf) -> Result<Self, DevDbError> {
        let program = directory.join("postgres");
        let output = quiet(&program)
            .arg("--version")
            .output()
            .map_err(|source| DevDbError::Run { program: program.clone(), source })?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let major = version.and_then(leading_number);
        match (version, major) {
            (Some(version), Some(major)) => Ok(Self { directory, version: version.to_owned(), major }),
            _ => Err(DevDbError::UnknownVersion { program, output: text }),
        }
    }
}

/// Finds PostgreSQL's programs: in `explicit` and nowhere else when it is given (the value of `OMS_PG_BIN`), otherwise
/// the newest of the usual directories, then what `pg_config` says, then what is on PATH.
pub fn find_binaries(explicit: Option<&Path>) -> Result<Binaries, DevDbError> {
    if let Some(directory) = explicit {
        if !holds_server(directory) {
            return Err(DevDbError::NoBinariesIn { directory: directory.to_owned() });
        }
        return Binaries::inspect(directory.to_owned());
    }
    newest_packaged(&packaged(Path::new("/")))
        .or_else(told_by_pg_config)
        .or_else(on_path)
        .ok_or(DevDbError::NotInstalled)
        .and_then(Binaries::inspect)
}

/// Where packages put PostgreSQL, as (parent, prefix of the versioned name, path below it).
const FAMILIES: [(&str, &str, &str); 6] = [
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("opt/homebrew/opt", "postgresql@", "bin"),
    ("usr/local/opt", "postgresql@", "bin"),
    ("home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// Every packaged server below `root`, with its version number.
fn packaged(root: &Path) -> Vec<(u32, PathBuf)> {
    let mut found = Vec::new();
    for (parent, prefix, below) in FAMILIES {
        for entry in fs::read_dir(root.join(parent)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(leading_number);
            let directory = entry.path().join(below);
            if let Some(version) = version
                && holds_server(&directory)
            {
                found.push((version, directory));
            }
        }
    }
    found
}

fn newest_packaged(found: &[(u32, PathBuf)]) -> Option<PathBuf> {
    found.iter().max_by_key(|(version, _)| *version).map(|(_, directory)| directory.clone())
}

fn told_by_pg_config() -> Option<PathBuf> {
    first_line_of(Command::new("pg_config").arg("--bindir"))
        .map(PathBuf::from)
        .filter(|directory| holds_server(directory))
}

fn on_path() -> Option<PathBuf> {
    let postgres = PathBuf::from(first_line_of(Command::new("sh").args(["-c", "command -v postgres"]))?);
    let real = fs::canonicalize(&postgres).unwrap_or_else(|_| postgres.clone());
    [real, postgres].iter().filter_map(|program| program.parent()).find(|d| holds_server(d)).map(Path::to_owned)
}

fn first_line_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

fn holds_server(directory: &Path) -> bool {
    ["postgres", "initdb"].iter().all(|program| directory.join(program).is_file())
}

fn leading_number(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| text.get(..end).unwrap_or_default());
    digits.parse().ok()
}

/// A command with nothing of our environment: no `PG*` variable or locale of the caller changes what it does.
pub(crate) fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", if cfg!(target_os = "macos") { "C" } else { "C.UTF-8" })
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_chosen_by_number_and_not_by_spelling() {
        let found = [(9, PathBuf::from("nine")), (15, PathBuf::from("fifteen")), (13, PathBuf::from("thirteen"))];
        assert_eq!(newest_packaged(&found), Some(PathBuf::from("fifteen")));
    }

    #[test]
    fn versions_are_read_from_all_their_spellings() {
        assert_eq!(leading_number("15.14"), Some(15));
        assert_eq!(leading_number("18beta1"), Some(18));
        assert_eq!(leading_number("17"), Some(17));
        assert_eq!(leading_number("latest"), None);
    }

    #[test]
    fn a_wrong_explicit_directory_is_an_error_and_not_a_reason_to_search_on() {
        let error = find_binaries(Some(Path::new("/nonexistent"))).unwrap_err();
        assert!(error.to_string().contains("OMS_PG_BIN"), "{error}");
    }

    #[test]
    fn the_binaries_of_this_machine_say_their_version() {
        let binaries = find_binaries(None).unwrap();
        assert!(binaries.major() >= 12, "{binaries:?}");
        assert!(binaries.version().starts_with(&binaries.major().to_string()));
    }
}
