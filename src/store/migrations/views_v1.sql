
-- Views for people and programs: docs/sql.md. Within a version no column goes or changes its meaning. Built-in functions
-- of SQLite 3.37 only. Times are text in UTC, as SQLite's own datetime() writes it, with milliseconds.

CREATE VIEW pyqueue_jobs_v1 AS
  SELECT
    ifnull(j.alias, printf('%08x-%04x-8%03x-%04x-%012x', j.id>>31, (j.id>>15)&65535, (j.id>>3)&4095,
      32768|((j.id&7)<<11)|(j.nonce>>16), ((j.nonce&65535)<<32)|(SELECT value FROM pyqueue_meta WHERE name='file_id'))) AS id,
    j.task AS task,
    q.name AS queue,
    127-(ifnull(j.home, j.id>>43)&255) AS priority,
    CASE
      WHEN s.place=2 THEN 'parked'
      WHEN s.place=4 THEN 'prepared'
      WHEN s.place=5 THEN 'held'
      WHEN s.place IS NOT NULL AND j.retries>0 THEN 'retrying'
      WHEN s.place=3 THEN 'delayed'
      WHEN s.place IS NULL AND l.first IS NOT NULL THEN 'running'
      ELSE 'waiting'
    END AS state,
    strftime('%Y-%m-%d %H:%M:%S', j.enqueued/1000000, 'unixepoch')||printf('.%03d', j.enqueued/1000%1000) AS enqueued,
    CASE WHEN s.place=3 THEN strftime('%Y-%m-%d %H:%M:%S', s.k/1000000, 'unixepoch')||printf('.%03d', s.k/1000%1000) END AS run_at,
    strftime('%Y-%m-%d %H:%M:%S', j.expires/1000000, 'unixepoch')||printf('.%03d', j.expires/1000%1000) AS expires,
    j.attempts AS attempts,
    j.retries AS retries,
    j.losses AS losses,
    CASE WHEN s.place IS NULL THEN l.owner END AS worker,
    j.dedup AS dedup_key,
    (SELECT ifnull(r.name, CAST(r.id AS TEXT)) FROM pyqueue_node n JOIN pyqueue_node r ON r.id=ifnull(n.root, n.id)
      WHERE n.id=j.fills>>20) AS workflow,
    CASE WHEN ifnull(j.content_type, 'application/json')='application/json' THEN CAST(j.payload AS TEXT) END AS arguments
  FROM pyqueue_job j
    LEFT JOIN pyqueue_queue q ON q.num=ifnull(j.home, j.id>>43)>>8
    LEFT JOIN pyqueue_side s ON s.id=j.id
    LEFT JOIN pyqueue_lease l ON l.first=(SELECT max(first) FROM pyqueue_lease WHERE first<=j.id) AND l.last>=j.id
  WHERE j.mark<>2
  UNION ALL
  SELECT id, task, queue, priority, 'waiting', NULL, strftime('%Y-%m-%d %H:%M:%S', run_at/1000000, 'unixepoch')||printf('.%03d', run_at/1000%1000),
    strftime('%Y-%m-%d %H:%M:%S', expires/1000000, 'unixepoch')||printf('.%03d', expires/1000%1000), 0, 0, 0, NULL, dedup_key, NULL,
    CASE WHEN ifnull(content_type, 'application/json')='application/json' THEN CAST(body AS TEXT) END
  FROM pyqueue_inbox;

CREATE VIEW pyqueue_runs_v1 AS
  SELECT
    h.seq AS number,
    CASE WHEN h.nonce>=0 THEN ifnull(h.alias, printf('%08x-%04x-8%03x-%04x-%012x', h.job>>31, (h.job>>15)&65535, (h.job>>3)&4095,
      32768|((h.job&7)<<11)|(h.nonce>>16), ((h.nonce&65535)<<32)|(SELECT value FROM pyqueue_meta WHERE name='file_id'))) END AS id,
    h.task AS task,
    q.name AS queue,
    127-(h.band&255) AS priority,
    h.attempt AS attempt,
    CASE h.outcome WHEN 0 THEN 'success' WHEN 1 THEN 'failure' WHEN 2 THEN 'retry' WHEN 3 THEN 'cancelled' WHEN 4 THEN 'expired'
      WHEN 5 THEN 'lost' WHEN 6 THEN 'replaced' END AS outcome,
    CASE h.state WHEN 0 THEN 'success' WHEN 1 THEN 'failed' WHEN 2 THEN 'dead' WHEN 3 THEN 'cancelled' WHEN 4 THEN 'expired' END AS state,
    strftime('%Y-%m-%d %H:%M:%S', h.enqueued/1000000, 'unixepoch')||printf('.%03d', h.enqueued/1000%1000) AS enqueued,
    strftime('%Y-%m-%d %H:%M:%S', h.started/1000000, 'unixepoch')||printf('.%03d', h.started/1000%1000) AS started,
    strftime('%Y-%m-%d %H:%M:%S', h.finished/1000000, 'unixepoch')||printf('.%03d', h.finished/1000%1000) AS finished,
    CASE WHEN h.attempt=1 AND h.job>>43>0 THEN max(h.started-h.enqueued, 0)/1e6 END AS waited,
    max(h.finished-h.started, 0)/1e6 AS ran,
    h.cpu/1e6 AS cpu,
    h.memory AS memory,
    h.error AS error,
    h.message AS message,
    h.owner AS worker,
    (SELECT ifnull(r.name, CAST(r.id AS TEXT)) FROM pyqueue_node n JOIN pyqueue_node r ON r.id=ifnull(n.root, n.id)
      WHERE n.id=h.fills>>20) AS workflow,
    CASE WHEN h.state=0 AND ifnull(h.content_type, 'application/json')='application/json' THEN CAST(h.result AS TEXT) END AS result,
    CASE WHEN ifnull(h.content_type, 'application/json')='application/json' THEN CAST(h.payload AS TEXT) END AS arguments
  FROM pyqueue_history h LEFT JOIN pyqueue_queue q ON q.num=h.band>>8;

