//! What the nodes of workflows wait for, and what came of it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{advance, change, history};
use crate::codec::Cursor;
use crate::error::Result;
use crate::id::RowId;
use crate::job::{Failure, Payload, State};
use crate::nouns;
use crate::plan::Input;

macro_rules! columns {
    () => {
        "SELECT state, job, nonce, alias, source, content_type, value, checksum FROM pyqueue_input"
    };
}

/// Inputs of a node in order, from a position on. Each has what came of it: where that is the value of a node which is
/// no list, that of its input, and so on.
pub fn of_node(conn: &Connection, file: u32, node: i64, start: i64, limit: usize) -> Result<Vec<Input>> {
    let mut statement =
        conn.prepare_cached(concat!(columns!(), " WHERE id>=?1 AND id<=?2 ORDER BY id LIMIT ?3"))?;
    let from = advance::input(node, start.max(0));
    let found: Vec<(Input, Option<i64>)> = statement
        .query_map(params![from, advance::last_input(node), limit], |row| read(row, file))?
        .collect::<rusqlite::Result<_>>()?;
    found.into_iter().map(|(input, source)| resolved(conn, file, input, source)).collect()
}

/// The nodes lie in no circle: the plan was checked for that when it was stored. In a damaged file they may.
const DEPTH: usize = 1 << 20;

fn resolved(conn: &Connection, file: u32, mut input: Input, mut source: Option<i64>) -> Result<Input> {
    for _ in 0..DEPTH {
        let Some(node) = source.filter(|_| input.state == Some("success")) else { return Ok(input) };
        if is_list(conn, node)? {
            return Ok(Input { node: Some(node), ..input });
        }
        let mut statement = conn.prepare_cached(concat!(columns!(), " WHERE id=?1"))?;
        let Some((next, behind)) =
            statement.query_row([advance::input(node, 0)], |row| read(row, file)).optional()?
        else {
            return Ok(input);
        };
        (input, source) = (next, behind);
    }
    Ok(input)
}

/// Whether the value of a node is the list of its inputs.
pub fn is_list(conn: &Connection, node: i64) -> Result<bool> {
    let list = conn
        .prepare_cached("SELECT list FROM pyqueue_node WHERE id=?")?
        .query_row([node], |row| row.get(0))
        .optional()?;
    Ok(list.unwrap_or(false))
}

/// The first input that was filled by an end that is no success.
pub fn first_failed(conn: &Connection, file: u32, node: i64, inputs: i64) -> Result<Option<(State, Input)>> {
    let mut statement = conn
        .prepare_cached(concat!(columns!(), " WHERE id>=?1 AND id<?2 AND state BETWEEN 1 AND 4 LIMIT 1"))?;
    let (from, to) = (advance::input(node, 0), advance::input(node, inputs));
    Ok(statement
        .query_row([from, to], |row| {
            let state = history::state_of(row.get(0)?);
            Ok((state, read(row, file)?.0))
        })
        .optional()?)
}

fn read(row: &Row<'_>, file: u32) -> rusqlite::Result<(Input, Option<i64>)> {
    let state: Option<i64> = row.get(0)?;
    let job: Option<i64> = row.get(1)?;
    let id = match job {
        Some(job) => change::public(file, RowId(job), row.get(2)?, row.get(3)?),
        None => String::new(),
    };
    let body: Option<Vec<u8>> = row.get(6)?;
    let sound = history::sound(row.get(7)?, body.as_deref());
    let (mut value, mut failure) = (None, None);
    match (state, body) {
        (None, _) => {}
        (Some(0), _) if !sound => failure = Some(history::damaged_result()),
        (Some(0), Some(body)) => value = Some(Payload { content_type: row.get(5)?, body }),
        (Some(0), None) => {}
        (Some(_), body) => failure = body.filter(|_| sound).and_then(|body| why(&body)),
    }
    let state =
        state.map(|code| if code == advance::SKIPPED { "skipped" } else { history::state_of(code).name() });
    Ok((Input { state, id, value, failure, node: None }, row.get(4)?))
}

fn why(body: &[u8]) -> Option<Failure> {
    nouns::read_failure(&mut Cursor::new(body)).ok()
}
