//! Workflows: nodes that wait for inputs, and jobs that wait for nodes.

use pyqueue_core::job::State;
use pyqueue_core::plan::{Plan, Run};

use super::{Model, Place};

/// What filled an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    Good,
    Failed,
    /// Cancelled or expired.
    Stopped,
    Skipped,
}

/// A node of a workflow.
#[derive(Debug, Clone)]
pub struct Node {
    inputs: Vec<Option<Fill>>,
    list: bool,
    run: Run,
    forwards: Vec<(i64, usize)>,
    decided: bool,
}

impl Node {
    /// Inputs that are not filled or -1, failed ones, skipped ones: as the file has them.
    pub fn counts(&self) -> (i64, i64, i64) {
        let count =
            |which: fn(&Option<Fill>) -> bool| self.inputs.iter().filter(|one| which(one)).count() as i64;
        let waits = if self.decided { -1 } else { count(Option::is_none) };
        (waits, count(failed), count(|one| *one == Some(Fill::Skipped)))
    }
}

fn failed(fill: &Option<Fill>) -> bool {
    matches!(fill, Some(Fill::Failed | Fill::Stopped))
}

impl Model {
    /// Stores a workflow; its jobs' rows.
    pub fn plan(&mut self, plan: &Plan) -> Vec<(i64, bool)> {
        let first = self.nodes.keys().next_back().copied().unwrap_or(0) + 1;
        let number = |node: u32| first + i64::from(node);
        for (at, node) in (0..).zip(&plan.nodes) {
            let forwards = node.forwards.iter().map(|(to, position)| (number(*to), *position as usize));
            let node = Node {
                inputs: vec![None; node.inputs as usize],
                list: node.list,
                run: node.run,
                forwards: forwards.collect(),
                decided: false,
            };
            self.nodes.insert(number(at), node);
        }
        let mut rows = Vec::new();
        for member in &plan.jobs {
            let node = member.after.map(number);
            let place = node.map(Place::Held);
            let Ok((row, _)) = self.put(&member.job, place) else { continue };
            if let Some(job) = self.jobs.get_mut(&row) {
                job.fills = Some((number(member.fills.0), member.fills.1 as usize));
            }
            rows.push((row, true));
        }
        for (at, _) in (0..).zip(&plan.nodes).filter(|(_, node)| node.inputs == 0) {
            self.decide(number(at));
        }
        rows
    }

    /// The end of a job fills its input.
    pub fn fill_of(&mut self, row: i64, state: State) {
        let Some((node, position)) = self.jobs[&row].fills else { return };
        let fill = match state {
            State::Success => Fill::Good,
            State::Cancelled | State::Expired => Fill::Stopped,
            _ => Fill::Failed,
        };
        self.fill(node, position, fill);
    }

    fn fill(&mut self, node: i64, position: usize, fill: Fill) {
        let Some(input) = self.nodes.get_mut(&node).and_then(|node| node.inputs.get_mut(position)) else {
            return;
        };
        if input.is_none() {
            *input = Some(fill);
            self.filled.insert(node);
        }
    }

    /// What was filled decides nodes, and that fills others.
    pub fn advance(&mut self) {
        while !self.filled.is_empty() || !self.follows.is_empty() {
            self.settle();
            for node in std::mem::take(&mut self.filled) {
                let complete = |node: &super::Node| !node.decided && node.inputs.iter().all(Option::is_some);
                if self.nodes.get(&node).is_some_and(complete) {
                    self.decide(node);
                }
            }
        }
    }

    fn decide(&mut self, number: i64) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        node.decided = true;
        let node = node.clone();
        let bad = node.inputs.iter().any(failed);
        let skipped = node.inputs.contains(&Some(Fill::Skipped));
        let first =
            node.inputs.iter().copied().flatten().find(|one| matches!(one, Fill::Failed | Fill::Stopped));
        // How those end that don't run.
        let end = match node.run {
            Run::Success if bad && (node.list || first == Some(Fill::Failed)) => Some(Fill::Failed),
            Run::Success if bad => Some(Fill::Stopped),
            Run::Success if skipped => Some(Fill::Skipped),
            Run::Failure if !bad => Some(Fill::Skipped),
            _ => None,
        };
        for (to, position) in &node.forwards {
            self.fill(*to, *position, end.unwrap_or(Fill::Good));
        }
        let held =
            |(row, job): (&i64, &super::Job)| (job.place == Place::Held(number)).then_some((job.at, *row));
        let mut rows: Vec<(i64, i64)> = self.jobs.iter().filter_map(held).collect();
        rows.sort_unstable();
        for (_, row) in rows {
            match end {
                None => {
                    let later = self.jobs[&row].new.run_at_us.filter(|at| *at > self.now);
                    self.place(row, later.map_or(Place::Ready, Place::Later));
                }
                Some(Fill::Failed) => {
                    if node.list {
                        self.errbacks(row);
                    }
                    self.end(row, State::Failed);
                }
                Some(fill) => {
                    if let (Fill::Skipped, Some((node, position))) = (fill, self.jobs[&row].fills) {
                        self.fill(node, position, fill);
                    }
                    self.end(row, State::Cancelled);
                }
            }
        }
    }
}
