//! The nouns of a job inside a frame: each is put and read in one place.

use super::codec::{Cursor, Put};
use crate::error::{Error, Result};
use crate::job::{Dedup, Failure, NewJob, Payload};

/// Content type and body.
pub(super) fn payload(out: &mut Vec<u8>, payload: &Payload) {
    out.maybe(payload.content_type.as_deref(), |out, text| out.text(text));
    out.bytes(&payload.body);
}

/// What went wrong.
pub(super) fn why(out: &mut Vec<u8>, failure: &Failure) {
    out.text(&failure.error);
    out.text(&failure.message);
    out.maybe(failure.traceback.as_deref(), |out, text| out.text(text));
    out.maybe(failure.payload.as_ref(), payload);
}

/// What `payload` put.
pub(super) fn read_payload(from: &mut Cursor<'_>) -> Result<Payload> {
    Ok(Payload { content_type: from.maybe(Cursor::text)?, body: from.bytes()?.to_vec() })
}

/// What `why` put.
pub(super) fn read_failure(from: &mut Cursor<'_>) -> Result<Failure> {
    Ok(Failure {
        error: from.text()?,
        message: from.text()?,
        traceback: from.maybe(Cursor::text)?,
        payload: from.maybe(read_payload)?,
    })
}

/// A job to be stored.
pub(super) fn new_job(out: &mut Vec<u8>, job: &NewJob) {
    out.text(&job.task);
    payload(out, &job.payload);
    out.text(&job.queue);
    out.u8(job.priority as u8);
    out.maybe(job.dedup_key.as_deref(), |out, key| out.text(key));
    out.u8(match job.dedup {
        Dedup::Return => 0,
        Dedup::Refuse => 1,
        Dedup::Replace => 2,
    });
    out.maybe(job.alias.as_deref(), |out, alias| out.text(alias));
    out.u32(job.max_losses);
    let times =
        [job.run_at_us, job.expires_us, job.dedup_window_us, job.time_limit_us, job.soft_time_limit_us];
    times.iter().for_each(|time| out.maybe(time.as_ref(), |out, time| out.i64(*time)));
}

/// What `new_job` put.
pub(super) fn read_new_job(from: &mut Cursor<'_>) -> Result<NewJob> {
    Ok(NewJob {
        task: from.text()?,
        payload: read_payload(from)?,
        queue: from.text()?,
        priority: from.u8()? as i8,
        dedup_key: from.maybe(Cursor::text)?,
        dedup: match from.u8()? {
            0 => Dedup::Return,
            1 => Dedup::Refuse,
            2 => Dedup::Replace,
            other => return Err(Error::Wire(format!("unknown dedup {other}"))),
        },
        alias: from.maybe(Cursor::text)?,
        max_losses: from.u32()?,
        run_at_us: from.maybe(Cursor::i64)?,
        expires_us: from.maybe(Cursor::i64)?,
        dedup_window_us: from.maybe(Cursor::i64)?,
        time_limit_us: from.maybe(Cursor::i64)?,
        soft_time_limit_us: from.maybe(Cursor::i64)?,
    })
}
