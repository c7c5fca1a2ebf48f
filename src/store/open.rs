//! An open file: the database, its side directory, its bell.

use std::fs::{DirBuilder, canonicalize, symlink_metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::room::{self, Room};
use super::rules::Rules;
use super::schema;
use crate::clock::Env;
use crate::error::{Error, Result};
use crate::sqlite::{Database, Durability};
use crate::wake::Bell;

/// How a file is opened and kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the file may hold other tables than ours.
    pub embed: bool,
    /// What an acknowledged enqueue survives.
    pub durability: Durability,
    /// The largest body of arguments or result, in bytes.
    pub max_body: usize,
    /// The most bytes that the file may hold while new jobs are taken in.
    pub max_db_bytes: Option<u64>,
    /// How long successes are kept (µs).
    pub history_age_us: i64,
    /// How many successes are kept.
    pub history_count: i64,
    /// How long failed and dead jobs are kept (µs).
    pub failed_age_us: i64,
}

/// What a store holds once it has been used.
pub struct Open {
    pub db: Database<Rules>,
    pub bell: Arc<Bell>,
    pub directory: PathBuf,
    pub room: Room,
    /// 32 random bits that stand for this file in public ids.
    pub file: u32,
}

impl Open {
    /// Opens the file, making it and its side directory if they are missing. On a full disk this takes what was
    /// set aside, or no worker could start there and nobody could look.
    pub fn new(path: &Path, options: &Options, env: &Env) -> Result<Open> {
        match Open::attempt(path, options, env) {
            Err(Error::Full(_))
                if side_name(path, env).is_ok_and(|directory| room::give_up(&directory, env)) =>
            {
                let open = Open::attempt(path, options, env)?;
                open.room.give_up();
                Ok(open)
            }
            other => other,
        }
    }

    fn attempt(path: &Path, options: &Options, env: &Env) -> Result<Open> {
        let random = env.random.next();
        let embed = options.embed;
        let db = Database::open(
            path,
            embed,
            env,
            move |conn, created| schema::admit(conn, created, embed),
            move |tx| schema::migrate(tx.conn, random),
        )?;
        let file = db.read(schema::file_id)?;
        let directory = side_directory(path, env)?;
        let bell = Arc::new(Bell::open(&directory)?);
        let room = Room::new(db.path(), &directory, &bell, options.max_db_bytes, env);
        Ok(Open { db, bell, directory, room, file })
    }
}

/// `<db>-pyqueue/` beside the file itself, wherever a symlink to it lies.
fn side_name(path: &Path, env: &Env) -> std::io::Result<PathBuf> {
    if let Some(vfs) = &env.vfs {
        return Ok(vfs.side(path));
    }
    let mut name = canonicalize(path)?.into_os_string();
    name.push("-pyqueue");
    Ok(name.into())
}

fn side_directory(path: &Path, env: &Env) -> Result<PathBuf> {
    let refused = |error: std::io::Error| Error::Refused {
        path: path.into(),
        reason: format!(
            "the directory for its side files can't be made: {error}; make the directory writable"
        ),
    };
    let directory = side_name(path, env).map_err(refused)?;
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            return Err(Error::Full("no room for the directory of side files".into()));
        }
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(refused(error)),
        _ => {}
    }
    if env.vfs.is_none() {
        refuse_directory(path, &directory)?;
    }
    Ok(directory)
}

/// Whoever may put files into the directory may ring our bell and call our workers dead: those are at most the
/// users who may write to the database itself.
fn refuse_directory(path: &Path, directory: &Path) -> Result<()> {
    let refused = |reason: &str| Error::Refused {
        path: directory.into(),
        reason: format!("{reason}; remove it and open the file again"),
    };
    let facts = |path: &Path| symlink_metadata(path).map_err(|_| refused("it can't be looked at"));
    let (own, file) = (facts(directory)?, facts(&canonicalize(path).unwrap_or_else(|_| path.into()))?);
    if !own.is_dir() {
        return Err(refused("the directory for side files is a link or a file"));
    }
    if own.uid() != file.uid() && own.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused("the directory for side files belongs to another user than the database"));
    }
    if own.mode() & 0o022 & !file.mode() != 0 {
        return Err(refused("more users may write to the directory for side files than to the database"));
    }
    Ok(())
}
