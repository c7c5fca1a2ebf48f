use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::error::Error;

fn refused(path: &Path, why: &str) {
    let before = fs::read(path).ok();
    match open(path).err() {
        Some(Error::Refused { reason, .. }) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{path:?}: {other:?}"),
    }
    assert_eq!(fs::read(path).ok(), before);
}

#[test]
fn files_that_cannot_be_a_queue_are_left_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    refused(&at("none/q.db"), "create it first");
    refused(directory.path(), "directory");
    fs::write(at("empty.db"), "").unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(at("empty.db")).unwrap().set_modified(long_ago).unwrap();
    refused(&at("empty.db"), "empty");
    fs::write(at("text.db"), "no database, but long enough to be one".repeat(40)).unwrap();
    refused(&at("text.db"), "not a SQLite database");
    fs::write(at("short.db"), "SQLite format 3\0").unwrap();
    refused(&at("short.db"), "not a SQLite database");
    refused(&at("q.db-wal"), "side file");
    symlink(at("nowhere"), at("dangling")).unwrap();
    refused(&at("dangling"), "leads to nothing");
    drop(open(&at("good.db")).unwrap());
    fs::hard_link(at("good.db"), at("link.db")).unwrap();
    refused(&at("good.db"), "hard link");
    refused(Path::new("/dev/null"), "device");
    refused(Path::new("/proc/q.db"), "");
    // The probe of the locks and the attempts themselves leave nothing behind.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 6);
}

#[test]
fn a_symbolic_link_leads_to_the_file_and_new_files_are_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let first = open(&path).unwrap();
    put(&first, Durability::Full, 1).unwrap();
    for end in ["", "-wal", "-shm"] {
        let mode = fs::metadata(format!("{}{end}", path.display())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{end}");
    }
    let link = directory.path().join("link.db");
    symlink(&path, &link).unwrap();
    let second = open(&link).unwrap();
    assert_eq!(second.path(), first.path());
    assert_eq!(second.read(count).unwrap(), 1);
}

#[test]
fn an_empty_file_may_be_embedded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    fs::write(&path, "").unwrap();
    let numbers = Numbers::open(
        &path,
        true,
        &Env::system(),
        |_, created| {
            assert!(!created);
            Ok(())
        },
        prepare,
    );
    put(&numbers.unwrap(), Durability::Full, 1).unwrap();
}

#[test]
fn who_is_not_admitted_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let no = |_: &Connection, _| Err(Error::invalid("not mine"));
    // A new file is removed again, with what lay beside it.
    assert!(Numbers::open(&path, false, &Env::system(), no, prepare).is_err());
    let fails = |_: &mut Tx<'_, Count>| Err(Error::invalid("no"));
    assert!(Numbers::open(&path, false, &Env::system(), |_, _| Ok(()), fails).is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    // A file in rollback mode, and one whose last user died and left a log.
    for mode in ["DELETE", "WAL"] {
        let path = directory.path().join(mode);
        let host = Other::open(&directory.path().join("host"));
        host.run(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE host{mode}(x)"));
        fs::copy(directory.path().join("host"), &path).unwrap();
        let log = |path: &Path| format!("{}-wal", path.display());
        let _ = fs::copy(log(&directory.path().join("host")), log(&path));
        let bytes = |path: &Path| (fs::read(path).unwrap(), fs::read(log(path)).ok());
        let before = bytes(&path);
        assert_eq!(before.1.is_some(), mode == "WAL");
        let ask = |conn: &Connection, _| {
            let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            assert!(tables > 0);
            Err(Error::invalid("not mine"))
        };
        assert!(Numbers::open(&path, true, &Env::system(), ask, prepare).is_err());
        assert_eq!(bytes(&path), before);
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
    }
}
