//! The migrated database that every test database is a copy of.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use devdb::is_process_alive;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::{
    Failure,
    admin::{self, BlockingConnection},
    run::{Server, describe},
};

/// What the names of test databases start with.
pub(crate) const TEST: &str = "oms_test_";
const TEMPLATE: &str = "oms_template_";
/// Any number will do, as long as nobody else locks it.
const BUILDING: i64 = 0x6f6d_735f_7465_7374;
/// How old the database of a test may get on somebody else's server, where process numbers mean nothing.
const OLD_S: u64 = 2 * 60 * 60;

/// The name of the template, built by whoever asks first. Blocks.
pub(crate) fn template(server: &Server) -> Result<&'static str, Failure> {
    static NAME: OnceLock<Result<String, String>> = OnceLock::new();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let name = NAME.get_or_init(|| ensure(server, &migrations).map_err(|failure| describe(&*failure)));
    name.as_ref().map(String::as_str).map_err(|failure| failure.clone().into())
}

fn ensure(server: &Server, migrations: &Path) -> Result<String, Failure> {
    let name = format!("{TEMPLATE}{:016x}", fingerprint_of(migrations)?);
    let mut conn = server.admin()?;
    if admin::exists(&mut conn, &name)? {
        return Ok(name);
    }
    // Released with the connection, at the end of this function or of this process.
    admin::execute(&mut conn, &format!("SELECT pg_advisory_lock({BUILDING})"))?;
    if !admin::exists(&mut conn, &name)? {
        drop_leftovers(&mut conn, server)?;
        build(&mut conn, server, migrations, &name)?;
    }
    Ok(name)
}

/// Builds under another name first, so that a template by its name is always complete.
fn build(conn: &mut BlockingConnection, server: &Server, migrations: &Path, name: &str) -> Result<(), Failure> {
    let draft = format!("{name}_building");
    admin::drop_database(conn, &draft)?;
    admin::execute(conn, &format!("CREATE DATABASE {draft} TEMPLATE template0 ENCODING 'UTF8'"))?;
    migrate(&server.url(&draft), migrations)?;
    // A template that nobody can connect to can always be copied.
    admin::execute(conn, &format!("ALTER DATABASE {draft} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"))?;
    admin::execute(conn, &format!("ALTER DATABASE {draft} RENAME TO {name}"))
}

fn migrate(url: &str, migrations: &Path) -> Result<(), Failure> {
    if !migrations.exists() {
        return Ok(());
    }
    let mut conn = admin::connect(url)?;
    let applied = FileBasedMigrations::from_path(migrations).map_err(Failure::from);
    applied
        .and_then(|source| conn.run_pending_migrations(source).map(drop))
        .map_err(|failure| format!("the migrations of {} cannot be applied: {failure}", migrations.display()).into())
}

/// Drops what killed tests left behind. The templates of earlier migrations stay: another run may be copying them, and
/// they go with our own server.
fn drop_leftovers(conn: &mut BlockingConnection, server: &Server) -> Result<(), Failure> {
    for name in admin::names(conn, TEST)? {
        if is_left_over(&name, server.is_own(), now_s()) {
            admin::drop_database(conn, &name)?;
        }
    }
    Ok(())
}

/// The name of a test database carries its birth and its process: `oms_test_<seconds>_<process>_<number>`.
pub(crate) fn test_name(number: u64) -> String {
    format!("{TEST}{}_{}_{number}", now_s(), std::process::id())
}

