//! The frames between supervisor and child, written by hand: little-endian, length first, payload bytes
//! untouched. A frame that can't be read is an error, never a panic and never a large allocation.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::codec::{Cursor, Put};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::{Beside, ClaimedJob, NewJob, Outcome, Usage};
use crate::nouns::{beside, new_job, payload, read_beside, read_failure, read_new_job, read_payload, why};

/// The version of the frames; both ends must have the same.
pub const VERSION: u32 = 4;
/// More than any frame that `Jobs` or `Outcomes` make.
const LARGEST: usize = i32::MAX as usize;
const READ_BYTES: usize = 64 * 1024;

const HELLO: u8 = 1;
const READY: u8 = 2;
const FAILED: u8 = 3;
const JOBS: u8 = 4;
const OUTCOMES: u8 = 5;

/// A job as a frame offers it: where on the page, and under which stamp.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Its entry on the page.
    pub index: u32,
    /// The stamp of the offer.
    pub stamp: u64,
    /// The job.
    pub job: ClaimedJob,
}

/// The end of an offered job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its entry on the page.
    pub index: u32,
    /// The stamp of the offer.
    pub stamp: u64,
    /// The row.
    pub row: RowId,
    /// The token of the lease.
    pub token: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Boot time (µs).
    pub started_us: i64,
    /// Boot time (µs).
    pub ended_us: i64,
    /// What it used, if that was measured.
    pub usage: Option<Usage>,
    /// Jobs to be stored if the job has ended with this attempt.
    pub then: Vec<NewJob>,
    /// What is said beside the outcome.
    pub beside: Option<Box<Beside>>,
}

/// A frame that was read.
#[derive(Debug)]
pub enum Frame {
    /// A child's first word.
    Hello {
        /// Its version of the frames.
        version: u32,
        /// Its process.
        pid: u32,
    },
    /// Jobs may come, of these tasks; none named is all.
    Ready(Vec<String>),
    /// The child can't start.
    Failed(String),
    /// Jobs to run.
    Jobs(Vec<Offered>),
    /// Ends of jobs.
    Outcomes(Vec<Ended>),
}

/// A frame with several entries, in the making.
pub struct Batch {
    bytes: Vec<u8>,
    start: usize,
    count: u32,
}

impl Batch {
    /// Continues `bytes` with a frame of jobs.
    pub fn jobs(bytes: Vec<u8>) -> Batch {
        Batch::open(bytes, JOBS)
    }

    /// Continues `bytes` with a frame of outcomes.
    pub fn outcomes(bytes: Vec<u8>) -> Batch {
        Batch::open(bytes, OUTCOMES)
    }

    fn open(mut bytes: Vec<u8>, kind: u8) -> Batch {
        let start = bytes.len();
        bytes.u32(0);
        bytes.u8(kind);
        bytes.u32(0);
        Batch { bytes, start, count: 0 }
    }

    /// Adds a job.
    pub fn job(&mut self, index: u32, stamp: u64, job: &ClaimedJob) {
        let out = &mut self.bytes;
        out.u32(index);
        out.u64(stamp);
        out.i64(job.row.0);
        out.i64(job.token);
        out.text(&job.id);
        out.text(&job.task);
        payload(out, &job.payload);
        out.text(&job.queue);
        out.u8(job.priority as u8);
        out.u32(job.attempt);
        out.u32(job.retries);
        out.maybe(job.time_limit_us.as_ref(), |out, time| out.i64(*time));
        out.maybe(job.soft_time_limit_us.as_ref(), |out, time| out.i64(*time));
        out.i64(job.enqueued_us);
        self.count += 1;
    }

    /// Adds an outcome; its bytes.
    pub fn outcome(&mut self, ended: &Ended) -> &[u8] {
        let before = self.bytes.len();
        let out = &mut self.bytes;
        out.u32(ended.index);
        out.u64(ended.stamp);
        out.i64(ended.row.0);
        out.i64(ended.token);
        out.i64(ended.started_us);
        out.i64(ended.ended_us);
        out.maybe(ended.usage.as_ref(), |out, usage| {
            out.maybe(usage.cpu_us.as_ref(), |out, time| out.i64(*time));
            out.i64(usage.peak);
            out.i64(usage.resident);
        });
        match &ended.outcome {
            Outcome::Success(result) => {
                out.u8(0);
                out.maybe(result.as_ref(), payload);
            }
            Outcome::Failure(failure) => {
                out.u8(1);
                why(out, failure);
            }
            Outcome::Retry { delay_us, payload: anew, failure } => {
                out.u8(2);
                out.i64(*delay_us);
                out.maybe(anew.as_ref(), payload);
                why(out, failure);
            }
            Outcome::Lost { reason, charged } => {
                out.u8(3);
                out.text(reason);
                out.u8(u8::from(*charged));
            }
            Outcome::GivenBack => out.u8(4),
        }
        out.u32(ended.then.len() as u32);
        ended.then.iter().for_each(|job| new_job(out, job));
        out.maybe(ended.beside.as_deref(), beside);
        self.count += 1;
        &self.bytes[before..]
    }

