-- A job's body lies in pyqueue_job at a place that is its id for ever: queue 12 bits | inverted priority 8 |
-- sequence 43. Above the band's head it is ready by being there. At or below the head, or on the shelf
-- (band 0), exactly one row speaks for it: a lease interval, or its row in pyqueue_side.

CREATE TABLE pyqueue_meta(
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a band: how far the claims have come (pos), and counters that every change of state keeps up. Bands
-- below zero are counters of the whole file; they lie on the page that a claim writes anyway.
CREATE TABLE pyqueue_head(
  band INTEGER PRIMARY KEY CHECK(band BETWEEN -16 AND 1048575),
  pos INTEGER NOT NULL CHECK(pos >= 0),
  spoken INTEGER NOT NULL DEFAULT 0 CHECK(spoken >= 0),      -- rows above pos that are not ready: husks and moved ones
  again INTEGER NOT NULL DEFAULT 0 CHECK(again >= 0),
  parked INTEGER NOT NULL DEFAULT 0 CHECK(parked >= 0),
  later INTEGER NOT NULL DEFAULT 0 CHECK(later >= 0),
  held INTEGER NOT NULL DEFAULT 0 CHECK(held >= 0),
  succeeded INTEGER NOT NULL DEFAULT 0 CHECK(succeeded >= 0),
  failed INTEGER NOT NULL DEFAULT 0 CHECK(failed >= 0),
  revoked INTEGER NOT NULL DEFAULT 0 CHECK(revoked >= 0),    -- cancelled and expired
  retried INTEGER NOT NULL DEFAULT 0 CHECK(retried >= 0),
  lost INTEGER NOT NULL DEFAULT 0 CHECK(lost >= 0)
) STRICT;

CREATE TABLE pyqueue_queue(
  num INTEGER PRIMARY KEY CHECK(num BETWEEN 1 AND 4095),
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE pyqueue_job(
  id INTEGER PRIMARY KEY CHECK(id > 0),
  mark INTEGER NOT NULL DEFAULT 0 CHECK(mark BETWEEN 0 AND 2),  -- 1: another row speaks for it; 2: husk
  nonce INTEGER NOT NULL,
  home INTEGER,                                                 -- its band, where the id does not say it
  attempts INTEGER NOT NULL DEFAULT 0 CHECK(attempts >= 0),
  retries INTEGER NOT NULL DEFAULT 0 CHECK(retries >= 0),
  losses INTEGER NOT NULL DEFAULT 0 CHECK(losses >= 0),
  max_losses INTEGER NOT NULL DEFAULT 5 CHECK(max_losses > 0),
  errbacks INTEGER NOT NULL DEFAULT 0 CHECK(errbacks BETWEEN 0 AND 1),  -- 1: it has a row in pyqueue_errback
  steps INTEGER NOT NULL DEFAULT 0 CHECK(steps BETWEEN 0 AND 1),        -- 1: it has rows in pyqueue_step
  fills INTEGER,                                                -- the input of a workflow's node that its end fills
  node INTEGER,                                                 -- the node it waited for, and whose inputs it takes
  task TEXT NOT NULL,
  dedup TEXT,
  alias TEXT,
  expires INTEGER,
  enqueued INTEGER NOT NULL,
  time_limit INTEGER,
  soft_time_limit INTEGER,
  content_type TEXT,
  checksum INTEGER,
  payload BLOB,
  CHECK(mark <> 2 OR (payload IS NULL AND dedup IS NULL AND expires IS NULL))
) STRICT;
CREATE INDEX pyqueue_job_expires ON pyqueue_job(expires) WHERE expires IS NOT NULL;

-- first..last holds only rows of this token; disjoint by construction.
CREATE TABLE pyqueue_lease(
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  jobs INTEGER NOT NULL CHECK(jobs > 0),
  token INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  deadline INTEGER,                                             -- boot time; NULL: the owner's
  plain INTEGER NOT NULL CHECK(plain BETWEEN 0 AND 1),          -- 1: no row has a dedup key, errbacks, steps, a place in a workflow, another queue than its id says, has told of its progress, or was revoked
  CHECK(last >= first)
) STRICT;

CREATE TABLE pyqueue_owner(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  pid INTEGER NOT NULL,
  slots INTEGER NOT NULL,
  clock TEXT NOT NULL,                                          -- which boot clock the deadlines are of
  deadline INTEGER NOT NULL,
  joined INTEGER NOT NULL,
  obeys TEXT,                                                   -- the worker that it answers commands for; NULL: it does not
  facts BLOB                                                    -- what it says of itself; not the core's
) STRICT;

-- Where a job is that is not simply ready: place 1 again, 2 waits for a gate, 3 later, 4 prepared, 5 held until a
-- workflow's node is complete. k: 0, gate, run_at, 0, node.
-- at is its place in the order, a position like an id.
CREATE TABLE pyqueue_side(
  id INTEGER PRIMARY KEY,
  place INTEGER NOT NULL CHECK(place BETWEEN 1 AND 5),
  k INTEGER NOT NULL,
  at INTEGER NOT NULL,
  CHECK(k = 0 OR place = 2 OR place = 3 OR place = 5)
) STRICT;
CREATE UNIQUE INDEX pyqueue_side_order ON pyqueue_side(place, k, at, id);

-- A reason for which jobs wait. shut: they may not start. lack: the task is unknown to the worker that met it.
CREATE TABLE pyqueue_gate(
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK(kind = 'pause' OR kind = 'lack'),
  scope TEXT NOT NULL CHECK(scope = 'task' OR scope = 'queue' OR scope = 'fits'),
  name TEXT NOT NULL,                                           -- of the task or queue; of 'fits' its patterns in words
  task TEXT,                                                    -- patterns of 'fits', of SQLite's GLOB; NULL: any
  queue TEXT,
  key TEXT,                                                     -- of the dedup key
  shut INTEGER NOT NULL CHECK(shut BETWEEN 0 AND 1),
  waiting INTEGER NOT NULL DEFAULT 0 CHECK(waiting >= 0),       -- the length of its list in pyqueue_side
  rate INTEGER CHECK(rate > 0),                                 -- once open it lets one job out in so long (µs); NULL: all
  turn INTEGER NOT NULL DEFAULT 0,                              -- of the next one (wall time, µs)
  since INTEGER,                                                -- when it was shut last, by whom and why
  author TEXT,
  reason TEXT,
  UNIQUE(scope, name, kind),
  CHECK(scope = 'fits' OR coalesce(task, queue, key) IS NULL)
) STRICT;
-- The lists that claims may draw from.
CREATE INDEX pyqueue_gate_list ON pyqueue_gate(id) WHERE waiting>0 AND (shut=0 OR kind='lack');

CREATE TABLE pyqueue_dedup(
  queue INTEGER NOT NULL,
  key TEXT NOT NULL,
  id INTEGER NOT NULL,
  until INTEGER,                                                -- taken until then even if the job has ended
  PRIMARY KEY(queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX pyqueue_dedup_until ON pyqueue_dedup(until) WHERE until IS NOT NULL;

-- What a running attempt last said of itself.
CREATE TABLE pyqueue_progress(
  id INTEGER PRIMARY KEY,
  token INTEGER NOT NULL,
  state TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;

-- Retry budgets that have been used: at which wall time (µs) the next retry of a task may begin to wait.
CREATE TABLE pyqueue_budget(
  task TEXT PRIMARY KEY,
  turn INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Running attempts that are to end. However one ends but in success, its job is cancelled then, or back in line.
CREATE TABLE pyqueue_revoke(
  id INTEGER PRIMARY KEY,
  token INTEGER NOT NULL,
  signal INTEGER NOT NULL CHECK(signal BETWEEN 1 AND 64),       -- what its process gets after grace (µs), before it is killed
  grace INTEGER NOT NULL CHECK(grace >= 0),
  back INTEGER NOT NULL DEFAULT 0 CHECK(back BETWEEN 0 AND 1)   -- 1: its job is not cancelled but comes back in line
) STRICT;

-- Jobs that are stored once this one ends in failure and nobody can say what follows. A list of the core's own.
CREATE TABLE pyqueue_errback(
  id INTEGER PRIMARY KEY,
  jobs BLOB NOT NULL
) STRICT;

-- Workflows: jobs that wait for each other. A node waits for its inputs; jobs that wait for a node are on its list in
-- pyqueue_side. What ends a job fills its input in the same transaction, and the last one decides the node. The first
-- node of a workflow is its root, which its last jobs fill; the others have the ids that follow.
CREATE TABLE pyqueue_node(
  id INTEGER PRIMARY KEY CHECK(id BETWEEN 1 AND 8796093022207),
  root INTEGER,                                                 -- NULL: it is one
  name TEXT UNIQUE,                                             -- of a root
  size INTEGER,                                                 -- of a root: its jobs
  inputs INTEGER NOT NULL CHECK(inputs BETWEEN 0 AND 1048575),
  waits INTEGER NOT NULL CHECK(waits BETWEEN -1 AND inputs),    -- inputs that nothing has filled yet; -1: it is decided
  failed INTEGER NOT NULL DEFAULT 0 CHECK(failed >= 0),         -- inputs that were filled by an end that was no success
  skipped INTEGER NOT NULL DEFAULT 0 CHECK(skipped >= 0),       -- inputs of jobs that had no reason to run
  list INTEGER NOT NULL CHECK(list BETWEEN 0 AND 1),            -- its value: 1 the list of its inputs, 0 its only one
  run INTEGER NOT NULL CHECK(run BETWEEN 0 AND 3),              -- its jobs run: 0 after successes only, 1 always, 2 after a failure only; 3: the end of what undoes a workflow
  cancelled INTEGER NOT NULL DEFAULT 0 CHECK(cancelled BETWEEN 0 AND 1),  -- of a root: nothing more of it may start
  made INTEGER NOT NULL,
  ended INTEGER,
  until INTEGER                                                 -- of a root that has ended: how long it is kept
) STRICT;
CREATE INDEX pyqueue_node_root ON pyqueue_node(root) WHERE root IS NOT NULL;
CREATE INDEX pyqueue_node_due ON pyqueue_node(id) WHERE waits=0;
CREATE INDEX pyqueue_node_until ON pyqueue_node(until) WHERE until IS NOT NULL;

-- id: node 43 bits | position 20. Filled by the end of a job, or by the value of another node.
CREATE TABLE pyqueue_input(
  id INTEGER PRIMARY KEY CHECK(id > 0),
  job INTEGER,
  nonce INTEGER,
  alias TEXT,
  node INTEGER,                                                 -- which the job waits for
  source INTEGER,                                               -- the node whose value it is
  delay INTEGER,                                                -- how long the job waits when its node is complete (µs)
  run_at INTEGER,
  lifetime INTEGER,                                             -- how long after that it may start at all (µs)
  turn INTEGER,                                                 -- the newest number of the history when it was filled
  state INTEGER CHECK(state BETWEEN 0 AND 5),                   -- as in the history; 5: skipped. NULL: not filled
  content_type TEXT,
  value BLOB,                                                   -- of a success; of another end why, in the core's own form
  checksum INTEGER
) STRICT;

CREATE TABLE pyqueue_edge(
  node INTEGER NOT NULL,
  input INTEGER NOT NULL,                                       -- gets the value of the node
  PRIMARY KEY(node, input)
) STRICT, WITHOUT ROWID;

-- What a job must do if its workflow fails although it succeeded itself; a list of the core's own.
CREATE TABLE pyqueue_undo(
  input INTEGER PRIMARY KEY,                                    -- which that job fills
  root INTEGER NOT NULL,
  job BLOB NOT NULL
) STRICT;
CREATE INDEX pyqueue_undo_root ON pyqueue_undo(root);

-- What durable steps have returned, as long as their job has not ended.
CREATE TABLE pyqueue_step(
  job INTEGER NOT NULL,
  name TEXT NOT NULL CHECK(length(name) BETWEEN 1 AND 255),
  content_type TEXT,
  value BLOB NOT NULL,
  checksum INTEGER NOT NULL,
  PRIMARY KEY(job, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE pyqueue_alias(
  name TEXT PRIMARY KEY,
  id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pyqueue_alias_id ON pyqueue_alias(id);

-- One row an attempt, in the order of finishing; the last of a job has its state and its result.
CREATE TABLE pyqueue_history(
  seq INTEGER PRIMARY KEY,
  job INTEGER NOT NULL,
  nonce INTEGER NOT NULL,
  alias TEXT,
  band INTEGER NOT NULL,
  task TEXT NOT NULL,
  fills INTEGER,                                                -- as in pyqueue_job
  attempt INTEGER NOT NULL,
  outcome INTEGER NOT NULL CHECK(outcome BETWEEN 0 AND 6),      -- success failure retry cancelled expired lost replaced
  state INTEGER CHECK(state BETWEEN 0 AND 4),                   -- success failed dead cancelled expired; NULL: it went on
  retries INTEGER NOT NULL,
  token INTEGER,
  owner INTEGER,
  enqueued INTEGER NOT NULL,
  started INTEGER,
  finished INTEGER NOT NULL,
  cpu INTEGER,                                                  -- µs on processors; measured from 1 ms of run time on
  memory INTEGER,                                               -- the most of its process meanwhile, in bytes
  content_type TEXT,
  result BLOB,                                                  -- of a success; of a failure the exception's arguments
  error TEXT,
  message TEXT,
  traceback TEXT,
  checksum INTEGER,                                             -- of the result of a success, of the payload of the others
  -- Of a job that failed or is dead: so that it can be replayed.
  max_losses INTEGER,
  time_limit INTEGER,
  soft_time_limit INTEGER,
  expires INTEGER,
  dedup TEXT,
  node INTEGER,
  payload BLOB,
  until INTEGER                                                 -- of a success that is kept for a time of its own (wall time, µs)
) STRICT;
CREATE INDEX pyqueue_history_job ON pyqueue_history(job);
-- Cancelled jobs.
CREATE INDEX pyqueue_history_cancelled ON pyqueue_history(seq) WHERE state=3;
CREATE INDEX pyqueue_history_until ON pyqueue_history(until) WHERE until IS NOT NULL;

-- What attempts have logged: of each the end, of all together so many bytes that band -5 counts.
CREATE TABLE pyqueue_log(
  seq INTEGER PRIMARY KEY,
  job INTEGER NOT NULL,
  token INTEGER NOT NULL,
  dropped INTEGER NOT NULL CHECK(dropped >= 0),                 -- lines before these
  text BLOB NOT NULL,
  UNIQUE(job, token)
) STRICT;

-- What has happened beside the ends that the history has: written only while somebody asks for it.
CREATE TABLE pyqueue_event(
  seq INTEGER PRIMARY KEY,
  turn INTEGER NOT NULL,                                        -- the newest number of the history then: it came after that
  kind INTEGER NOT NULL CHECK(kind BETWEEN 0 AND 5),            -- sent received online offline heartbeat; 5: nothing was written before
  at INTEGER NOT NULL,                                          -- wall time (µs)
  job INTEGER,
  nonce INTEGER,
  alias TEXT,
  band INTEGER,
  name TEXT,                                                    -- of the task, or the worker
  owner INTEGER,
  count INTEGER,                                                -- received: its retries; a beat: the jobs that the worker has
  moment INTEGER                                                -- sent: when it may start; of a worker its process; 5: since when
) STRICT;

-- What foreign connections write, in transactions of their own; the next transaction of ours folds it into the tables
-- above. They write these two tables and no other, with built-in functions only.

-- Jobs. An id of the writer's own makes the insert repeatable.
CREATE TABLE pyqueue_inbox(
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))) CHECK(length(id) BETWEEN 1 AND 255),
  task TEXT NOT NULL CHECK(length(task) BETWEEN 1 AND 255),
  body BLOB NOT NULL,
  queue TEXT NOT NULL DEFAULT 'default' CHECK(length(queue) BETWEEN 1 AND 255),
  priority INTEGER NOT NULL DEFAULT 0 CHECK(priority BETWEEN -128 AND 127),
  run_at INTEGER,                                               -- wall time (µs), as all times here
  expires INTEGER,
  dedup_key TEXT CHECK(length(dedup_key) BETWEEN 1 AND 255),
  dedup TEXT NOT NULL DEFAULT 'return' CHECK(dedup = 'return' OR dedup = 'refuse' OR dedup = 'replace'),
  dedup_window INTEGER CHECK(dedup_window > 0),
  max_losses INTEGER NOT NULL DEFAULT 5 CHECK(max_losses BETWEEN 1 AND 4294967295),
  time_limit INTEGER CHECK(time_limit > 0),
  soft_time_limit INTEGER CHECK(soft_time_limit > 0),
  errbacks BLOB,                                                -- a list of the core's own
  content_type TEXT
) STRICT;
CREATE INDEX pyqueue_inbox_key ON pyqueue_inbox(queue, dedup_key) WHERE dedup_key IS NOT NULL;

-- The keys that are taken, as foreign connections have to see them: by a row of the inbox, an unfinished job, or an ended
-- one within its key's window. The id of the last two is made of job, nonce and the file's id, if there is no alias.
CREATE VIEW pyqueue_key(queue, key, job, nonce, alias) AS
  SELECT queue, dedup_key, NULL, NULL, id FROM pyqueue_inbox WHERE dedup_key IS NOT NULL
  UNION ALL
  SELECT q.name, d.key, d.id, j.nonce, j.alias FROM pyqueue_queue q JOIN pyqueue_dedup d ON d.queue=q.num
    JOIN pyqueue_job j ON j.id=d.id AND j.dedup=d.key
    WHERE d.until>CAST(round((julianday('now')-2440587.5)*86400000) AS INTEGER)*1000 OR NOT EXISTS(SELECT 1 FROM pyqueue_receipt r WHERE r.job=d.id)
      AND (j.expires IS NULL OR j.expires>CAST(round((julianday('now')-2440587.5)*86400000) AS INTEGER)*1000
        OR ifnull((SELECT last FROM pyqueue_lease WHERE first<=d.id ORDER BY first DESC LIMIT 1), 0)>=d.id)
  UNION ALL
  SELECT q.name, d.key, d.id, h.nonce, h.alias FROM pyqueue_queue q JOIN pyqueue_dedup d ON d.queue=q.num
    JOIN pyqueue_history h ON h.job=d.id AND h.nonce>=0 AND h.state IS NOT NULL
    WHERE d.until>CAST(round((julianday('now')-2440587.5)*86400000) AS INTEGER)*1000;

CREATE TRIGGER pyqueue_inbox_key_taken BEFORE INSERT ON pyqueue_inbox
WHEN NEW.dedup_key IS NOT NULL AND NEW.dedup<>'replace'
BEGIN
  SELECT CASE NEW.dedup WHEN 'refuse' THEN raise(ABORT, 'pyqueue: an unfinished job has this dedup key') ELSE raise(IGNORE) END
  WHERE EXISTS(SELECT 1 FROM pyqueue_key WHERE queue=NEW.queue AND key=NEW.dedup_key);
END;

-- Ends of jobs in success. From the commit on, the receipt is the ack: every transaction of ours takes it in before it
-- looks at a lease.
CREATE TABLE pyqueue_receipt(
  job INTEGER PRIMARY KEY,
  token INTEGER NOT NULL,
  started INTEGER,
  content_type TEXT,
  result BLOB
) STRICT;

CREATE TRIGGER pyqueue_receipt_lease BEFORE INSERT ON pyqueue_receipt
BEGIN
  SELECT raise(ABORT, 'pyqueue: LeaseLost: the job is not this attempt''s any more')
  WHERE NOT EXISTS(SELECT 1 FROM pyqueue_job WHERE id=NEW.job AND mark<>2)
    OR NOT EXISTS(SELECT 1 FROM pyqueue_lease
      WHERE first=(SELECT max(first) FROM pyqueue_lease WHERE first<=NEW.job) AND last>=NEW.job AND token=NEW.token);
END;

-- Half messages: jobs that nobody may start before their sender or their check-back says so. Each has a row in
-- pyqueue_side too.
CREATE TABLE pyqueue_half(
  id INTEGER PRIMARY KEY,
  due INTEGER,                                                  -- when the check-back is asked next; NULL: given up
  asked INTEGER NOT NULL DEFAULT 0 CHECK(asked >= 0),
  run_at INTEGER,
  pause INTEGER NOT NULL CHECK(pause > 0),                      -- to the first question (µs)
  question BLOB NOT NULL                                        -- the job that asks: a list of the core's own
) STRICT;
CREATE INDEX pyqueue_half_due ON pyqueue_half(due) WHERE due IS NOT NULL;

-- Idempotent producers: how far each has come.
CREATE TABLE pyqueue_producer(
  name TEXT PRIMARY KEY CHECK(length(name) BETWEEN 1 AND 255),
  epoch INTEGER NOT NULL CHECK(epoch > 0),
  sequence INTEGER NOT NULL CHECK(sequence >= 0),
  position BLOB
) STRICT, WITHOUT ROWID;

-- Schedules: what makes a job at certain times. When that is, is computed outside; here stands which time is next, so that
-- of all who fire a time one does.
CREATE TABLE pyqueue_schedule(
  name TEXT PRIMARY KEY CHECK(length(name) BETWEEN 1 AND 255),
  definition BLOB NOT NULL,                                     -- not the core's
  source TEXT,                                                  -- the program whose code it stands in; NULL: made at run time
  mark TEXT,                                                    -- of what the code said when it was last taken over
  version INTEGER NOT NULL DEFAULT 0,                           -- of the code; an older one changes nothing
  gone INTEGER NOT NULL DEFAULT 0 CHECK(gone BETWEEN 0 AND 1),  -- 1: removed; kept so that no time is fired again
  paused INTEGER NOT NULL DEFAULT 0 CHECK(paused BETWEEN 0 AND 1),
  next INTEGER,                                                 -- the time that comes next (wall time, µs); NULL: none will
  due INTEGER,                                                  -- when that is fired: jitter comes on top
  last INTEGER,                                                 -- the last time that was fired or left out
  job TEXT,                                                     -- the id of the last job
  fired INTEGER NOT NULL DEFAULT 0 CHECK(fired >= 0),
  skipped INTEGER NOT NULL DEFAULT 0 CHECK(skipped >= 0),
  CHECK((next IS NULL) = (due IS NULL)),
  CHECK(next > last)                                            -- times only grow, whatever the clock does
) STRICT;
CREATE INDEX pyqueue_schedule_due ON pyqueue_schedule(due) WHERE due IS NOT NULL AND paused=0 AND gone=0;

-- Commands to workers, kept as a record of who asked what.
CREATE TABLE pyqueue_command(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL CHECK(length(name) BETWEEN 1 AND 255),
  arguments BLOB NOT NULL,                                      -- not the core's
  target TEXT NOT NULL,                                         -- whom it was for, as it was said
  author TEXT NOT NULL,
  asks INTEGER NOT NULL CHECK(asks BETWEEN 0 AND 1),            -- 1: it changes nothing
  made INTEGER NOT NULL,
  expires INTEGER NOT NULL,                                     -- wall time (µs), for people and for other clocks
  clock TEXT NOT NULL,                                          -- which boot clock the deadline is of
  deadline INTEGER NOT NULL
) STRICT;
CREATE INDEX pyqueue_command_asks ON pyqueue_command(asks, id);

-- Its addressees, from the moment it was given on, and what each has answered.
CREATE TABLE pyqueue_reply(
  command INTEGER NOT NULL,
  owner INTEGER NOT NULL,                                       -- 0: nobody's, it was done by its author
  worker TEXT NOT NULL,
  state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 3),          -- nothing, begun, ok, error
  body BLOB,
  at INTEGER CHECK((state=0) = (at IS NULL)),
  PRIMARY KEY(command, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX pyqueue_reply_open ON pyqueue_reply(owner) WHERE state=0;
