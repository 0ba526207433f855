//! Names the process that began a temporary file, so that the next one can delete what a killed one left.
//!
//! Of a process it can be known that it has ended only if it was started by the same user, since the machine was, and in the same
//! container: of any other nothing is said, and its files are left to vacuum. A process id that was given again is told by the time of the
//! start.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use twox_hash::XxHash3_64;

/// A process of this machine.
#[derive(Debug, PartialEq)]
struct Process {
    /// A hash of the boot of the machine and of the namespace of process ids.
    place: u64,
    pid: u32,
    /// Clock ticks from the boot.
    start: u64,
}

/// The name of this process, of letters, digits and `-`; `None` where the system tells too little of processes.
pub fn own_name() -> Option<&'static str> {
    static OWN: OnceLock<Option<String>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let pid = std::process::id();
        let start = start_of(pid).ok().flatten()?;
        Some(format!("{:016x}-{pid}-{start}", own_place()?))
    });
    own.as_deref()
}

/// Whether the process of this name, which wrote this file, has certainly ended.
pub fn has_ended(name: &str, file: &Path) -> bool {
    let Some((process, place)) = parsed(name).zip(own_place()) else { return false };
    // Processes of other users may be hidden.
    let user = |path: &Path| fs::symlink_metadata(path).map(|metadata| metadata.uid()).ok();
    let same_user = user(file).is_some_and(|owner| user(Path::new("/proc/self")) == Some(owner));
    let runs = || start_of(process.pid).map_or(true, |start| start == Some(process.start));
    process.place == place && same_user && !runs()
}

fn parsed(name: &str) -> Option<Process> {
    let mut parts = name.splitn(3, '-');
    let place = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some(Process { place, pid: parts.next()?.parse().ok()?, start: parts.next()?.parse().ok()? })
}

fn own_place() -> Option<u64> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(XxHash3_64::oneshot(format!("{boot} {}", namespace.display()).as_bytes()))
}

/// When a process was started; `None` if there is none of this id.
fn start_of(pid: u32) -> std::io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        stat => stat?,
    };
    // The name of the program, in parentheses, may hold anything.
    let after = stat.rsplit_once(')').map(|(_, after)| after);
    let start = after.and_then(|after| after.split_whitespace().nth(19)?.parse().ok());
    start.map(Some).ok_or_else(|| ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_here_is_known_to_have_ended() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = own_name().unwrap();
        let Process { place, pid, start } = parsed(own).unwrap();
        let ended = |place: u64, pid: u32, start: u64| {
            has_ended(&format!("{place:016x}-{pid}-{start}"), file.path())
        };
        assert!(!has_ended(own, file.path()));
        assert!(ended(place, pid, start - 1), "the id belongs to a later process");
        assert!(!ended(place + 1, pid, start - 1), "of another machine or container");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (id, started) = (child.id(), start_of(child.id()).unwrap().unwrap());
        assert!(!ended(place, id, started));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ended(place, id, started));
        assert!(
            !has_ended(&format!("{place:016x}-{id}-{started}"), Path::new("/proc/1/stat"))
                || is_root()
        );
        for name in ["", "x", "1-2", "1-2-x"] {
            assert!(!has_ended(name, file.path()), "{name}");
        }
    }

    fn is_root() -> bool {
        fs::symlink_metadata("/proc/self").unwrap().uid() == 0
    }
}
