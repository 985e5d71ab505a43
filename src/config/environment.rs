//! Where settings come from: the process's variables, and for what those do not say the file `.env`.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind, Read},
    path::PathBuf,
};

use super::read::ConfigError;

/// Names and values of settings.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Nothing set.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The process's variables, completed by the nearest `.env` in this directory or above.
    ///
    /// # Errors
    /// When `.env` cannot be read, or a variable is not UTF-8.
    pub fn load() -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut values = BTreeMap::new();
        match nearest_file() {
            Ok(None) => {}
            Ok(Some((path, text))) => {
                let (read, wrong) = entries(&text);
                values = read;
                problems.extend(wrong.into_iter().map(|line| {
                    format!("{}: line {line} is not of the form NAME=value, or needs quotes", path.display())
                }));
            }
            Err(error) => problems.push(format!(".env cannot be read: {error}")),
        }
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                // An empty one counts as not set, so it hides nothing of the file: Compose passes on what is not set like that.
                Ok(value) if value.trim().is_empty() => {
                    values.entry(name).or_insert(value);
                }
                Ok(value) => {
                    values.insert(name, value);
                }
                Err(_bytes) if super::settings::find(&name).is_some() => {
                    problems.push(format!("{name} is not UTF-8"));
                }
                Err(_bytes) => {}
            }
        }
        if problems.is_empty() { Ok(Self(values)) } else { Err(ConfigError { problems }) }
    }

    /// Sets a value, whatever was there.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a value unless there is one.
    #[must_use]
    pub fn with_default(self, name: &str, value: impl Into<String>) -> Self {
        if self.get(name).is_some() { self } else { self.with(name, value) }
    }

    /// The value of a setting; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Names that begin with `OMS_` and are not in the table of settings.
    pub fn unknown(&self) -> Vec<String> {
        self.0
            .keys()
            .filter(|name| name.starts_with("OMS_") && super::settings::find(name).is_none())
            .cloned()
            .collect()
    }
}

/// The nearest `.env`, in this directory or above, and what is in it.
fn nearest_file() -> io::Result<Option<(PathBuf, Vec<u8>)>> {
    let directory = match std::env::current_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        directory => directory?,
    };
    for path in directory.ancestors().map(|directory| directory.join(".env")) {
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => return fs::read(&path).map(|text| Some((path, text))),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

/// The names and values in a `.env`, and the numbers of the lines where something begins that is neither. What those hold is
/// not told: it may be a secret.
fn entries(text: &[u8]) -> (BTreeMap<String, String>, Vec<usize>) {
    let (mut values, mut wrong) = (BTreeMap::new(), Vec::new());
    let taken = Cell::new(0);
    for entry in dotenvy::from_read_iter(ByLine { text, taken: &taken }) {
        match entry {
            Ok((name, value)) => {
                values.insert(name, value);
            }
            Err(error) => {
                let read = text.get(..taken.get()).unwrap_or_default();
                let last = read.split_inclusive(|&byte| byte == b'\n').count();
                wrong.push((last + 1).saturating_sub(height(&error)));
            }
        }
    }
    (values, wrong)
}

/// How many lines there are in what was refused: a value in quotes may have several.
fn height(error: &dotenvy::Error) -> usize {
    match error {
        dotenvy::Error::LineParse(text, _) => text.lines().count().max(1),
        _ => 1,
    }
}

/// Hands out a line at a time, so that it is known how far somebody has read who reads ahead.
struct ByLine<'a> {
    text: &'a [u8],
    taken: &'a Cell<usize>,
}

impl Read for ByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.text.get(self.taken.get()..).unwrap_or_default();
        let mut line = rest.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
        let count = line.read(buffer)?;
        self.taken.set(self.taken.get() + count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_the_lines_that_cannot_be_are_numbered() {
        let text =
            "# Settings\nOMS_LISTEN=127.0.0.1:8000\n\nSECRET_KEY\nMAIL_FROM=OMS <shop@oms.example>\nMAIL_PORT=25\n";
        let (values, wrong) = entries(text.as_bytes());
        assert_eq!(values.keys().collect::<Vec<_>>(), ["MAIL_PORT", "OMS_LISTEN"]);
        assert_eq!(wrong, [4, 5]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_found_where_it_opens() {
        let (values, wrong) = entries(b"A='one\ntwo'\nB=3\nC='four\nfive\nsix\n");
        assert_eq!((values.len(), wrong), (2, vec![4]));
        let (values, wrong) = entries(b"A=1\r\n\xff\xfe=2\r\nB C=3");
        assert_eq!((values.len(), wrong), (1, vec![2, 3]));
    }
}