CREATE VIEW pyqueue_queues_v1 AS
  WITH RECURSIVE
    filled(band) AS (
      SELECT (SELECT id>>43 FROM pyqueue_job ORDER BY id LIMIT 1)
      UNION ALL
      SELECT (SELECT id>>43 FROM pyqueue_job WHERE id>(f.band<<43|8796093022207) ORDER BY id LIMIT 1) FROM filled f WHERE f.band IS NOT NULL
    ),
    counted AS (
      SELECT b.band>>8 AS num, ifnull(h.pos, b.band<<43) AS pos, ifnull(h.spoken, 0) AS spoken, ifnull(h.again, 0) AS again,
        ifnull(h.parked, 0) AS parked, ifnull(h.later, 0) AS later, ifnull(h.held, 0) AS held, ifnull(h.succeeded, 0) AS succeeded,
        ifnull(h.failed, 0) AS failed, ifnull(h.revoked, 0) AS revoked, ifnull(h.retried, 0) AS retried, ifnull(h.lost, 0) AS lost,
        (SELECT max(id) FROM pyqueue_job WHERE id>b.band<<43 AND id<=(b.band<<43|8796093022207)) AS tail
      FROM (SELECT band FROM filled WHERE band>255 UNION SELECT band FROM pyqueue_head WHERE band>255) b
        LEFT JOIN pyqueue_head h ON h.band=b.band
    )
  SELECT
    q.name AS queue,
    EXISTS(SELECT 1 FROM pyqueue_gate g WHERE g.kind='pause' AND g.scope='queue' AND g.name=q.name AND g.shut=1) AS paused,
    ifnull(sum(max(ifnull(c.tail, c.pos), c.pos)-c.pos-c.spoken+c.again), 0)
      +(SELECT count(*) FROM pyqueue_inbox i WHERE i.queue=q.name) AS waiting,
    ifnull(sum(c.later), 0) AS delayed,
    ifnull(sum(c.parked), 0) AS parked,
    (SELECT count(*) FROM pyqueue_side WHERE place=4 AND k=0 AND at>=q.num<<51 AND at<=(q.num<<51|2251799813685247)) AS prepared,
    ifnull(sum(c.held), 0) AS held,
    (SELECT ifnull(sum(CASE WHEN first>>51 AND plain THEN (first>>51=q.num)*jobs ELSE
      (SELECT count(*) FROM pyqueue_job WHERE id BETWEEN first AND last AND ifnull(home, id>>43)>>8=q.num) END), 0) FROM pyqueue_lease) AS running,
    ifnull(sum(c.succeeded), 0) AS succeeded,
    ifnull(sum(c.failed), 0) AS failed,
    ifnull(sum(c.revoked), 0) AS revoked,
    ifnull(sum(c.retried), 0) AS retried,
    ifnull(sum(c.lost), 0) AS lost
  FROM pyqueue_queue q LEFT JOIN counted c ON c.num=q.num GROUP BY q.num;

CREATE VIEW pyqueue_workers_v1 AS
  SELECT o.id AS worker, o.name AS name, o.pid AS pid, o.slots AS slots,
    (SELECT ifnull(sum(jobs), 0) FROM pyqueue_lease l WHERE l.owner=o.id) AS running,
    strftime('%Y-%m-%d %H:%M:%S', o.joined/1000000, 'unixepoch')||printf('.%03d', o.joined/1000%1000) AS joined
  FROM pyqueue_owner o WHERE o.pid<>0;

CREATE VIEW pyqueue_schedules_v1 AS
  SELECT name AS name, source AS source, paused AS paused,
    strftime('%Y-%m-%d %H:%M:%S', next/1000000, 'unixepoch')||printf('.%03d', next/1000%1000) AS next,
    strftime('%Y-%m-%d %H:%M:%S', due/1000000, 'unixepoch')||printf('.%03d', due/1000%1000) AS due,
    strftime('%Y-%m-%d %H:%M:%S', last/1000000, 'unixepoch')||printf('.%03d', last/1000%1000) AS last,
    job AS job, fired AS fired, skipped AS skipped
  FROM pyqueue_schedule WHERE gone=0;

CREATE VIEW pyqueue_workflows_v1 AS
  SELECT ifnull(name, CAST(id AS TEXT)) AS workflow, name AS name,
    CASE WHEN waits>=0 THEN 'running' WHEN until IS NULL THEN 'undoing' WHEN failed>0 THEN 'failed' ELSE 'success' END AS state,
    ifnull(size, 0) AS jobs,
    strftime('%Y-%m-%d %H:%M:%S', made/1000000, 'unixepoch')||printf('.%03d', made/1000%1000) AS made,
    strftime('%Y-%m-%d %H:%M:%S', ended/1000000, 'unixepoch')||printf('.%03d', ended/1000%1000) AS ended
  FROM pyqueue_node WHERE root IS NULL;