    /// How many entries it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many bytes it has so far.
    pub fn size(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Closes the frame. All that was put in is below 2 GiB, or nothing is sent.
    pub fn close(mut self) -> Result<Vec<u8>> {
        let length = self.size() - 4;
        if length > LARGEST {
            return Err(Error::Wire(format!("a frame of {length} bytes is too large")));
        }
        let count = self.count.to_le_bytes();
        self.bytes[self.start..self.start + 4].copy_from_slice(&(length as u32).to_le_bytes());
        self.bytes[self.start + 5..self.start + 9].copy_from_slice(&count);
        Ok(self.bytes)
    }
}

fn small(kind: u8, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    bytes.u32(0);
    bytes.u8(kind);
    body(&mut bytes);
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// A child's first word.
pub fn hello(version: u32, pid: u32) -> Vec<u8> {
    small(HELLO, |bytes| {
        bytes.u32(version);
        bytes.u32(pid);
    })
}

/// Jobs may come, of these tasks.
pub fn ready(tasks: &[String]) -> Vec<u8> {
    small(READY, |bytes| {
        bytes.u32(tasks.len() as u32);
        tasks.iter().for_each(|task| bytes.text(task));
    })
}

/// The child can't start.
pub fn failed(text: &str) -> Vec<u8> {
    let cut = (0..=text.len().min(64 * 1024)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    small(FAILED, |bytes| bytes.text(&text[..cut]))
}

fn read_job(from: &mut Cursor<'_>) -> Result<Offered> {
    let (index, stamp) = (from.u32()?, from.u64()?);
    let (row, token) = (RowId(from.i64()?), from.i64()?);
    let job = ClaimedJob {
        row,
        token,
        id: from.text()?,
        task: from.text()?,
        payload: read_payload(from)?,
        queue: from.text()?,
        priority: from.u8()? as i8,
        attempt: from.u32()?,
        retries: from.u32()?,
        time_limit_us: from.maybe(Cursor::i64)?,
        soft_time_limit_us: from.maybe(Cursor::i64)?,
        enqueued_us: from.i64()?,
    };
    Ok(Offered { index, stamp, job })
}

fn read_outcome(from: &mut Cursor<'_>) -> Result<Outcome> {
    Ok(match from.u8()? {
        0 => Outcome::Success(from.maybe(read_payload)?),
        1 => Outcome::Failure(read_failure(from)?),
        2 => Outcome::Retry {
            delay_us: from.i64()?,
            payload: from.maybe(read_payload)?,
            failure: read_failure(from)?,
        },
        3 => Outcome::Lost { reason: from.text()?, charged: from.flag()? },
        4 => Outcome::GivenBack,
        other => return Err(Error::Wire(format!("unknown outcome {other}"))),
    })
}

fn read_ended(from: &mut Cursor<'_>) -> Result<Ended> {
    let (index, stamp) = (from.u32()?, from.u64()?);
    let (row, token) = (RowId(from.i64()?), from.i64()?);
    let (started_us, ended_us) = (from.i64()?, from.i64()?);
    let usage = from.maybe(|from| {
        Ok(Usage { cpu_us: from.maybe(Cursor::i64)?, peak: from.i64()?, resident: from.i64()? })
    })?;
    let outcome = read_outcome(from)?;
    let then = from.several(read_new_job)?;
    let beside = from.maybe(read_beside)?;
    Ok(Ended { index, stamp, row, token, outcome, started_us, ended_us, usage, then, beside })
}

/// Reads outcomes that stand without a frame around them.
pub fn outcomes(count: u32, bytes: &[u8]) -> Result<Vec<Ended>> {
    let mut from = Cursor::new(bytes);
    (0..count).map(|_| read_ended(&mut from)).collect()
}

/// Reads the inside of a frame.
fn decode(bytes: &[u8]) -> Result<Frame> {
    let mut from = Cursor::new(bytes);
    let frame = match from.u8()? {
        HELLO => Frame::Hello { version: from.u32()?, pid: from.u32()? },
        READY => Frame::Ready(from.several(Cursor::text)?),
        FAILED => Frame::Failed(from.text()?),
        JOBS => Frame::Jobs(from.several(read_job)?),
        OUTCOMES => Frame::Outcomes(from.several(read_ended)?),
        other => return Err(Error::Wire(format!("unknown kind {other}"))),
    };
    // A hello of a later version may say more; its version decides.
    if !matches!(frame, Frame::Hello { .. }) && !from.is_empty() {
        return Err(Error::Wire("bytes left over".into()));
    }
    Ok(frame)
}

/// Bytes that came in, cut into frames.
#[derive(Default)]
pub struct Inbound {
    bytes: Vec<u8>,
    from: usize,
}

impl Inbound {
    /// Reads what a socket has; 0 is the end.
    pub fn read(&mut self, socket: impl AsFd, flags: RecvFlags) -> std::result::Result<usize, Errno> {
        if self.from == self.bytes.len() {
            self.bytes.clear();
            // One large frame does not hold its memory for ever.
            self.bytes.shrink_to(16 * READ_BYTES);
            self.from = 0;
        } else if self.from > READ_BYTES {
            self.bytes.drain(..self.from);
            self.from = 0;
        }
        self.bytes.reserve(READ_BYTES);
        let (_, count) = rustix::net::recv(socket, rustix::buffer::spare_capacity(&mut self.bytes), flags)?;
        Ok(count)
    }

    /// The next whole frame.
    pub fn frame(&mut self) -> Result<Option<Frame>> {
        let waiting = &self.bytes[self.from..];
        let Some(length) = waiting.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > LARGEST {
            return Err(Error::Wire(format!("a length of {length} bytes")));
        }
        let Some(body) = waiting.get(4..4 + length) else { return Ok(None) };
        let frame = decode(body)?;
        self.from += 4 + length;
        Ok(Some(frame))
    }
}

/// Sends what the socket takes; `Ok(0)` when it is full. A gone peer is an error and no signal.
pub fn send(socket: impl AsFd, bytes: &[u8], flags: SendFlags) -> std::result::Result<usize, Errno> {
    match rustix::net::send(socket, bytes, flags | SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => Ok(0),
        other => other,
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
