//! Who keeps a write-ahead log from starting again: a process whose read transaction still needs an old state.
//! SQLite marks it by a lock on a byte of the `-shm`; the kernel shows each process's locks beside its descriptors,
//! POSIX and open-file ones alike.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;

/// A larger log is told of, if somebody holds it (bytes).
pub(super) const LARGE: u64 = 64 << 20;
/// The bytes of the `-shm` that readers lock.
const READERS: std::ops::RangeInclusive<u64> = 123..=127;
/// Who holds a mark for so long is no passing reader.
const WHILE: Duration = Duration::from_millis(200);

/// The sizes that were told.
#[derive(Default)]
pub(super) struct Watch {
    told: u64,
}

impl Watch {
    /// What there is to tell of a log of this size that could not be emptied: once, and again whenever it is four
    /// times as large.
    pub fn look(&mut self, wal: &Path, size: u64, clock: &dyn Clock) -> Option<String> {
        if size <= LARGE {
            self.told = 0;
            return None;
        }
        if size < self.told.saturating_mul(4) {
            return None;
        }
        let shm = shm(wal)?;
        let before = holders(&shm);
        clock.sleep(WHILE);
        let both: Vec<String> = holders(&shm).intersection(&before).map(|&pid| named(pid)).collect();
        let who = match both.as_slice() {
            [] => "a process that this user may not look at".to_owned(),
            some => some.join(" and "),
        };
        self.told = size;
        Some(format!(
            "the write-ahead log has grown to {} MB: {who} has kept a read transaction open and needs what is in \
             it; it shrinks when that transaction ends",
            size >> 20
        ))
    }
}

/// What lies beside the log.
fn shm(wal: &Path) -> Option<PathBuf> {
    let mut name = wal.as_os_str().as_bytes().strip_suffix(b"-wal")?.to_vec();
    name.extend(b"-shm");
    Some(OsString::from_vec(name).into())
}

fn named(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("process {pid} ({})", name.trim_end())
}

/// The processes that hold a reader's mark.
fn holders(shm: &Path) -> BTreeSet<u32> {
    let Ok(inode) = fs::metadata(shm).map(|file| file.ino()) else { return BTreeSet::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
        let texts = descriptors.filter_map(|entry| fs::read_to_string(entry.path()).ok());
        texts.into_iter().any(|text| text.lines().any(|line| is_mark(line, inode)))
    })
    .collect()
}

/// `lock: 1: POSIX  ADVISORY  READ 4711 fe:00:10011092 124 124`
fn is_mark(line: &str, inode: u64) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["lock:", _, _, _, _, _, place, start, end] = words[..] else { return false };
    let Ok(start) = start.parse::<u64>() else { return false };
    // The device is printed as the file system has it, which need not be what stat says: the number is enough.
    place.rsplit(':').next().and_then(|number| number.parse().ok()) == Some(inode)
        && start <= *READERS.end()
        && end.parse::<u64>().is_ok_and(|end| end >= *READERS.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_again_at_four_times_the_size() {
        let directory = tempfile::tempdir().unwrap();
        let (mut watch, clock) = (Watch::default(), crate::clock::SystemClock::new());
        let mut told = |size| watch.look(&directory.path().join("jobs.db-wal"), size, &clock).is_some();
        assert!(!told(LARGE));
        assert!(told(LARGE + 1));
        assert!(!told(4 * LARGE));
        assert!(told(4 * LARGE + 4));
        assert!(!told(LARGE), "it has shrunk: the next time is a new one");
        assert!(told(2 * LARGE));
    }

    #[test]
    fn a_readers_mark_is_told_from_other_locks() {
        let of = |kind: &str, bytes: &str| format!("lock:\t1: {kind}  ADVISORY  READ 4711 fe:00:77 {bytes}");
        assert!(is_mark(&of("POSIX", "124 124"), 77));
        assert!(is_mark(&of("OFDLCK", "123 123"), 77));
        assert!(!is_mark(&of("POSIX", "124 124"), 78));
        assert!(!is_mark(&of("POSIX", "128 128"), 77), "the byte that every user holds");
        assert!(!is_mark(&of("FLOCK", "0 EOF"), 77));
        assert!(!is_mark("pos:\t0", 77));
    }
}