fn is_left_over(name: &str, own_server: bool, now_s: u64) -> bool {
    let mut parts = name.strip_prefix(TEST).unwrap_or_default().split('_');
    let born_s: Option<u64> = parts.next().and_then(|part| part.parse().ok());
    let process: Option<u32> = parts.next().and_then(|part| part.parse().ok());
    match (born_s, process) {
        (Some(_), Some(process)) if own_server => !is_process_alive(process),
        (Some(born_s), Some(_)) => now_s.saturating_sub(born_s) > OLD_S,
        _ => false,
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A number that changes when any file below `directory` does. A directory that does not exist is an empty one.
fn fingerprint_of(directory: &Path) -> Result<u64, Failure> {
    let mut files = Vec::new();
    collect(directory, &mut files)?;
    files.sort();
    let mut pieces = Vec::new();
    for file in files {
        let name = file.strip_prefix(directory)?.display().to_string();
        let content = fs::read(&file)?;
        pieces.extend([name.into_bytes(), content]);
    }
    Ok(fingerprint(pieces.iter().map(Vec::as_slice)))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a over pieces that are told apart from each other. It names things; it protects nothing.
pub(crate) fn fingerprint<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    pieces.into_iter().fold(BASIS, |hash, piece| {
        let hash = piece.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
        (hash ^ 0x1_00).wrapping_mul(PRIME) // No byte has this value: the end of a piece.
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_sees_every_change_of_a_file() {
        let of = |pieces: &[&str]| fingerprint(pieces.iter().map(|piece| piece.as_bytes()));
        assert_eq!(of(&["up.sql", "CREATE"]), of(&["up.sql", "CREATE"]));
        assert_ne!(of(&["up.sql", "CREATE"]), of(&["up.sql", "CREATE "]));
        assert_ne!(of(&["up.sql", "CREATE"]), of(&["up.sqlC", "REATE"]));
    }

    #[test]
    fn no_migrations_are_fine() {
        assert!(fingerprint_of(Path::new("/nonexistent")).is_ok());
    }

    /// A migrations directory with one migration in it, deleted at the end.
    struct Migrations(PathBuf);

    impl Migrations {
        fn new(name: &str, up: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("testkit-{name}-{}", std::process::id()));
            let migration = directory.join("2026-01-01-000000_first");
            fs::create_dir_all(&migration).unwrap();
            fs::write(migration.join("up.sql"), up).unwrap();
            fs::write(migration.join("down.sql"), "SELECT 1;").unwrap();
            Self(directory)
        }
    }

    impl Drop for Migrations {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn changed_migrations_make_another_template() {
        let server = crate::run::server().unwrap();
        let one = Migrations::new("one", "CREATE TABLE one (n int);");
        let two = Migrations::new("two", "CREATE TABLE two (n int);");
        let first = ensure(server, &one.0).unwrap();
        assert_eq!(ensure(server, &one.0).unwrap(), first, "built once");
        let second = ensure(server, &two.0).unwrap();
        assert_ne!(first, second);
        let mut conn = server.admin().unwrap();
        for name in [first, second] {
            admin::execute(&mut conn, &format!("ALTER DATABASE {name} WITH IS_TEMPLATE false")).unwrap();
            admin::drop_database(&mut conn, &name).unwrap();
        }
    }

    #[test]
    fn a_migration_that_fails_is_named_and_leaves_no_template() {
        let server = crate::run::server().unwrap();
        let broken = Migrations::new("broken", "CREATE TABEL oops (n int);");
        let failure = ensure(server, &broken.0).unwrap_err().to_string();
        assert!(failure.contains("2026-01-01-000000_first") && failure.contains("TABEL"), "{failure}");
        let name = format!("{TEMPLATE}{:016x}", fingerprint_of(&broken.0).unwrap());
        let mut conn = server.admin().unwrap();
        assert!(!admin::exists(&mut conn, &name).unwrap());
        admin::drop_database(&mut conn, &format!("{name}_building")).unwrap();
    }

    #[test]
    fn only_databases_of_tests_that_are_gone_are_left_over() {
        let own = std::process::id();
        assert!(!is_left_over(&format!("oms_test_1000_{own}_1"), true, 1_000_000));
        assert!(is_left_over("oms_test_1000_999999999_1", true, 1_000_000));
        assert!(is_left_over(&format!("oms_test_1000_{own}_1"), false, 1_000_000));
        assert!(!is_left_over("oms_test_999999_999999999_1", false, 1_000_000));
        assert!(!is_left_over("oms_test_of_my_own", true, 1_000_000));
    }
}
