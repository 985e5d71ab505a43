//! The directory of `oms dev`: who is using it, and the keys that are kept in it.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::Rng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A running `oms dev`, as others see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Instance {
    /// Its process.
    pub(super) pid: u32,
    /// Where its API is.
    pub(super) api: String,
    /// Where its mail page is.
    pub(super) mail: String,
    /// Where its gateway is.
    pub(super) gateway: String,
    /// Where its database is.
    pub(super) database: String,
}

/// Made once for a directory; nobody else knows them.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) secret_key: String,
    pub(super) webhook_secret: String,
    pub(super) gateway_api_key: String,
}

impl Keys {
    fn make() -> Self {
        fn random<const N: usize>() -> String {
            let mut bytes = [0; N];
            rand::rng().fill_bytes(&mut bytes);
            STANDARD.encode(bytes)
        }
        Self {
            secret_key: random::<48>(),
            webhook_secret: format!("whsec_{}", random::<32>()),
            gateway_api_key: random::<24>(),
        }
    }
}

/// The directory, ours until this is dropped or the process ends in whatever way.
pub(super) struct Home {
    path: PathBuf,
    _lock: File,
}

/// What came of the wish to have the directory.
pub(super) enum Claim {
    Ours(Home),
    /// Another process has it; it may not have said yet where it is.
    Theirs(Option<Instance>),
}

const INSTANCE: &str = "running.json";
const KEYS: &str = "keys.json";

impl Home {
    pub(super) fn claim(path: &Path) -> anyhow::Result<Claim> {
        let path = std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))?;
        create(&path)
            .with_context(|| format!("cannot create {}; choose another directory with --data-dir", path.display()))?;
        let lock_path = path.join("lock");
        let lock =
            File::options().create(true).truncate(false).write(true).open(&lock_path).with_context(|| {
                format!("cannot write to {}; choose another directory with --data-dir", path.display())
            })?;
        match lock.try_lock() {
            Ok(()) => {
                let home = Self { path, _lock: lock };
                home.forget_instance();
                Ok(Claim::Ours(home))
            }
            Err(TryLockError::WouldBlock) => Ok(Claim::Theirs(read(&path.join(INSTANCE)).ok())),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock_path.display()))
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }

    pub(super) fn media(&self) -> PathBuf {
        self.path.join("media")
    }

    /// The keys of this directory, made the first time they are asked for.
    pub(super) fn keys(&self) -> anyhow::Result<Keys> {
        let path = self.path.join(KEYS);
        if path.exists() {
            return read(&path)
                .with_context(|| format!("{} cannot be read; delete it to have new keys made", path.display()));
        }
        let keys = Keys::make();
        self.write(KEYS, &keys)?;
        Ok(keys)
    }

    /// Says where this process is.
    pub(super) fn announce(&self, instance: &Instance) -> anyhow::Result<()> {
        self.write(INSTANCE, instance)
    }

    /// Deletes the database's and the pictures' directories; the keys stay.
    pub(super) fn reset(&self) -> anyhow::Result<()> {
        devdb::reset(&self.cluster())?;
        match fs::remove_dir_all(self.media()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete {}", self.media().display()))
            }
            _ => Ok(()),
        }
    }

    fn forget_instance(&self) {
        // Nobody reads it while the lock is ours and it has not been written anew.
        let _absent = fs::remove_file(self.path.join(INSTANCE)).is_err();
    }

    /// Writes a file that only its owner can read, all or nothing.
    fn write(&self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let (draft, path) = (self.path.join(format!("{name}.new")), self.path.join(name));
        let attempt = || -> anyhow::Result<()> {
            let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(&serde_json::to_vec_pretty(value)?)?;
            file.sync_all()?;
            Ok(fs::rename(&draft, &path)?)
        };
        attempt().with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.forget_instance();
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Creates the directory and those above it; PostgreSQL's account must be able to pass through what root creates.
fn create(path: &Path) -> std::io::Result<()> {
    for step in path.ancestors().filter(|step| !step.exists()).collect::<Vec<_>>().into_iter().rev() {
        DirBuilder::new().mode(0o755).create(step).or_else(|error| if step.is_dir() { Ok(()) } else { Err(error) })?;
        if devdb::is_root() {
            fs::set_permissions(step, Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("oms-dev-home-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        path.join("below")
    }

    fn ours(path: &Path) -> Home {
        match Home::claim(path).unwrap() {
            Claim::Ours(home) => home,
            Claim::Theirs(_) => panic!("somebody else has it"),
        }
    }

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let path = directory("one");
        let home = ours(&path);
        let instance = Instance {
            pid: 7,
            api: "http://127.0.0.1:8000".to_owned(),
            mail: String::new(),
            gateway: String::new(),
            database: String::new(),
        };
        assert!(matches!(Home::claim(&path).unwrap(), Claim::Theirs(None)));
        home.announce(&instance).unwrap();
        assert!(matches!(Home::claim(&path).unwrap(), Claim::Theirs(Some(Instance { pid: 7, .. }))));
        drop(home);
        ours(&path);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn keys_are_made_once_and_are_for_the_owner_only() {
        let path = directory("keys");
        let home = ours(&path);
        let keys = home.keys().unwrap();
        assert_eq!(keys.secret_key, home.keys().unwrap().secret_key);
        assert!(keys.webhook_secret.starts_with("whsec_") && keys.secret_key.len() >= 64);
        let mode = fs::metadata(path.join(KEYS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(path.join(KEYS), "nonsense").unwrap();
        assert!(home.keys().err().unwrap().to_string().contains("delete it"));
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
