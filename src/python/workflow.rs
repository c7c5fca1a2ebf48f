//! Workflows as Python classes.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::away::away;
use super::exceptions::to_py;
use super::job::{Failure, Job, NewJob};
use super::store::Store;
use crate::error::Error;
use crate::job::Payload;
use crate::plan::{self, Member, Node, Run};
use crate::store;

/// Jobs that wait for each other.
#[pyclass(module = "pyqueue._core")]
pub struct Plan {
    name: Option<String>,
    nodes: Vec<Node>,
    jobs: Vec<Planned>,
}

/// A job of a plan, its delays not yet counted from a moment.
#[derive(Clone)]
struct Planned {
    job: NewJob,
    after: Option<u32>,
    lifetime_us: Option<i64>,
    fills: (u32, u32),
    undo: Option<Box<NewJob>>,
}

fn node(inputs: u32, values: &str, run: &str) -> PyResult<Node> {
    let list = match values {
        "one" => false,
        "list" => true,
        other => return Err(unknown("values", other)),
    };
    let run = match run {
        "success" => Run::Success,
        "always" => Run::Always,
        "failure" => Run::Failure,
        other => return Err(unknown("run", other)),
    };
    Ok(Node { inputs, list, run, forwards: Vec::new() })
}

fn unknown(what: &str, value: &str) -> PyErr {
    to_py(Error::invalid(format!("{what}={value:?} is nothing a node can have")))
}

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (inputs, *, values="one", run="success", name=None))]
    fn new(inputs: u32, values: &str, run: &str, name: Option<String>) -> PyResult<Self> {
        Ok(Plan { name, nodes: vec![node(inputs, values, run)?], jobs: Vec::new() })
    }

    #[pyo3(signature = (inputs, *, values="one", run="success"))]
    fn node(&mut self, inputs: u32, values: &str, run: &str) -> PyResult<usize> {
        self.nodes.push(node(inputs, values, run)?);
        Ok(self.nodes.len() - 1)
    }

    fn forward(&mut self, node: usize, to: u32, position: u32) -> PyResult<()> {
        self.known(node)?.forwards.push((to, position));
        Ok(())
    }

    fn resize(&mut self, node: usize, inputs: u32) -> PyResult<()> {
        self.known(node)?.inputs = inputs;
        Ok(())
    }

    #[pyo3(signature = (job, *, after=None, fills, lifetime_us=None, undo=None))]
    fn add(
        &mut self,
        job: PyRef<'_, NewJob>,
        after: Option<u32>,
        fills: (u32, u32),
        lifetime_us: Option<i64>,
        undo: Option<PyRef<'_, NewJob>>,
    ) -> usize {
        let undo = undo.map(|undo| Box::new(NewJob::clone(&undo)));
        self.jobs.push(Planned { job: NewJob::clone(&job), after, lifetime_us, fills, undo });
        self.jobs.len() - 1
    }

    fn __len__(&self) -> usize {
        self.jobs.len()
    }

    /// Refuses what could not be stored.
    fn check(&self) -> PyResult<()> {
        self.sound().map(drop)
    }
}

impl Plan {
    fn known(&mut self, node: usize) -> PyResult<&mut Node> {
        let count = self.nodes.len();
        self.nodes
            .get_mut(node)
            .ok_or_else(|| to_py(Error::invalid(format!("there is no node {node} in a plan of {count}"))))
    }

    /// The plan itself, if it can be stored.
    pub fn sound(&self) -> PyResult<plan::Plan> {
        let jobs = self.jobs.iter().cloned().map(Planned::member).collect();
        checked(plan::Plan { name: self.name.clone(), nodes: self.nodes.clone(), jobs })
    }

    /// The same, with its jobs taken out: there may be very many.
    fn taken(&mut self) -> PyResult<plan::Plan> {
        let jobs = std::mem::take(&mut self.jobs).into_iter().map(Planned::member).collect();
        checked(plan::Plan { name: self.name.clone(), nodes: self.nodes.clone(), jobs })
    }
}

impl Planned {
    fn member(self) -> Member {
        Member {
            delay_us: self.job.delay_us(),
            job: self.job.undelayed(),
            after: self.after,
            lifetime_us: self.lifetime_us,
            fills: self.fills,
            undo: self.undo.map(|undo| Box::new(undo.undelayed())),
        }
    }
}

fn checked(plan: plan::Plan) -> PyResult<plan::Plan> {
    plan.check().map_err(to_py)?;
    Ok(plan)
}

/// What a node waits for.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Input {
    inner: plan::Input,
}

#[pymethods]
impl Input {
    #[getter]
    fn state(&self) -> &'static str {
        self.inner.state.unwrap_or("")
    }

    #[getter]
    fn id(&self) -> &str {
        &self.inner.id
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.inner.value.as_ref().map(|value| PyBytes::new(py, &value.body))
    }

    #[getter]
    fn content_type(&self) -> Option<&str> {
        self.inner.value.as_ref().and_then(|value| value.content_type.as_deref())
    }

    #[getter]
    fn failure(&self) -> Option<Failure> {
        self.inner.failure.clone().map(|inner| Failure { inner })
    }

    #[getter]
    fn node(&self) -> Option<i64> {
        self.inner.node
    }
}

