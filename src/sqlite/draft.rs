//! A new database file appears under its name whole, with a first page that says whose it is. An empty file there
//! could not be told from one that lost its content; a process that dies while it makes the file leaves none such.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::mutants::{self, Mutant};

/// "pyqu", in files that we made ourselves.
pub const APPLICATION_ID: u32 = 0x7079_7175;

const PAGE: u16 = 4096;

/// Puts a database without a table at `path` (mode 0600), which must not exist. `name` is taken by nothing else
/// in the directory.
pub(super) fn publish(path: &Path, name: &str) -> io::Result<()> {
    let draft = path.with_file_name(name);
    let made = write(&draft).and_then(|()| {
        let renamed = renameat_with(CWD, &draft, CWD, path, RenameFlags::NOREPLACE);
        match renamed {
            // A file system without that call: not whole at once, and yet never over another file.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => write(path),
            renamed => Ok(renamed?),
        }
    });
    let _ = fs::remove_file(&draft);
    made
}

/// Closed again before it has its name: while the application may have the file open, closing would drop its locks.
fn write(path: &Path) -> io::Result<()> {
    let mode = if mutants::on(Mutant::FileForAll) { 0o644 } else { 0o600 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(&first_page())?;
    match file.sync_all() {
        // A file system on which nothing lasts has nothing to sync.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// The database file format, sections 1.3 and 1.6: a header, and the empty root of the schema.
pub(super) fn first_page() -> Vec<u8> {
    let mut page = vec![0; usize::from(PAGE)];
    let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"SQLite format 3\0");
    put(16, &PAGE.to_be_bytes());
    // Versions for writing and reading (a rollback journal, as in any new file), then fixed fractions.
    put(18, &[1, 1, 0, 64, 32, 32]);
    let changes = 1_u32.to_be_bytes();
    put(24, &changes);
    put(28, &1_u32.to_be_bytes()); // pages
    put(44, &4_u32.to_be_bytes()); // format of the schema
    put(56, &1_u32.to_be_bytes()); // UTF-8
    put(68, &APPLICATION_ID.to_be_bytes());
    put(92, &changes);
    put(96, &rusqlite::version_number().to_be_bytes());
    // A leaf of a table without a cell; its content begins at the end.
    put(100, &[13, 0, 0, 0, 0]);
    put(105, &PAGE.to_be_bytes());
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{fork, syscalls};
    use rusqlite::Connection;

    #[test]
    fn the_first_page_is_an_empty_database_of_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.db");
        publish(&path, ".draft").unwrap();
        // As in the product: no lock may have been taken through the system calls that another test replaces.
        let _gate = fork::enter();
        syscalls::install();
        let conn = Connection::open(&path).unwrap();
        // Tests beside this one fork, and their children hold our locks for a moment.
        conn.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let ask = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(ask("PRAGMA application_id"), i64::from(APPLICATION_ID));
        assert_eq!((ask("PRAGMA page_count"), ask("SELECT count(*) FROM sqlite_schema")), (1, 0));
        conn.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(7)").unwrap();
        assert_eq!(ask("SELECT a FROM t"), 7);
        let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }

    #[test]
    fn a_file_that_is_there_stays_and_no_draft_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.db");
        fs::write(&path, "mine").unwrap();
        assert_eq!(publish(&path, ".draft").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
