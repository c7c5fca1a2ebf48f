//! The only pyo3. Converts, leaves the GIL, answers signals; decides nothing.

mod away;
mod commands;
mod events;
mod exceptions;
mod foreign;
mod gates;
mod inspecting;
mod job;
mod load;
mod pipe;
mod schedules;
mod selection;
mod stats;
mod status;
mod store;
mod waiting;
mod watch;
mod worker;
mod workflow;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("sqlite_version", rusqlite::version())?;
    exceptions::add(module)?;
    module.add_class::<job::NewJob>()?;
    module.add_class::<job::Failure>()?;
    module.add_class::<job::Outcome>()?;
    module.add_class::<job::Job>()?;
    module.add_class::<status::JobSummary>()?;
    module.add_class::<status::JobView>()?;
    module.add_class::<status::Attempt>()?;
    module.add_class::<status::QueueStatus>()?;
    module.add_class::<status::WorkerStatus>()?;
    module.add_class::<load::TaskLoad>()?;
    module.add_class::<load::Load>()?;
    module.add_class::<store::Store>()?;
    module.add_class::<workflow::Plan>()?;
    module.add_class::<workflow::Input>()?;
    module.add_class::<workflow::WorkflowSummary>()?;
    module.add_class::<workflow::NodeView>()?;
    module.add_class::<workflow::Workflows>()?;
    foreign::add(module)?;
    module.add_class::<events::Events>()?;
    module.add_class::<events::Happened>()?;
    module.add_class::<stats::Stats>()?;
    module.add_class::<stats::TaskStats>()?;
    module.add_class::<schedules::Schedule>()?;
    module.add_class::<schedules::Schedules>()?;
    module.add_class::<inspecting::HeldJob>()?;
    module.add_class::<inspecting::Inspecting>()?;
    module.add_class::<commands::OpenOrder>()?;
    module.add_class::<commands::Reply>()?;
    module.add_class::<commands::Command>()?;
    module.add_class::<commands::Commands>()?;
    module.add_class::<gates::Gate>()?;
    module.add_class::<gates::Gates>()?;
    module.add_class::<selection::Selection>()?;
    module.add_class::<watch::Watch>()?;
    module.add_class::<worker::Event>()?;
    module.add_class::<worker::Worker>()?;
    module.add_class::<pipe::ChildPipe>()?;
    module.add_function(wrap_pyfunction!(worker::usable_cpus, module)?)?;
    #[cfg(feature = "mutants")]
    module.add("MUTANTS", crate::mutants::names())?;
    Ok(())
}
