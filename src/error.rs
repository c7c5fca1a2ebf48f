//! The one error of the core. Each variant says what happened and what to do about it.

use std::path::PathBuf;

/// A result of the core.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. `src/python/exceptions.rs` maps each variant to one Python exception.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A write came with a token that no longer covers the job.
    #[error(
        "the lease on job {job} is lost: its time ran out or the job was taken back; nothing was written"
    )]
    LeaseLost {
        /// The public id of the job.
        job: String,
    },
    /// A worker that was taken for dead asked for jobs.
    #[error(
        "worker {worker} was taken for dead and its jobs were given to others: join again under a new id"
    )]
    Fenced {
        /// The worker's id.
        worker: i64,
    },
    /// An argument of a call can't be stored.
    #[error("{0}")]
    Invalid(String),
    /// A dedup key is taken and the caller wanted it for itself.
    #[error(
        "job {id} has this dedup key already: nothing was stored; wait for it, cancel it, or enqueue with dedup=\"return\" or \"replace\""
    )]
    Duplicate {
        /// The public id of the job that has the key.
        id: String,
    },
    /// Two jobs of one call have the same dedup key, and the later wanted it for itself.
    #[error(
        "the dedup key {key:?} stands twice in this call: nothing was stored; leave one of the two out, or enqueue with dedup=\"return\" or \"replace\""
    )]
    KeyTwice {
        /// The key.
        key: String,
    },
    /// Another has opened this producer since.
    #[error(
        "the producer {name:?} was opened again by somebody else: nothing was stored; only the newest may send, open it anew to take over"
    )]
    ProducerFenced {
        /// The producer's name.
        name: String,
    },
    /// A producer has left something out.
    #[error(
        "the producer {name:?} sent number {sent} and number {expected} is next: nothing was stored; send what is missing first"
    )]
    OutOfSequence {
        /// The producer's name.
        name: String,
        /// What would be next.
        expected: i64,
        /// What came.
        sent: i64,
    },
    /// The file can't be used as a queue; it was left unchanged.
    #[error("{path}: {reason}", path = path.display())]
    Refused {
        /// The database file.
        path: PathBuf,
        /// What is wrong and what to do, as one sentence.
        reason: String,
    },
    /// No room for the write; nothing of it was stored.
    #[error(
        "the disk (or the size limit of the database) is full: nothing was stored; free some space and call again ({0})"
    )]
    Full(String),
    /// The write lock was not to be had in time.
    #[error(
        "another connection held the write lock for {waited_ms} ms: nothing was stored; look for a long transaction on this file and call again"
    )]
    Busy {
        /// How long the call waited, in milliseconds.
        waited_ms: u64,
    },
    /// The system refused to read or write.
    #[error(
        "the database could not be read or written ({0}): look at the disk, its mount and the system's log, then call again"
    )]
    Io(String),
    /// The file is damaged.
    #[error(
        "the database is damaged ({0}): stop the workers, keep the file, restore a backup or run SQLite's .recover"
    )]
    Corrupt(String),
    /// A system call failed.
    #[error("{call} failed: {source}")]
    System {
        /// The call, for example `mmap`.
        call: &'static str,
        /// What the system answered.
        source: rustix::io::Errno,
    },
    /// The wait ended before its time because a signal arrived.
    #[error("interrupted by a signal")]
    Interrupted,
    /// A frame between supervisor and child can't be read.
    #[error(
        "a frame between worker and child can't be read ({0}): worker and child run different versions of pyqueue, restart the worker"
    )]
    Wire(String),
    /// SQLite answered something that has no meaning of its own here.
    #[error("SQLite: {0}")]
    Sqlite(String),
}

impl Error {
    /// An `Invalid` from anything printable.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::Invalid(message.into())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, FileLockingProtocolFailed, NotADatabase,
            SystemIoFailure,
        };
        let text = error.to_string();
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
        if matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..))
        {
            // Our tables are STRICT and checked: such a value was not written by us.
            return Error::Corrupt(text);
        }
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(DiskFull) => Error::Full(text),
            Some(DatabaseBusy) => Error::Busy { waited_ms: 0 },
            // After 10 s in which it could not begin to read, because a process was stopped while it recovered the WAL.
            Some(FileLockingProtocolFailed) => Error::Busy { waited_ms: 10_000 },
            // The `-shm` is written to only where it grows.
            Some(SystemIoFailure) if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
                Error::Full(text)
            }
            Some(SystemIoFailure | CannotOpen) => Error::Io(text),
            Some(DatabaseCorrupt | NotADatabase) => Error::Corrupt(text),
            _ => Error::Sqlite(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::Error;

    fn of(code: i32) -> Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn whoever_was_in_the_way_counts_as_busy_whatever_sqlite_calls_it() {
        for code in
            [ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_RECOVERY, ffi::SQLITE_BUSY_SNAPSHOT, ffi::SQLITE_PROTOCOL]
        {
            assert!(matches!(of(code), Error::Busy { .. }), "{code}");
        }
        assert!(matches!(of(ffi::SQLITE_ERROR), Error::Sqlite(_)));
    }
}
