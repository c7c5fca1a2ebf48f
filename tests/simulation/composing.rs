//! Random workflows.

use pyqueue_core::job::NewJob;
use pyqueue_core::plan::{Member, Node, Plan, Run};

use crate::dice::Dice;
use crate::making::{Scene, jobs};

fn node(inputs: u32, list: bool, run: Run) -> Node {
    Node { inputs, list, run, forwards: Vec::new() }
}

/// A job whose place nobody else can take.
fn job(dice: &mut Dice, scene: Scene) -> NewJob {
    let job = jobs(dice, scene, 1).remove(0);
    NewJob { dedup_key: None, alias: None, ..job }
}

fn member(job: NewJob, after: Option<u32>, fills: (u32, u32)) -> Member {
    Member { job, after, delay_us: None, lifetime_us: None, fills, undo: None }
}

/// A chain, a chord, or a graph.
pub fn plan(dice: &mut Dice, scene: Scene) -> Plan {
    match dice.below(3) {
        0 => chain(dice, scene),
        1 => chord(dice, scene),
        _ => graph(dice, scene),
    }
}

fn chain(dice: &mut Dice, scene: Scene) -> Plan {
    let length = 2 + dice.below(3) as u32;
    let nodes = (0..length).map(|_| node(1, false, Run::Success)).collect();
    let jobs = (0..length).map(|at| {
        let next = if at + 1 == length { 0 } else { at + 1 };
        member(job(dice, scene), (at > 0).then_some(at), (next, 0))
    });
    Plan { name: None, jobs: jobs.collect(), nodes }
}

fn chord(dice: &mut Dice, scene: Scene) -> Plan {
    let members = dice.below(4) as u32;
    let run = if dice.one_in(3) { Run::Always } else { Run::Success };
    let mut jobs: Vec<Member> = (0..members).map(|at| member(job(dice, scene), None, (1, at))).collect();
    let bodies = 1 + dice.below(2) as u32;
    jobs.extend((0..bodies).map(|at| member(job(dice, scene), Some(1), (0, at))));
    Plan { name: None, nodes: vec![node(bodies, true, Run::Success), node(members, true, run)], jobs }
}

/// Of each job a node that has its value, and of those that wait one that waits for them.
fn graph(dice: &mut Dice, scene: Scene) -> Plan {
    let count = 2 + dice.below(4) as u32;
    let mut nodes = vec![node(count, true, Run::Success)];
    nodes.extend((0..count).map(|at| Node { forwards: vec![(0, at)], ..node(1, false, Run::Success) }));
    let mut jobs = Vec::new();
    for at in 0..count {
        let before: Vec<u32> = (0..at).filter(|_| dice.one_in(2)).collect();
        let mut after = None;
        if !before.is_empty() {
            let own = nodes.len() as u32;
            let run = *dice.pick(&[Run::Success, Run::Success, Run::Always, Run::Failure]);
            nodes.push(node(before.len() as u32, true, run));
            for (position, other) in (0..).zip(&before) {
                nodes[*other as usize + 1].forwards.push((own, position));
            }
            after = Some(own);
        }
        jobs.push(member(job(dice, scene), after, (at + 1, 0)));
    }
    Plan { name: None, nodes, jobs }
}
