//! Commands as Python classes.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::away::on;
use super::store::Store;
use crate::error::Result;
use crate::store::{self, Answer, CommandView, NewCommand, OpenCommand, Stand};
use crate::wake::Line;
use crate::worker::liveness;

/// A command that a worker has not obeyed yet.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct OpenOrder {
    inner: OpenCommand,
}

#[pymethods]
impl OpenOrder {
    #[getter]
    fn id(&self) -> i64 {
        self.inner.id
    }

    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    #[getter]
    fn arguments<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.arguments)
    }

    #[getter]
    fn author(&self) -> &str {
        &self.inner.author
    }

    #[getter]
    fn asks(&self) -> bool {
        self.inner.asks
    }
}

/// What one worker has said to a command.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct Reply {
    owner: i64,
    worker: String,
    stand: &'static str,
    body: Option<Py<PyBytes>>,
    at_us: Option<i64>,
}

/// A command with all that is known of it.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct Command {
    id: i64,
    name: String,
    arguments: Py<PyBytes>,
    target: String,
    author: String,
    asks: bool,
    made_us: i64,
    expires_us: i64,
    replies: Vec<Py<Reply>>,
}

/// An addressee whose death was not noticed yet is gone all the same.
fn judged(answer: &Answer, directory: &std::path::Path) -> Stand {
    match answer.stand {
        Stand::Waiting | Stand::Begun | Stand::Expired if liveness::dead(directory, answer.owner) => {
            Stand::Gone
        }
        stand => stand,
    }
}

fn reply(py: Python<'_>, answer: Answer, stand: Stand) -> PyResult<Py<Reply>> {
    let stand = match stand {
        Stand::Waiting => "waiting",
        Stand::Begun => "begun",
        Stand::Ok => "ok",
        Stand::Error => "error",
        Stand::Expired => "expired",
        Stand::Gone => "gone",
    };
    let body = answer.body.map(|bytes| PyBytes::new(py, &bytes).unbind());
    Py::new(py, Reply { owner: answer.owner, worker: answer.worker, stand, body, at_us: answer.at_us })
}

fn command(py: Python<'_>, (view, stands): (CommandView, Vec<Stand>)) -> PyResult<Command> {
    let replies = view.answers.into_iter().zip(stands);
    Ok(Command {
        id: view.id,
        name: view.name,
        arguments: PyBytes::new(py, &view.arguments).unbind(),
        target: view.target,
        author: view.author,
        asks: view.asks,
        made_us: view.made_us,
        expires_us: view.expires_us,
        replies: replies.map(|(answer, stand)| reply(py, answer, stand)).collect::<PyResult<_>>()?,
    })
}

/// The commands of one file.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Commands {
    store: Arc<store::Store>,
}

impl Commands {
    fn views(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&store::Store) -> Result<Vec<CommandView>> + Send,
    ) -> PyResult<Vec<Command>> {
        let found = on(py, &self.store, |store| {
            let directory = store.directory()?;
            let judge = |view: CommandView| {
                let stands = view.answers.iter().map(|answer| judged(answer, &directory)).collect();
                (view, stands)
            };
            Ok(call(store)?.into_iter().map(judge).collect::<Vec<_>>())
        })?;
        found.into_iter().map(|each| command(py, each)).collect()
    }
}

#[pymethods]
impl Commands {
    #[new]
    fn new(store: &Store) -> Self {
        Commands { store: store.core() }
    }

    fn workers(&self, py: Python<'_>) -> PyResult<Vec<(i64, String)>> {
        on(py, &self.store, |store| {
            let directory = store.directory()?;
            let mut there = store.obedient()?;
            there.retain(|(owner, _)| liveness::alive(&directory, *owner));
            Ok(there)
        })
    }

    #[pyo3(signature = (name, arguments, workers, *, target, author, expires_us, asks=false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python class")]
    fn give(
        &self,
        py: Python<'_>,
        name: String,
        arguments: Vec<u8>,
        workers: Vec<i64>,
        target: String,
        author: String,
        expires_us: i64,
        asks: bool,
    ) -> PyResult<Option<(i64, i64)>> {
        let given = NewCommand { name, arguments, target, author, asks, expires_us };
        let given = on(py, &self.store, |store| store.give(given, workers))?;
        Ok(given.map(|given| (given.id, given.expires_us)))
    }

    #[pyo3(signature = (name, arguments, ok, body, *, target, author))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python class")]
    fn record(
        &self,
        py: Python<'_>,
        name: String,
        arguments: Vec<u8>,
        ok: bool,
        body: Vec<u8>,
        target: String,
        author: String,
    ) -> PyResult<i64> {
        let given = NewCommand { name, arguments, target, author, asks: false, expires_us: 1 };
        Ok(on(py, &self.store, |store| store.record(given, ok, body))?.id)
    }

    fn obey(&self, py: Python<'_>, owner: i64, name: &str) -> PyResult<bool> {
        on(py, &self.store, |store| store.obey(owner, name))
    }

    fn open(&self, py: Python<'_>, owner: i64) -> PyResult<Vec<OpenOrder>> {
        let found = on(py, &self.store, |store| store.open_commands(owner))?;
        Ok(found.into_iter().map(|inner| OpenOrder { inner }).collect())
    }

    fn begin(&self, py: Python<'_>, command: i64, owner: i64) -> PyResult<bool> {
        on(py, &self.store, |store| store.begin(command, owner))
    }

    fn answer(&self, py: Python<'_>, command: i64, owner: i64, ok: bool, body: Vec<u8>) -> PyResult<bool> {
        on(py, &self.store, |store| store.answer(command, owner, ok, body))
    }

    fn get(&self, py: Python<'_>, id: i64) -> PyResult<Option<Command>> {
        Ok(self.views(py, |store| Ok(store.command(id)?.into_iter().collect()))?.pop())
    }

    #[pyo3(signature = (limit, *, asking=false))]
    fn newest(&self, py: Python<'_>, limit: i64, asking: bool) -> PyResult<Vec<Command>> {
        self.views(py, |store| store.commands(limit, asking))
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
