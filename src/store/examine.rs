//! Whether the file is sound: SQLite's own check, and what our tables promise each other. Reads all of it.

use rusqlite::Connection;

use crate::error::Result;

/// What must not be found: a sentence, and how often it is.
const NEVER: [(&str, &str); 17] = [
    (
        "jobs that nothing speaks for: they would never start",
        "SELECT count(*) FROM pyqueue_head h JOIN pyqueue_job j ON j.id>(h.band<<43) AND j.id<=h.pos \
         WHERE h.band>0 AND j.mark<>2 AND NOT EXISTS(SELECT 1 FROM pyqueue_side s WHERE s.id=j.id) \
         AND ifnull((SELECT last FROM pyqueue_lease WHERE first<=j.id ORDER BY first DESC LIMIT 1), 0)<j.id",
    ),
    (
        "delayed jobs without a time: they would never start",
        "SELECT count(*) FROM pyqueue_job j WHERE j.id<(1<<43) AND NOT EXISTS(SELECT 1 FROM pyqueue_side s WHERE s.id=j.id) \
         AND ifnull((SELECT last FROM pyqueue_lease WHERE first<=j.id ORDER BY first DESC LIMIT 1), 0)<j.id",
    ),
    (
        "leases that hold another number of jobs than they say",
        "SELECT count(*) FROM pyqueue_lease l WHERE l.jobs<>(SELECT count(*) FROM pyqueue_job WHERE id BETWEEN l.first AND l.last)",
    ),
    (
        "jobs under two leases",
        "SELECT count(*) FROM pyqueue_lease l WHERE l.last>=(SELECT first FROM pyqueue_lease WHERE first>l.first ORDER BY first LIMIT 1)",
    ),
    (
        "leases of a worker that is not in the file",
        "SELECT count(*) FROM pyqueue_lease l WHERE NOT EXISTS(SELECT 1 FROM pyqueue_owner o WHERE o.id=l.owner)",
    ),
    (
        "jobs that are running and waiting at once",
        "SELECT count(*) FROM pyqueue_lease l JOIN pyqueue_side s ON s.id BETWEEN l.first AND l.last",
    ),
    (
        "places in line without a job",
        "SELECT count(*) FROM pyqueue_side s WHERE NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=s.id)",
    ),
    (
        "lists of parked jobs with a wrong count",
        "WITH seen AS (SELECT k, count(*) AS jobs FROM pyqueue_side WHERE place=2 GROUP BY k) \
         SELECT count(*) FROM pyqueue_gate g LEFT JOIN seen ON seen.k=g.id WHERE g.waiting<>ifnull(seen.jobs, 0)",
    ),
    (
        "queues with wrong counts",
        "WITH beside AS (SELECT at>>43 AS band, sum(place=1) AS again, sum(place=2) AS parked, sum(place=3) AS later, sum(place=5) AS held \
           FROM pyqueue_side GROUP BY 1), \
         marked AS (SELECT h.band, count(*) AS spoken FROM pyqueue_head h JOIN pyqueue_job j \
           ON j.id>h.pos AND j.id<=(h.band<<43|8796093022207) WHERE h.band>0 AND j.mark>0 GROUP BY 1) \
         SELECT count(*) FROM pyqueue_head h LEFT JOIN beside b ON b.band=h.band LEFT JOIN marked m ON m.band=h.band \
         WHERE h.band>0 AND (h.again<>ifnull(b.again, 0) OR h.parked<>ifnull(b.parked, 0) \
           OR h.later<>ifnull(b.later, 0) OR h.held<>ifnull(b.held, 0) OR h.spoken<>ifnull(m.spoken, 0))",
    ),
    (
        "prepared jobs that nobody would ask about",
        "SELECT count(*) FROM pyqueue_side s FULL JOIN pyqueue_half h ON h.id=s.id \
         WHERE (s.place=4 AND h.id IS NULL) OR s.place IS NULL OR (s.place<>4 AND h.id IS NOT NULL)",
    ),
    (
        "dedup keys of jobs that are gone",
        "SELECT count(*) FROM pyqueue_dedup d WHERE d.until IS NULL \
         AND NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=d.id AND j.dedup=d.key)",
    ),
    (
        "a wrong count of what was logged",
        "SELECT count(*) FROM (SELECT ifnull((SELECT pos FROM pyqueue_head WHERE band=-5), 0) AS counted, \
         ifnull((SELECT sum(octet_length(text)) FROM pyqueue_log), 0) AS there) WHERE counted<>there",
    ),
    (
        "errbacks of jobs that are gone",
        "SELECT count(*) FROM pyqueue_errback e WHERE NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=e.id AND j.errbacks=1)",
    ),
    (
        "what was kept of steps of jobs that are gone",
        "SELECT count(*) FROM pyqueue_step t WHERE NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=t.job AND j.steps=1)",
    ),
    (
        "nodes of workflows with a wrong count",
        "SELECT count(*) FROM pyqueue_node n WHERE max(n.waits, 0)<> \
         (SELECT count(*) FROM pyqueue_input i WHERE i.id>=(n.id<<20) AND i.id<((n.id+1)<<20) AND i.state IS NULL)",
    ),
    (
        "inputs of workflows that nothing will fill: what waits for them would wait for ever",
        "SELECT count(*) FROM pyqueue_input i WHERE i.state IS NULL \
         AND NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=i.job AND j.fills=i.id) \
         AND NOT EXISTS(SELECT 1 FROM pyqueue_node n JOIN pyqueue_edge e ON e.node=n.id WHERE n.id=i.source AND e.input=i.id AND n.waits>=0)",
    ),
    (
        "jobs that wait for a node of a workflow that will not let them start",
        "SELECT count(*) FROM pyqueue_side s WHERE s.place=5 AND NOT EXISTS(SELECT 1 FROM pyqueue_node n WHERE n.id=s.k AND n.waits>=0)",
    ),
];
/// How many findings of SQLite are shown.
const SHOWN: i64 = 20;

/// What is wrong, one sentence each; empty for a sound file.
pub fn examine(conn: &Connection) -> Result<Vec<String>> {
    let mut wrong: Vec<String> = conn
        .prepare(&format!("PRAGMA integrity_check({SHOWN})"))?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    wrong.retain(|line| line != "ok");
    for (sentence, sql) in NEVER {
        let count: i64 = conn.query_row(sql, [], |row| row.get(0))?;
        if count > 0 {
            wrong.push(format!("{sentence} ({count})"));
        }
    }
    Ok(wrong)
}
