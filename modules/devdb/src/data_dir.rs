//! The data directory: where it is, how it comes to be, how it goes.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::{
    account::Account,
    binaries::{Binaries, quiet},
    error::DevDbError,
    process::{is_root, live_server},
    sys,
};

/// How long an `initdb` that was interrupted may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// Where `oms dev` keeps its cluster: below `/var/lib/oms-dev` for root (whose home directory PostgreSQL's account
/// could not enter), below `$XDG_DATA_HOME/oms` or `~/.local/share/oms` for everybody else.
pub fn default_data_dir(is_root: bool, xdg_data_home: Option<&Path>, home: Option<&Path>) -> PathBuf {
    let folder = if is_root {
        PathBuf::from("/var/lib/oms-dev")
    } else if let Some(data) = xdg_data_home.filter(|path| path.is_absolute()) {
        data.join("oms")
    } else if let Some(home) = home.filter(|path| path.is_absolute()) {
        home.join(".local/share/oms")
    } else {
        std::env::temp_dir().join(format!("oms-dev-{}", sys::effective_user()))
    };
    folder.join("postgres")
}

/// Deletes the cluster in `data_dir`, for a fresh start. Refuses while a server runs on it and when the directory is
/// not a PostgreSQL cluster. A directory that does not exist is fine.
pub fn reset(data_dir: &Path) -> Result<(), DevDbError> {
    if !data_dir.exists() {
        return Ok(());
    }
    let _lock = lock(data_dir)?;
    if let Some(server) = live_server(data_dir) {
        return Err(DevDbError::StillRunning { data_dir: data_dir.to_owned(), pid: server.pid });
    }
    if !data_dir.join("PG_VERSION").exists() && !is_empty(data_dir)? {
        return Err(DevDbError::NotACluster { data_dir: data_dir.to_owned() });
    }
    fs::remove_dir_all(data_dir).map_err(DevDbError::file("delete", data_dir))
}

/// A file beside the data directory: `<data_dir>.<extension>`.
pub(crate) fn beside(data_dir: &Path, extension: &str) -> PathBuf {
    let mut name = data_dir.file_name().map_or_else(|| OsString::from("postgres"), OsString::from);
    name.push(".");
    name.push(extension);
    data_dir.with_file_name(name)
}

/// Keeps other processes from starting or resetting the same cluster until the returned file is dropped.
pub(crate) fn lock(data_dir: &Path) -> Result<File, DevDbError> {
    lock_file(&beside(data_dir, "lock"))
}

pub(crate) fn lock_file(path: &Path) -> Result<File, DevDbError> {
    let file =
        File::options().create(true).truncate(false).write(true).open(path).map_err(DevDbError::file("open", path))?;
    file.lock().map_err(DevDbError::file("lock", path))?;
    Ok(file)
}

/// Creates `directory` and everything above it. What root creates may be passed through by everybody, whatever the
/// umask says, because PostgreSQL will run as somebody else.
pub(crate) fn create_folder(directory: &Path) -> Result<(), DevDbError> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|step| !step.exists()).collect();
    for step in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o755).create(step) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.map_err(DevDbError::file("create", step))?,
        }
        if is_root() {
            fs::set_permissions(step, Permissions::from_mode(0o755))
                .map_err(DevDbError::file("open the way to", step))?;
        }
    }
    Ok(())
}

/// Makes sure that `data_dir` holds a cluster of the right version, creating one when there is none.
pub(crate) fn ensure_cluster(data_dir: &Path, binaries: &Binaries, account: &Account) -> Result<(), DevDbError> {
    match fs::read_to_string(data_dir.join("PG_VERSION")) {
        Ok(found) => {
            let found = found.trim();
            if found == binaries.major().to_string() {
                return Ok(());
            }
            return Err(DevDbError::VersionMismatch {
                data_dir: data_dir.to_owned(),
                found: found.to_owned(),
                installed: binaries.major(),
            });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(DevDbError::file("read", data_dir.join("PG_VERSION"))(error)),
    }
    if data_dir.exists() && !is_empty(data_dir)? {
        return Err(DevDbError::NotACluster { data_dir: data_dir.to_owned() });
    }
    initialise(data_dir, binaries, account)
}

/// Runs `initdb` in a directory beside and moves the result into place, so that an interrupted run leaves nothing that
/// looks like a cluster.
fn initialise(data_dir: &Path, binaries: &Binaries, account: &Account) -> Result<(), DevDbError> {
    let draft = beside(data_dir, "new");
    delete_draft(&draft)?;
    DirBuilder::new().mode(0o700).create(&draft).map_err(DevDbError::file("create", &draft))?;
    account.give(&draft)?;
    let program = binaries.program("initdb");
    let mut command = quiet(&program);
    account.apply(&mut command);
    sys::die_with_parent(&mut command);
    let locale = if cfg!(target_os = "macos") { "--locale=C" } else { "--locale=C.UTF-8" };
    let output = command
        .arg("-D")
        .arg(&draft)
        .args(["-U", "oms", "-A", "trust", "-E", "UTF8", locale, "--no-sync", "--no-instructions"])
        .output()
        .map_err(|source| DevDbError::Run { program, source })?;
    if !output.status.success() {
        let said = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let _ = fs::remove_dir_all(&draft);
        return Err(DevDbError::Initdb { data_dir: data_dir.to_owned(), output: said.join("\n").trim().to_owned() });
    }
    fs::rename(&draft, data_dir).map_err(DevDbError::file("move a new cluster to", data_dir))
}

/// Deletes what an interrupted run left. Its `initdb` may still be about to end, and put files there meanwhile.
fn delete_draft(draft: &Path) -> Result<(), DevDbError> {
    let deadline = Instant::now() + ENDING;
    while draft.exists() {
        match fs::remove_dir_all(draft) {
            Err(error) if Instant::now() > deadline => return Err(DevDbError::file("delete", draft)(error)),
            Ok(()) | Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

fn is_empty(directory: &Path) -> Result<bool, DevDbError> {
    let mut entries = fs::read_dir(directory).map_err(DevDbError::file("list", directory))?;
    Ok(entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_keeps_its_cluster_where_other_accounts_can_reach_it() {
        assert_eq!(default_data_dir(true, None, Some(Path::new("/root"))), Path::new("/var/lib/oms-dev/postgres"));
    }

    #[test]
    fn everybody_else_keeps_it_with_their_data() {
        let home = Path::new("/home/ada");
        assert_eq!(default_data_dir(false, None, Some(home)), Path::new("/home/ada/.local/share/oms/postgres"));
        assert_eq!(default_data_dir(false, Some(Path::new("/data")), Some(home)), Path::new("/data/oms/postgres"));
        assert_eq!(
            default_data_dir(false, Some(Path::new("relative")), Some(home)),
            Path::new("/home/ada/.local/share/oms/postgres")
        );
    }

    #[test]
    fn the_companions_of_a_data_directory_lie_beside_it() {
        assert_eq!(beside(Path::new("/data/oms/postgres"), "log"), Path::new("/data/oms/postgres.log"));
    }

    #[test]
    fn reset_does_not_delete_what_is_not_a_cluster() {
        let directory = std::env::temp_dir().join(format!("devdb-reset-{}", std::process::id()));
        fs::create_dir_all(directory.join("precious")).unwrap();
        let error = reset(&directory).unwrap_err();
        assert!(matches!(error, DevDbError::NotACluster { .. }), "{error}");
        assert!(directory.join("precious").exists());
        fs::remove_dir_all(&directory).unwrap();
        fs::remove_file(beside(&directory, "lock")).unwrap();
    }
}
