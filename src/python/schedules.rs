//! Schedules as Python classes.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::away::on;
use super::exceptions::to_py;
use super::job::NewJob;
use super::store::Store;
use crate::error::Error;
use crate::store::{self, Declared, Entry, Fire, Fired, Overlap, ScheduleView};
use crate::wake::Line;

/// A schedule as the file has it.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Schedule {
    inner: ScheduleView,
}

#[pymethods]
impl Schedule {
    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    #[getter]
    fn definition<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.definition)
    }

    #[getter]
    fn source(&self) -> Option<&str> {
        self.inner.source.as_deref()
    }

    #[getter]
    fn mark(&self) -> Option<&str> {
        self.inner.mark.as_deref()
    }

    #[getter]
    fn gone(&self) -> bool {
        self.inner.gone
    }

    #[getter]
    fn paused(&self) -> bool {
        self.inner.paused
    }

    #[getter]
    fn next_us(&self) -> Option<i64> {
        self.inner.next_us
    }

    #[getter]
    fn due_us(&self) -> Option<i64> {
        self.inner.due_us
    }

    #[getter]
    fn last_us(&self) -> Option<i64> {
        self.inner.last_us
    }

    #[getter]
    fn job(&self) -> Option<&str> {
        self.inner.job.as_deref()
    }

    #[getter]
    fn fired(&self) -> i64 {
        self.inner.fired
    }

    #[getter]
    fn skipped(&self) -> i64 {
        self.inner.skipped
    }
}

impl From<ScheduleView> for Schedule {
    fn from(inner: ScheduleView) -> Self {
        Schedule { inner }
    }
}

/// Name, mark, definition, next time and when that is fired, the last time seen.
type Given = (String, String, Vec<u8>, Option<(i64, i64)>, Option<i64>);

fn entry((name, mark, definition, next, seen_us): Given) -> Entry {
    Entry { name, mark, definition, next, seen_us }
}

/// The schedules of one file.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Schedules {
    store: Arc<store::Store>,
}

#[pymethods]
impl Schedules {
    #[new]
    fn new(store: &Store) -> Self {
        Schedules { store: store.core() }
    }

    fn all(&self, py: Python<'_>) -> PyResult<Vec<Schedule>> {
        Ok(on(py, &self.store, store::Store::schedules)?.into_iter().map(Schedule::from).collect())
    }

    fn get(&self, py: Python<'_>, name: &str) -> PyResult<Option<Schedule>> {
        Ok(on(py, &self.store, |store| store.schedule(name))?.map(Schedule::from))
    }

    fn due(&self, py: Python<'_>, now_us: i64, limit: usize) -> PyResult<Vec<Schedule>> {
        let due = on(py, &self.store, |store| store.due_schedules(now_us, limit))?;
        Ok(due.into_iter().map(Schedule::from).collect())
    }

    fn next_due(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        on(py, &self.store, store::Store::next_schedule)
    }

    fn put(
        &self,
        py: Python<'_>,
        name: String,
        definition: Vec<u8>,
        next: Option<(i64, i64)>,
        seen_us: Option<i64>,
    ) -> PyResult<bool> {
        let put = entry((name, String::new(), definition, next, seen_us));
        on(py, &self.store, |store| store.put_schedule(put))
    }

    fn declare(
        &self,
        py: Python<'_>,
        source: &str,
        version: i64,
        entries: Vec<Given>,
    ) -> PyResult<(&'static str, Vec<String>)> {
        let entries = entries.into_iter().map(entry).collect();
        Ok(match on(py, &self.store, |store| store.declare(source, version, entries))? {
            Declared::Done { taken } => ("done", taken),
            Declared::Stale => ("stale", Vec::new()),
            Declared::Older { newest } => ("older", vec![newest.to_string()]),
        })
    }

    fn remove(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        on(py, &self.store, |store| store.remove_schedule(name))
    }

    fn pause(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        on(py, &self.store, |store| store.pause_schedule(name))
    }

    fn resume(
        &self,
        py: Python<'_>,
        name: &str,
        next: Option<(i64, i64)>,
        seen_us: Option<i64>,
    ) -> PyResult<bool> {
        on(py, &self.store, |store| store.resume_schedule(name, next, seen_us))
    }

    #[pyo3(signature = (name, expected_us, tick_us, next, job, *, skipped=0, overlap="allow"))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python class")]
    fn fire(
        &self,
        py: Python<'_>,
        name: String,
        expected_us: i64,
        tick_us: i64,
        next: Option<(i64, i64)>,
        job: Option<PyRef<'_, NewJob>>,
        skipped: i64,
        overlap: &str,
    ) -> PyResult<(&'static str, Option<String>)> {
        let overlap = match overlap {
            "allow" => Overlap::Allow,
            "skip" => Overlap::Skip,
            "queue" => Overlap::Queue,
            other => {
                let text = format!("overlap is \"allow\", \"skip\" or \"queue\", not {other:?}");
                return Err(to_py(Error::invalid(text)));
            }
        };
        let now = self.store.env().clock.wall_us();
        let job = job.map(|job| job.at(now));
        let fire = Fire { name, expected_us, tick_us, next, skipped, overlap, job };
        Ok(match on(py, &self.store, |store| store.fire(fire))? {
            Fired::Job(id) => ("job", Some(id)),
            Fired::Skipped => ("skipped", None),
            Fired::Held => ("held", None),
            Fired::Lost => ("lost", None),
        })
    }

    fn run(&self, py: Python<'_>, name: &str, job: PyRef<'_, NewJob>) -> PyResult<Option<String>> {
        let job = job.at(self.store.env().clock.wall_us());
        on(py, &self.store, |store| store.run_schedule(name, job))
    }

    fn rung(&self, py: Python<'_>) -> PyResult<u32> {
        on(py, &self.store, |store| Ok(store.bell()?.seen(Line::Control)))
    }

    #[pyo3(signature = (rung, timeout_us=None))]
    fn wait(&self, py: Python<'_>, rung: u32, timeout_us: Option<u64>) -> PyResult<()> {
        on(py, &self.store, |store| {
            store.bell()?.wait(Line::Control, rung, timeout_us.map(Duration::from_micros));
            Ok(())
        })
    }

    fn ring(&self, py: Python<'_>) -> PyResult<()> {
        on(py, &self.store, |store| {
            store.bell()?.ring(Line::Control);
            Ok(())
        })
    }
}