/// A workflow in a list.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct WorkflowSummary {
    inner: plan::WorkflowSummary,
}

#[pymethods]
impl WorkflowSummary {
    #[getter]
    fn root(&self) -> i64 {
        self.inner.root
    }

    #[getter]
    fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.inner.state
    }

    #[getter]
    fn jobs(&self) -> i64 {
        self.inner.jobs
    }

    #[getter]
    fn made_us(&self) -> i64 {
        self.inner.made_us
    }

    #[getter]
    fn ended_us(&self) -> Option<i64> {
        self.inner.ended_us
    }
}

/// A node of a workflow.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct NodeView {
    inner: plan::NodeView,
}

#[pymethods]
impl NodeView {
    #[getter]
    fn id(&self) -> i64 {
        self.inner.id
    }

    #[getter]
    fn inputs(&self) -> u32 {
        self.inner.inputs
    }

    #[getter]
    fn waits(&self) -> u32 {
        self.inner.waits
    }

    #[getter]
    fn failed(&self) -> u32 {
        self.inner.failed
    }

    #[getter]
    fn list(&self) -> bool {
        self.inner.list
    }

    #[getter]
    fn filled(&self) -> Vec<(String, String, &'static str, Option<i64>)> {
        let branches = self.inner.filled.iter();
        branches.map(|one| (one.id.clone(), one.task.clone(), one.state, one.after)).collect()
    }
}

/// The workflows of a file.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Workflows {
    core: Arc<store::Store>,
}

fn wrapped(inputs: Vec<plan::Input>) -> Vec<Input> {
    inputs.into_iter().map(|inner| Input { inner }).collect()
}

#[pymethods]
impl Workflows {
    #[new]
    fn new(store: PyRef<'_, Store>) -> Self {
        Workflows { core: store.core() }
    }

    fn enqueue(&self, py: Python<'_>, mut plan: PyRefMut<'_, Plan>) -> PyResult<Vec<(String, bool)>> {
        let plan = plan.taken()?;
        let stored = away(py, || self.core.enqueue_plan(plan))?;
        Ok(stored.into_iter().map(|job| (job.id, job.created)).collect())
    }

    #[pyo3(signature = (job, start=0, limit=1000))]
    fn inputs(&self, py: Python<'_>, job: PyRef<'_, Job>, start: i64, limit: usize) -> PyResult<Vec<Input>> {
        let row = job.inner.row;
        away(py, || self.core.inputs(row, start, limit)).map(wrapped)
    }

    fn kind(&self, py: Python<'_>, job: PyRef<'_, Job>) -> PyResult<&'static str> {
        let row = job.inner.row;
        Ok(if away(py, || self.core.takes_list(row))? { "list" } else { "one" })
    }

    #[pyo3(signature = (node, start=0, limit=1000))]
    fn values(&self, py: Python<'_>, node: i64, start: i64, limit: usize) -> PyResult<Vec<Input>> {
        away(py, || self.core.values(node, start, limit)).map(wrapped)
    }

    fn progress(&self, py: Python<'_>, name: &str) -> PyResult<Option<(u32, u32, u32)>> {
        away(py, || self.core.progress_of(name))
    }

    #[pyo3(signature = (name, start=0, limit=1000))]
    fn members(&self, py: Python<'_>, name: &str, start: i64, limit: usize) -> PyResult<Vec<Input>> {
        away(py, || self.core.members(name, start, limit)).map(wrapped)
    }

    fn tree(&self, py: Python<'_>, id: &str) -> PyResult<Option<(WorkflowSummary, Vec<NodeView>)>> {
        let found = away(py, || self.core.tree(id))?;
        Ok(found.map(|(inner, nodes)| {
            let nodes = nodes.into_iter().map(|inner| NodeView { inner }).collect();
            (WorkflowSummary { inner }, nodes)
        }))
    }

    #[pyo3(signature = (limit=100))]
    fn list(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<WorkflowSummary>> {
        let found = away(py, || self.core.workflows(limit))?;
        Ok(found.into_iter().map(|inner| WorkflowSummary { inner }).collect())
    }

    fn cancel(&self, py: Python<'_>, id: &str) -> PyResult<Option<Vec<String>>> {
        away(py, || self.core.cancel_workflow(id))
    }

    fn step<'py>(
        &self,
        py: Python<'py>,
        job: PyRef<'_, Job>,
        name: &str,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Option<String>)>> {
        let row = job.inner.row;
        let found = away(py, || self.core.step(row, name))?;
        Ok(found.map(|value| (PyBytes::new(py, &value.body), value.content_type)))
    }

    #[pyo3(signature = (job, name, body, content_type=None))]
    fn keep_step(
        &self,
        py: Python<'_>,
        job: PyRef<'_, Job>,
        name: &str,
        body: Vec<u8>,
        content_type: Option<String>,
    ) -> PyResult<()> {
        let (row, token) = (job.inner.row, job.inner.token);
        let value = Payload { content_type, body };
        away(py, || self.core.keep_step(row, token, name, &value))
    }
}
