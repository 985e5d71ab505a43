//! Where settings come from: the process's variables, and for what those do not say the file `.env`.

use std::collections::BTreeMap;

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
        match dotenvy::dotenv_iter() {
            Ok(lines) => {
                for line in lines {
                    match line {
                        Ok((name, value)) => {
                            values.insert(name, value);
                        }
                        // The error quotes the line, which may hold a secret.
                        Err(_line) => problems.push(".env: a line is not of the form NAME=value".to_owned()),
                    }
                }
            }
            Err(error) if error.not_found() => {}
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
