//! What the file says, read by nobody's process: no other gets a turn meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pyqueue_core::id::{PublicId, RowId};
use pyqueue_core::job::State;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row};

use crate::model::{CommandRow, GateRow, Place, Reply, Standing};
use crate::vfs::{self, Caller, Disk, Kind, NOBODY};

/// A job that has not ended.
pub struct There {
    pub place: Place,
    /// Its place in the order, where the file says it; else 0.
    pub at: i64,
    pub counters: (u32, u32, u32),
    pub id: String,
}

pub struct Seen {
    pub jobs: BTreeMap<i64, There>,
    /// How a job ended, and whether it was forgotten.
    pub ends: BTreeMap<i64, (State, bool)>,
    pub keys: BTreeMap<(i64, String), (i64, Option<i64>)>,
    pub aliases: BTreeMap<String, i64>,
    pub workers: BTreeSet<i64>,
    pub token: i64,
    pub queues: Vec<String>,
    pub gates: Vec<GateRow>,
    pub commands: Vec<CommandRow>,
    /// What each addressee has come to, and said.
    pub replies: BTreeMap<(i64, i64), Reply>,
    pub obeys: BTreeSet<i64>,
    pub inbox: Vec<String>,
    pub receipts: BTreeMap<i64, i64>,
    /// When each is asked about next, how often it was, and the pause.
    pub halves: BTreeMap<i64, (Option<i64>, i64, i64)>,
    pub producers: BTreeMap<String, (i64, i64, Option<Vec<u8>>)>,
    pub schedules: BTreeMap<String, Standing>,
    pub turns: BTreeMap<String, i64>,
    /// Attempts that are to end: the token, and whether the job comes back.
    pub revoked: BTreeMap<i64, (i64, bool)>,
    /// Inputs that are not filled, failed and skipped ones, of each node.
    pub nodes: BTreeMap<i64, (i64, i64, i64)>,
    pub newer: bool,
    /// Rows that break an invariant of the schema.
    pub unsound: i64,
}

const JOBS: &str = "SELECT j.id, j.nonce, j.alias, j.attempts, j.retries, j.losses, s.place, s.k, s.at, l.token, l.owner, \
    l.deadline, (SELECT value FROM pyqueue_meta WHERE name='file_id') \
    FROM pyqueue_job j LEFT JOIN pyqueue_side s ON s.id=j.id \
    LEFT JOIN pyqueue_lease l ON l.first=(SELECT max(first) FROM pyqueue_lease WHERE first<=j.id) AND l.last>=j.id WHERE j.mark<>2";

const UNSOUND: &str = "SELECT \
    (SELECT count(*) FROM pyqueue_lease l WHERE l.jobs <> (SELECT count(*) FROM pyqueue_job j WHERE j.id BETWEEN l.first AND l.last)) \
  + (SELECT count(*) FROM pyqueue_lease a JOIN pyqueue_lease b ON a.first < b.first AND b.first <= a.last) \
  + (SELECT count(*) FROM pyqueue_side s JOIN pyqueue_lease l ON s.id BETWEEN l.first AND l.last) \
  + (SELECT count(*) FROM pyqueue_side s WHERE NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=s.id)) \
  + (SELECT count(*) FROM pyqueue_job j WHERE mark=0 AND id<=ifnull((SELECT pos FROM pyqueue_head WHERE band=id>>43),0) \
      AND NOT EXISTS(SELECT 1 FROM pyqueue_side s WHERE s.id=j.id) \
      AND NOT EXISTS(SELECT 1 FROM pyqueue_lease l WHERE j.id BETWEEN l.first AND l.last)) \
  + (SELECT count(*) FROM pyqueue_gate g WHERE g.waiting <> (SELECT count(*) FROM pyqueue_side s WHERE s.place=2 AND s.k=g.id)) \
  + (SELECT count(*) FROM pyqueue_head h WHERE band>0 AND (again <> (SELECT count(*) FROM pyqueue_side s WHERE s.place=1 AND s.at>>43=band) \
      OR parked <> (SELECT count(*) FROM pyqueue_side s WHERE s.place=2 AND s.at>>43=band) \
      OR held <> (SELECT count(*) FROM pyqueue_side s WHERE s.place=5 AND s.at>>43=band) \
      OR later <> (SELECT count(*) FROM pyqueue_side s WHERE s.place=3 AND s.at>>43=band) \
      OR spoken <> (SELECT count(*) FROM pyqueue_job j WHERE j.mark>0 AND j.id>h.pos AND j.id>>43=band))) \
  + (SELECT ifnull((SELECT pos FROM pyqueue_head WHERE band=-5), 0) <> ifnull((SELECT sum(octet_length(text)) FROM pyqueue_log), 0)) \
  + (SELECT count(*) FROM pyqueue_log g WHERE NOT EXISTS(SELECT 1 FROM pyqueue_history h WHERE h.job=g.job AND h.token=g.token)) \
  + (SELECT count(*) FROM pyqueue_input i WHERE i.state IS NULL AND NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=i.job AND j.fills=i.id) \
      AND NOT EXISTS(SELECT 1 FROM pyqueue_node n WHERE n.id=i.source AND n.waits>=0)) \
  + (SELECT count(*) FROM pyqueue_side s WHERE s.place=5 AND NOT EXISTS(SELECT 1 FROM pyqueue_node n WHERE n.id=s.k AND n.waits>=0)) \
  + (SELECT count(*) FROM pyqueue_progress p WHERE NOT EXISTS(SELECT 1 FROM pyqueue_lease l WHERE p.id BETWEEN l.first AND l.last AND l.token=p.token))";

/// In the order of their codes in the history.
const STATES: [State; 5] = [State::Success, State::Failed, State::Dead, State::Cancelled, State::Expired];

