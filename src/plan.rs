//! Plans: jobs that wait for each other, as plain values. A node waits for its inputs; the end of a job fills one, and
//! so may the value of another node. Node 0 is the root: once it is complete, the workflow has ended.

use crate::error::{Error, Result};
use crate::job::NewJob;

/// The most inputs of a node.
pub const MOST_INPUTS: u32 = (1 << 20) - 1;

/// When the jobs that wait for a node run, once all its inputs are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// If every input is of a success. Else they fail without having run.
    Success,
    /// In any case; the errors are among the inputs.
    Always,
    /// If an input is of a failure. Else there is no reason for them.
    Failure,
}

/// A point that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// How many inputs it waits for.
    pub inputs: u32,
    /// Whether its value is the list of its inputs; else its only input.
    pub list: bool,
    /// When its jobs run.
    pub run: Run,
    /// Inputs of other nodes that get its value.
    pub forwards: Vec<Place>,
}

/// An input: the node's number in the plan, and the position.
pub type Place = (u32, u32);

/// A job of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The call.
    pub job: NewJob,
    /// The node it waits for; `None`: it may start at once.
    pub after: Option<u32>,
    /// Microseconds that it waits longer than for the node, or from the moment of storing.
    pub delay_us: Option<i64>,
    /// How long after that it may start at all (µs).
    pub lifetime_us: Option<i64>,
    /// The input that its end fills.
    pub fills: Place,
    /// What is to be done if it succeeds and its workflow fails.
    pub undo: Option<Box<NewJob>>,
}

/// Jobs that wait for each other, to be stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The workflow's name.
    pub name: Option<String>,
    /// The nodes; the first is the root.
    pub nodes: Vec<Node>,
    /// The jobs.
    pub jobs: Vec<Member>,
}

impl Plan {
    /// Refuses a plan in which an input would never be filled, would be filled twice, or waits for itself.
    pub fn check(&self) -> Result<()> {
        let count = self.nodes.len();
        let mut filled: Vec<Vec<bool>> = Vec::with_capacity(count);
        for node in &self.nodes {
            if node.inputs > MOST_INPUTS || (!node.list && node.inputs != 1) {
                return Err(wrong(format!(
                    "a list has at most {MOST_INPUTS} members, and what is no list has one, not {}; put groups into a group",
                    node.inputs
                )));
            }
            filled.push(vec![false; node.inputs as usize]);
        }
        let mut fill = |(node, position): Place| match filled
            .get_mut(node as usize)
            .and_then(|inputs| inputs.get_mut(position as usize))
        {
            Some(there) if !*there => {
                *there = true;
                Ok(())
            }
            Some(_) => Err(wrong(format!("input {position} of node {node} is filled twice"))),
            None => Err(wrong(format!("node {node} has no input {position}"))),
        };
        for member in &self.jobs {
            if member.after.is_some_and(|node| node == 0 || node as usize >= count) {
                return Err(wrong("a job waits for a node that is none of this plan".into()));
            }
            fill(member.fills)?;
        }
        self.nodes.iter().flat_map(|node| &node.forwards).try_for_each(|place| fill(*place))?;
        if count == 0 || filled.iter().flatten().any(|there| !there) {
            return Err(wrong("an input is filled by nothing".into()));
        }
        self.refuse_circle()
    }

    /// Takes away nodes whose inputs are all of nodes that are away already (Kahn 1962); what is left is a circle.
    fn refuse_circle(&self) -> Result<()> {
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); self.nodes.len()];
        let mut before = vec![0_u32; self.nodes.len()];
        for (number, node) in self.nodes.iter().enumerate() {
            next[number].extend(node.forwards.iter().map(|(to, _)| to));
        }
        for member in &self.jobs {
            if let Some(after) = member.after {
                next[after as usize].push(member.fills.0);
            }
        }
        next.iter().flatten().for_each(|to| before[*to as usize] += 1);
        let mut free: Vec<usize> = (0..before.len()).filter(|number| before[*number] == 0).collect();
        let mut away = 0;
        while let Some(number) = free.pop() {
            away += 1;
            for to in &next[number] {
                before[*to as usize] -= 1;
                if before[*to as usize] == 0 {
                    free.push(*to as usize);
                }
            }
        }
        if away == self.nodes.len() { Ok(()) } else { Err(wrong("it waits for itself in a circle".into())) }
    }
}

fn wrong(why: String) -> Error {
    Error::invalid(format!("this workflow can't be stored: {why}"))
}

/// What is known of one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// How what fills it ended; `None`: not yet. A job that had no reason to run is `skipped`.
    pub state: Option<&'static str>,
    /// The public id of the job that fills it; empty where a node does.
    pub id: String,
    /// Of a success, unless it was not wanted.
    pub value: Option<crate::job::Payload>,
    /// Of another end.
    pub failure: Option<crate::job::Failure>,
    /// Its value is the list of this node's inputs.
    pub node: Option<i64>,
}

/// A workflow in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowSummary {
    /// Its root.
    pub root: i64,
    /// Its name.
    pub name: Option<String>,
    /// running, undoing, success or failed.
    pub state: &'static str,
    /// How many jobs it was stored with.
    pub jobs: i64,
    /// When it was stored (wall time, µs).
    pub made_us: i64,
    /// When it ended.
    pub ended_us: Option<i64>,
}

/// A node of a workflow, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its number in the file.
    pub id: i64,
    /// How many inputs it has.
    pub inputs: u32,
    /// How many of them are not filled.
    pub waits: u32,
    /// How many were filled by an end that was no success.
    pub failed: u32,
    /// Whether its value is a list.
    pub list: bool,
    /// The first of its inputs.
    pub filled: Vec<BranchView>,
}

/// What fills an input, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchView {
    /// The public id of the job; empty where it is a node.
    pub id: String,
    /// The name of its task.
    pub task: String,
    /// Its state.
    pub state: &'static str,
    /// The node that it waited for, or whose value it is.
    pub after: Option<i64>,
}
