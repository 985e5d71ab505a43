//! The account PostgreSQL runs as: ours, or an unprivileged one when we are root.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use crate::{error::DevDbError, sys};

/// The account PostgreSQL runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// `None` when it is our own and nothing has to be switched.
    switch: Option<Identity>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Chooses who runs the cluster in `data_dir`: ourselves, unless we are root; then whoever owns the data already,
    /// else `postgres`, else `nobody`.
    pub(crate) fn for_data(data_dir: &Path) -> Result<Self, DevDbError> {
        let ours = sys::effective_user();
        let owner = fs::metadata(data_dir).ok();
        if ours != 0 {
            return match owner {
                Some(owner) if owner.uid() != ours => {
                    Err(DevDbError::ForeignOwner { data_dir: data_dir.to_owned(), owner: owner.uid() })
                }
                _ => Ok(Self { switch: None }),
            };
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(DevDbError::file("read", "/etc/passwd"))?;
        let identity = match owner.filter(|owner| owner.uid() != 0) {
            Some(owner) => Some(find(&passwd, |identity| identity.uid == owner.uid()).unwrap_or_else(|| Identity {
                name: owner.uid().to_string(),
                uid: owner.uid(),
                gid: owner.gid(),
            })),
            None => ["postgres", "nobody"].iter().find_map(|name| find(&passwd, |identity| identity.name == *name)),
        };
        identity.map(|identity| Self { switch: Some(identity) }).ok_or(DevDbError::NoAccount)
    }

    /// Makes `command` run as this account.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some(identity) = &self.switch {
            command.uid(identity.uid).gid(identity.gid);
        }
    }

    /// Hands a file or directory over to this account.
    pub(crate) fn give(&self, path: &Path) -> Result<(), DevDbError> {
        match &self.switch {
            Some(identity) => {
                chown(path, Some(identity.uid), Some(identity.gid)).map_err(DevDbError::file("give away", path))
            }
            None => Ok(()),
        }
    }

    /// Checks that this account may pass through `directory` and everything above it.
    pub(crate) fn check_way_to(&self, directory: &Path) -> Result<(), DevDbError> {
        let Some(identity) = &self.switch else { return Ok(()) };
        let real = fs::canonicalize(directory).map_err(DevDbError::file("resolve", directory))?;
        let mut way: Vec<&Path> = real.ancestors().collect();
        way.reverse();
        for step in way {
            let found = fs::metadata(step).map_err(DevDbError::file("look at", step))?;
            let execute = if found.uid() == identity.uid {
                0o100
            } else if found.gid() == identity.gid {
                0o010
            } else {
                0o001
            };
            if found.mode() & execute == 0 {
                return Err(DevDbError::NotTraversable { user: identity.name.clone(), directory: step.to_owned() });
            }
        }
        Ok(())
    }
}

fn find(passwd: &str, wanted: impl Fn(&Identity) -> bool) -> Option<Identity> {
    passwd.lines().filter_map(parse).find(wanted)
}

/// Reads one line of /etc/passwd: `name:password:uid:gid:…`.
fn parse(line: &str) -> Option<Identity> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Identity { name, uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_passwd_and_broken_lines_are_passed_over() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n+::::::\npostgres:x:104:110:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        let postgres = find(passwd, |identity| identity.name == "postgres").unwrap();
        assert_eq!((postgres.uid, postgres.gid), (104, 110));
        assert_eq!(find(passwd, |identity| identity.name == "nobody"), None);
    }
}
