//! The handful of system calls the standard library does not offer, each behind a safe function.
#![expect(unsafe_code, reason = "signals, sessions and parent-death signals have no safe interface in std")]

use std::{
    ffi::{c_int, c_uint},
    io,
    os::unix::process::CommandExt,
    process::Command,
};

unsafe extern "C" {
    safe fn geteuid() -> c_uint;
    safe fn setsid() -> c_int;
    safe fn kill(pid: c_int, signal: c_int) -> c_int;
    #[cfg(target_os = "linux")]
    safe fn getppid() -> c_int;
    #[cfg(target_os = "linux")]
    fn prctl(option: c_int, ...) -> c_int;
}

/// PostgreSQL's fast shutdown: end the sessions, write a checkpoint, exit.
pub(crate) const SIGINT: c_int = 2;
/// PostgreSQL's immediate shutdown: exit now, recover at the next start.
pub(crate) const SIGQUIT: c_int = 3;
/// Ends one session of a server.
pub(crate) const SIGTERM: c_int = 15;

const EPERM: i32 = 1;
#[cfg(target_os = "linux")]
const ESRCH: i32 = 3;

/// The user this process acts as; 0 is root.
pub(crate) fn effective_user() -> u32 {
    geteuid()
}

/// Sends `signal` to one process. Process groups (zero and negative numbers) and init are refused.
pub(crate) fn send_signal(pid: i32, signal: c_int) -> io::Result<()> {
    if pid <= 1 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    if kill(pid, signal) == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether a process with this number exists, whoever owns it.
pub(crate) fn exists(pid: i32) -> bool {
    match send_signal(pid, 0) {
        Ok(()) => true,
        Err(error) => error.raw_os_error() == Some(EPERM),
    }
}

/// Makes the kernel send SIGINT to the child when the *thread* that spawns it ends, however it ends (Linux; elsewhere
/// this does nothing). Spawn from a thread that lives as long as the child should.
pub(crate) fn die_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        const PR_SET_PDEATHSIG: c_int = 1;
        let parent = std::process::id();
        // SAFETY: between fork and exec only async-signal-safe calls are allowed; prctl and getppid are, and an error
        // built from a number does not allocate. prctl(PR_SET_PDEATHSIG) takes one unsigned long.
        unsafe {
            command.pre_exec(move || {
                let signal: std::ffi::c_ulong = 2;
                if prctl(PR_SET_PDEATHSIG, signal) != 0 {
                    return Err(io::Error::last_os_error());
                }
                // The parent may have died before the call above: then no signal will ever come.
                if u32::try_from(getppid()) != Ok(parent) {
                    return Err(io::Error::from_raw_os_error(ESRCH));
                }
                Ok(())
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = command;
    }
}

/// Gives the child a session of its own, so that neither Ctrl-C nor a closing terminal nor the end of a test runner's
/// process group reaches it.
pub(crate) fn in_own_session(command: &mut Command) {
    // SAFETY: setsid is async-signal-safe and touches no memory of this process.
    unsafe {
        command.pre_exec(|| if setsid() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) });
    }
}
