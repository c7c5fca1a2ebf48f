//! The nouns of a job as bytes: each is put and read in one place.

use crate::codec::{Cursor, Put};
use crate::error::{Error, Result};
use crate::job::{Beside, Budget, Dedup, Errback, Failure, Instead, Log, NewJob, Payload};
use crate::plan::{Member, Node, Plan, Run};

/// Content type and body.
pub(crate) fn payload(out: &mut Vec<u8>, payload: &Payload) {
    out.maybe(payload.content_type.as_deref(), |out, text| out.text(text));
    out.bytes(&payload.body);
}

/// What went wrong.
pub(crate) fn why(out: &mut Vec<u8>, failure: &Failure) {
    out.text(&failure.error);
    out.text(&failure.message);
    out.maybe(failure.traceback.as_deref(), |out, text| out.text(text));
    out.maybe(failure.payload.as_ref(), payload);
}

/// What `payload` put.
pub(crate) fn read_payload(from: &mut Cursor<'_>) -> Result<Payload> {
    Ok(Payload { content_type: from.maybe(Cursor::text)?, body: from.bytes()?.to_vec() })
}

/// What `why` put.
pub(crate) fn read_failure(from: &mut Cursor<'_>) -> Result<Failure> {
    Ok(Failure {
        error: from.text()?,
        message: from.text()?,
        traceback: from.maybe(Cursor::text)?,
        payload: from.maybe(read_payload)?,
    })
}

/// What is said of an end beside its outcome.
pub(crate) fn beside(out: &mut Vec<u8>, beside: &Beside) {
    out.maybe(beside.budget.as_ref(), |out, budget| {
        out.u32(budget.most);
        out.i64(budget.period_us);
    });
    out.maybe(beside.queue.as_deref(), |out, queue| out.text(queue));
    out.maybe(beside.log.as_ref(), |out, log| {
        out.u32(log.dropped);
        out.bytes(&log.text);
    });
    out.maybe(beside.keep_us.as_ref(), |out, time| out.i64(*time));
    out.u32(beside.plans.len() as u32);
    beside.plans.iter().for_each(|each| plan(out, each));
    out.u32(beside.members.len() as u32);
    beside.members.iter().for_each(|job| new_job(out, job));
    out.maybe(beside.instead.as_deref(), |out, instead| {
        out.text(&instead.task);
        plan(out, &instead.plan);
    });
}

/// What `beside` put.
pub(crate) fn read_beside(from: &mut Cursor<'_>) -> Result<Box<Beside>> {
    let budget = from.maybe(|from| Ok(Budget { most: from.u32()?, period_us: from.i64()? }))?;
    let queue = from.maybe(Cursor::text)?;
    let log = from.maybe(|from| Ok(Log { dropped: from.u32()?, text: from.bytes()?.to_vec() }))?;
    Ok(Box::new(Beside {
        budget,
        queue,
        log,
        keep_us: from.maybe(Cursor::i64)?,
        plans: from.several(read_plan)?,
        members: from.several(read_new_job)?,
        instead: from.maybe(|from| Ok(Box::new(Instead { task: from.text()?, plan: read_plan(from)? })))?,
    }))
}

/// Jobs that wait for each other.
pub(crate) fn plan(out: &mut Vec<u8>, plan: &Plan) {
    out.maybe(plan.name.as_deref(), |out, name| out.text(name));
    out.u32(plan.nodes.len() as u32);
    for node in &plan.nodes {
        out.u32(node.inputs);
        out.u8(u8::from(node.list));
        out.u8(node.run as u8);
        out.u32(node.forwards.len() as u32);
        node.forwards.iter().for_each(|(to, position)| place(out, *to, *position));
    }
    out.u32(plan.jobs.len() as u32);
    for member in &plan.jobs {
        new_job(out, &member.job);
        out.maybe(member.after.as_ref(), |out, node| out.u32(*node));
        out.maybe(member.delay_us.as_ref(), |out, time| out.i64(*time));
        out.maybe(member.lifetime_us.as_ref(), |out, time| out.i64(*time));
        place(out, member.fills.0, member.fills.1);
        out.maybe(member.undo.as_deref(), new_job);
    }
}

fn place(out: &mut Vec<u8>, node: u32, position: u32) {
    out.u32(node);
    out.u32(position);
}

/// What `plan` put.
pub(crate) fn read_plan(from: &mut Cursor<'_>) -> Result<Plan> {
    let place = |from: &mut Cursor<'_>| Ok((from.u32()?, from.u32()?));
    Ok(Plan {
        name: from.maybe(Cursor::text)?,
        nodes: from.several(|from| {
            Ok(Node {
                inputs: from.u32()?,
                list: from.flag()?,
                run: match from.u8()? {
                    0 => Run::Success,
                    1 => Run::Always,
                    2 => Run::Failure,
                    other => return Err(Error::Wire(format!("unknown condition {other}"))),
                },
                forwards: from.several(place)?,
            })
        })?,
        jobs: from.several(|from| {
            Ok(Member {
                job: read_new_job(from)?,
                after: from.maybe(Cursor::u32)?,
                delay_us: from.maybe(Cursor::i64)?,
                lifetime_us: from.maybe(Cursor::i64)?,
                fills: place(from)?,
                undo: from.maybe(read_new_job)?.map(Box::new),
            })
        })?,
    })
}

/// A job to be stored.
pub(crate) fn new_job(out: &mut Vec<u8>, job: &NewJob) {
    bare(out, job);
    errbacks(out, &job.errbacks);
}

/// What `new_job` put.
pub(crate) fn read_new_job(from: &mut Cursor<'_>) -> Result<NewJob> {
    let job = read_bare(from)?;
    Ok(NewJob { errbacks: read_errbacks(from)?, ..job })
}

/// The errbacks of a job. One that has some itself loses them: no depth, so no sender can ask for a deep one.
pub(crate) fn errbacks(out: &mut Vec<u8>, errbacks: &[Errback]) {
    out.u32(errbacks.len() as u32);
    for errback in errbacks {
        out.maybe(errback.delay_us.as_ref(), |out, time| out.i64(*time));
        bare(out, &errback.job);
    }
}

/// What `errbacks` put.
pub(crate) fn read_errbacks(from: &mut Cursor<'_>) -> Result<Vec<Errback>> {
    from.several(|from| Ok(Errback { delay_us: from.maybe(Cursor::i64)?, job: read_bare(from)? }))
}

fn bare(out: &mut Vec<u8>, job: &NewJob) {
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

fn read_bare(from: &mut Cursor<'_>) -> Result<NewJob> {
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
        errbacks: Vec::new(),
    })
}
