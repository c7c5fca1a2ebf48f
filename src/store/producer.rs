//! Idempotent producers (Kafka's: name, epoch, sequence). Who opens one fences whoever had it before; each send carries
//! a sequence number, so that a repeated one stores nothing and a gap is refused.

use rusqlite::{OptionalExtension, params};

use super::change::Change;
use super::{Store, enqueue};
use crate::error::{Error, Result};
use crate::job::{Enqueued, NewJob};
use crate::mutants::{self, Mutant};

/// How far a producer has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Of the one who has opened it last.
    pub epoch: i64,
    /// The last sequence number that was stored; 0 is none.
    pub sequence: i64,
    /// What the sender noted with it: where in its source it is.
    pub position: Option<Vec<u8>>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The producer's name.
    pub name: String,
    /// The epoch that `open` gave.
    pub epoch: i64,
    /// The sequence number of the first job; the others follow it. From 1.
    pub first: i64,
    /// The jobs, each with an id of its own that follows from name and sequence number.
    pub jobs: Vec<NewJob>,
    /// Noted if anything new is stored; `None` leaves what is noted.
    pub position: Option<Vec<u8>>,
}

impl Store {
    /// Opens a producer and fences whoever had it.
    pub fn open_producer(&self, name: &str) -> Result<Producer> {
        let name = name.to_owned();
        self.keep(self.options.durability, move |change| open(change, &name))
    }

    /// Stores what is new of it, all or none; `ProducerFenced`, `OutOfSequence`.
    pub fn send(&self, send: Parcel) -> Result<Vec<Enqueued>> {
        for job in &send.jobs {
            enqueue::check(job)?;
            enqueue::check_size(job, self.options.max_body)?;
        }
        self.take_in(move |change| send_all(change, send))
    }
}

fn read(change: &Change, name: &str) -> Result<Option<Producer>> {
    Ok(change
        .conn
        .prepare_cached("SELECT epoch, sequence, position FROM pyqueue_producer WHERE name=?")?
        .query_row([name], |row| {
            Ok(Producer { epoch: row.get(0)?, sequence: row.get(1)?, position: row.get(2)? })
        })
        .optional()?)
}

/// Opens one, and fences whoever had it.
pub fn open(change: &mut Change, name: &str) -> Result<Producer> {
    enqueue::name("producer's name", name)?;
    let known = read(change, name)?;
    let known = known.unwrap_or(Producer { epoch: 0, sequence: 0, position: None });
    let opened = Producer { epoch: known.epoch + 1, ..known };
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_producer(name, epoch, sequence, position) VALUES(?1, ?2, ?3, NULL) \
             ON CONFLICT(name) DO UPDATE SET epoch=?2",
        )?
        .execute(params![name, opened.epoch, opened.sequence])?;
    Ok(opened)
}

/// Stores what is new of it, all or none.
fn send_all(change: &mut Change, send: Parcel) -> Result<Vec<Enqueued>> {
    if send.first < 1 {
        // Below the first number everything would be taken for a repetition, and never be stored.
        return Err(Error::invalid(format!(
            "a producer's sequence numbers begin with 1, not {}",
            send.first
        )));
    }
    let Some(known) = read(change, &send.name)?.filter(|known| known.epoch == send.epoch || unfenced())
    else {
        return Err(Error::ProducerFenced { name: send.name });
    };
    if send.first > known.sequence + 1 {
        return Err(Error::OutOfSequence { name: send.name, expected: known.sequence + 1, sent: send.first });
    }
    let last = send.first + send.jobs.len() as i64 - 1;
    let mut jobs = send.jobs;
    let repeated = usize::try_from(known.sequence - send.first + 1).unwrap_or_default().min(jobs.len());
    let fresh = if mutants::on(Mutant::SequenceIgnored) {
        std::mem::take(&mut jobs)
    } else {
        jobs.split_off(repeated)
    };
    let mut answers: Vec<Enqueued> =
        jobs.into_iter().map(|job| Enqueued { id: job.alias.unwrap_or_default(), created: false }).collect();
    answers.extend(enqueue::all(change, fresh)?);
    if last > known.sequence {
        // A sender that says nothing of its place is where it was.
        change
            .conn
            .prepare_cached(
                "UPDATE pyqueue_producer SET sequence=?2, position=ifnull(?3, position) WHERE name=?1",
            )?
            .execute(params![send.name, last, send.position])?;
    }
    Ok(answers)
}

fn unfenced() -> bool {
    mutants::on(Mutant::ProducerUnfenced)
}
