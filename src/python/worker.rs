//! `Worker` and `Event`: the supervisor as Python sees it.

use std::sync::Arc;

use pyo3::prelude::*;

use super::exceptions::to_py;
use super::store::Store;
use crate::worker::signals::Held;
use crate::worker::{self, Adjust, Bounds, Next, Options};

/// Something the supervisor did, for the log.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Event {
    inner: worker::Event,
}

#[pymethods]
impl Event {
    /// ready child_started reload revoked stacks stuck child_lost child_replaced job_lost lease_lost reaped stopping stopped warning error
    #[getter]
    fn kind(&self) -> &'static str {
        self.inner.kind.name()
    }

    #[getter]
    fn text(&self) -> &str {
        &self.inner.text
    }

    #[getter]
    fn job(&self) -> Option<&str> {
        self.inner.job.as_deref()
    }

    #[getter]
    fn pid(&self) -> Option<u32> {
        self.inner.pid
    }

    fn __repr__(&self) -> String {
        format!("<Event {}: {}>", self.inner.kind.name(), self.inner.text)
    }
}

/// The supervisor: claims, feeds children, writes outcomes, watches deaths; runs in threads of its own.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Worker {
    inner: worker::Worker,
}

impl Worker {
    fn adjust(&self, py: Python<'_>, what: Adjust) -> PyResult<String> {
        py.detach(|| self.inner.adjust(what)).map_err(to_py)
    }
}

#[pymethods]
impl Worker {
    /// ``command`` starts one child; its end of the socket pair is its standard input.
    #[new]
    #[pyo3(signature = (store, command, *, name, concurrency, width=1, queues=None, tasks=None, visibility_us=30_000_000, grace_us=25_000_000, burst=false,
        max_tasks=None, max_memory=None, memory_limit=None, time_limit_us=None, soft_time_limit_us=None, least=None, beside=0, prefetch=None, pool="prefork", facts=None,
        leeway_us=0, start_us=60_000_000, stall_us=30_000_000))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python class")]
    fn new(
        py: Python<'_>,
        store: PyRef<'_, Store>,
        command: Vec<String>,
        name: String,
        concurrency: u32,
        width: u32,
        queues: Option<Vec<String>>,
        tasks: Option<Vec<String>>,
        visibility_us: i64,
        grace_us: i64,
        burst: bool,
        max_tasks: Option<u64>,
        max_memory: Option<u64>,
        memory_limit: Option<u64>,
        time_limit_us: Option<i64>,
        soft_time_limit_us: Option<i64>,
        least: Option<u32>,
        beside: u32,
        prefetch: Option<u32>,
        pool: &str,
        facts: Option<Vec<u8>>,
        leeway_us: i64,
        start_us: i64,
        stall_us: i64,
    ) -> PyResult<Worker> {
        let queues = queues.map(Arc::from);
        let tasks = tasks.map(|tasks| Arc::new(tasks.into_iter().collect()));
        let bounds = Bounds { tasks: max_tasks, memory: max_memory, memory_limit, beside };
        let options = Options {
            name,
            facts: facts.unwrap_or_default().into(),
            command,
            concurrency,
            least,
            width,
            bounds,
            prefetch,
            pool: pool.to_owned(),
            time_limit_us,
            soft_time_limit_us,
            queues,
            tasks,
            visibility_us,
            grace_us,
            burst,
            leeway_us,
            start_us,
            stall_us,
        };
        let core = store.core();
        let started = py.detach(|| worker::Worker::start(core, options));
        started.map(|inner| Worker { inner }).map_err(to_py)
    }

    /// Waits for the next event; None after the worker has stopped.
    fn next_event(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        loop {
            py.check_signals()?;
            match self.inner.next_event() {
                Next::Event(inner) => return Ok(Some(Event { inner })),
                Next::Over => return Ok(None),
                Next::None => {}
            }
            // From the last look at signals to the wait they are held, and the wait lets them through: none can
            // arrive in between and be answered only after the next event. So an idle wait needs no time-out.
            let held = Held::new();
            py.check_signals()?;
            py.detach(|| held.wait(self.inner.events_fd()));
        }
    }

    /// Replaces the children by new ones, which load the app anew; the old ones end their jobs.
    fn reload(&self) {
        self.inner.reload();
    }

    #[getter]
    fn id(&self) -> i64 {
        self.inner.id()
    }

    fn grow(&self, py: Python<'_>, more: u32) -> PyResult<String> {
        self.adjust(py, Adjust::Grow(more))
    }

    fn shrink(&self, py: Python<'_>, fewer: u32) -> PyResult<String> {
        self.adjust(py, Adjust::Shrink(fewer))
    }

    #[pyo3(signature = (most=None, least=None))]
    fn scale(&self, py: Python<'_>, most: Option<u32>, least: Option<u32>) -> PyResult<String> {
        self.adjust(py, Adjust::Scale { most, least })
    }

    fn serve(&self, py: Python<'_>, queue: String) -> PyResult<String> {
        self.adjust(py, Adjust::Serve(queue))
    }

    fn unserve(&self, py: Python<'_>, queue: String) -> PyResult<String> {
        self.adjust(py, Adjust::Leave(queue))
    }

    #[pyo3(signature = (task, hard_us=None, soft_us=None))]
    fn limit(
        &self,
        py: Python<'_>,
        task: String,
        hard_us: Option<i64>,
        soft_us: Option<i64>,
    ) -> PyResult<String> {
        self.adjust(py, Adjust::Limit { task, hard_us, soft_us })
    }

    /// The tasks that every child can run, as they have said; None before.
    fn tasks(&self) -> Option<Vec<String>> {
        self.inner.tasks()
    }

    /// Changes what the worker says of itself in the file.
    fn describe(&self, py: Python<'_>, facts: Vec<u8>) {
        py.detach(|| self.inner.describe(facts));
    }

    /// Asks each child for the stacks of its threads; they come as events.
    fn dump(&self) {
        self.inner.dump();
    }

    /// Kills the children, for a process that ends because the supervisor's thread stands still.
    fn destroy(&self, py: Python<'_>) {
        py.detach(|| self.inner.destroy());
    }

    /// Warm: no new claims, running jobs finish within the grace time. Cold: children are killed.
    #[pyo3(signature = (*, cold=false))]
    fn stop(&self, cold: bool) {
        self.inner.stop(cold);
    }
}

/// How many processors this process can use, by affinity and by the quotas of its control groups, rounded up.
#[pyfunction]
pub fn usable_cpus() -> u32 {
    worker::cpus()
}