struct Nobody;

impl Caller for Nobody {
    fn process(&self) -> u32 {
        NOBODY
    }

    fn before(&self, _: Kind, _: &str) {}
}

/// Reads everything; `None` if somebody is in the way.
pub fn look(disk: &Disk) -> Option<Seen> {
    let before = vfs::enter(Some(Arc::new(Nobody)));
    let seen = read(disk);
    vfs::enter(before);
    seen.ok()
}

fn read(disk: &Disk) -> rusqlite::Result<Seen> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags_and_vfs(disk.path("jobs.db"), flags, c"simulation")?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.execute_batch("BEGIN")?;
    Ok(Seen {
        jobs: all(&conn, JOBS, |row| Ok((row.get(0)?, there(row)?)))?,
        ends: all(
            &conn,
            "SELECT job, state, nonce<0 FROM pyqueue_history WHERE state IS NOT NULL ORDER BY seq",
            |row| Ok((row.get(0)?, (STATES[row.get::<_, usize>(1)?], row.get(2)?))),
        )?,
        keys: all(&conn, "SELECT queue, key, id, until FROM pyqueue_dedup", |row| {
            Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)))
        })?,
        aliases: all(&conn, "SELECT name, id FROM pyqueue_alias", |row| Ok((row.get(0)?, row.get(1)?)))?,
        workers: all(&conn, "SELECT id FROM pyqueue_owner WHERE pid<>0", |row| row.get(0))?,
        token: conn
            .query_row("SELECT ifnull(max(pos), 0) FROM pyqueue_head WHERE band=-1", [], |row| row.get(0))?,
        queues: all(&conn, "SELECT name FROM pyqueue_queue ORDER BY num", |row| row.get(0))?,
        gates: all(
            &conn,
            "SELECT kind='lack', scope, name, shut, rate, turn FROM pyqueue_gate ORDER BY id",
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
        )?,
        commands: all(&conn, "SELECT asks, clock, deadline FROM pyqueue_command ORDER BY id", |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?,
        replies: all(&conn, "SELECT command, owner, state, body FROM pyqueue_reply", |row| {
            Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)))
        })?,
        obeys: all(&conn, "SELECT id FROM pyqueue_owner WHERE obeys IS NOT NULL AND pid<>0", |row| {
            row.get(0)
        })?,
        inbox: all(&conn, "SELECT id FROM pyqueue_inbox ORDER BY seq", |row| row.get(0))?,
        halves: all(&conn, "SELECT id, due, asked, pause FROM pyqueue_half", |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        })?,
        schedules: all(&conn, "SELECT name, next, last, job FROM pyqueue_schedule WHERE gone=0", |row| {
            let job: Option<String> = row.get(3)?;
            let job = job.and_then(|id| PublicId::parse(&id)).map(|id| id.row.0);
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, job)))
        })?,
        nodes: all(&conn, "SELECT id, waits, failed, skipped FROM pyqueue_node", |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        })?,
        producers: all(&conn, "SELECT name, epoch, sequence, position FROM pyqueue_producer", |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        })?,
        revoked: all(&conn, "SELECT id, token, back FROM pyqueue_revoke", |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?,
        turns: all(&conn, "SELECT task, turn FROM pyqueue_budget", |row| Ok((row.get(0)?, row.get(1)?)))?,
        receipts: all(&conn, "SELECT job, token FROM pyqueue_receipt", |row| Ok((row.get(0)?, row.get(1)?)))?,
        newer: conn.query_row(
            "SELECT value>1 FROM pyqueue_meta WHERE name='oldest_compatible'",
            [],
            |row| row.get(0),
        )?,
        unsound: conn.query_row(UNSOUND, [], |row| row.get::<_, i64>(0))? + uneven(&conn)?,
    })
}

/// Effects without their jobs' end, and jobs that had theirs twice.
fn uneven(conn: &Connection) -> rusqlite::Result<i64> {
    let kept = "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE name='app_ledger')";
    if !conn.query_row(kept, [], |row| row.get::<_, bool>(0))? {
        return Ok(0);
    }
    conn.query_row(
        "SELECT (SELECT count(*)-count(DISTINCT job) FROM app_ledger) + (SELECT count(*) FROM app_ledger a \
         WHERE NOT EXISTS(SELECT 1 FROM pyqueue_receipt r WHERE r.job=a.job AND r.token=a.token) \
         AND NOT EXISTS(SELECT 1 FROM pyqueue_history h WHERE h.job=a.job AND h.token=a.token AND h.outcome=0))",
        [],
        |row| row.get(0),
    )
}

fn all<T, C: FromIterator<T>>(
    conn: &Connection,
    sql: &str,
    of: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<C> {
    conn.prepare(sql)?.query_map([], of)?.collect()
}

fn there(row: &Row<'_>) -> rusqlite::Result<There> {
    let side: Option<i64> = row.get(6)?;
    let token: Option<i64> = row.get(9)?;
    let place = match (side, token) {
        (_, Some(token)) => Place::Leased { token, owner: row.get(10)?, deadline: row.get(11)? },
        (Some(2), _) => Place::Behind(row.get(7)?),
        (Some(3), _) => Place::Later(row.get(7)?),
        (Some(4), _) => Place::Prepared,
        (Some(5), _) => Place::Held(row.get(7)?),
        _ => Place::Ready,
    };
    let file: i64 = row.get(12)?;
    let own = PublicId { row: RowId(row.get(0)?), nonce: row.get(1)?, file: file as u32 };
    Ok(There {
        place,
        at: row.get::<_, Option<i64>>(8)?.unwrap_or(0),
        counters: (row.get(3)?, row.get(4)?, row.get(5)?),
        id: row.get::<_, Option<String>>(2)?.unwrap_or_else(|| own.to_string()),
    })
}
