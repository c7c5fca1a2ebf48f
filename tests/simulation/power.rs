//! Power cuts. The real store writes on the disk in memory; at random moments, in the middle of whatever it writes, the
//! image that a power cut could leave is taken: all writes before a file's last sync, and of the later ones each
//! 512-byte sector or not. Every image is opened after a reboot and held against what clients had been told.
//!
//! * `PYQUEUE_POWER_POINTS=50000 PYQUEUE_POWER_FROM=1 cargo test --release --test simulation power_cuts` looks
//!   at more than the usual 2,000 images: five rates of kept sectors at each moment.
//! * `PYQUEUE_POWER_SEED=n` runs one seed. Seeds with several threads are the same only in what each thread does.

mod camera;
mod notes;
mod program;
mod verdict;

use std::io::Write;
use std::sync::Arc;

use pyqueue_core::sqlite::Durability;

use crate::dice::Dice;
use crate::vfs::{self, Disk};
use camera::{Camera, Image, Watched};
use notes::{Deed, Note};

/// What came of a seed.
#[derive(Default)]
struct Sum {
    images: usize,
    told: usize,
    /// Images that lack something that was acknowledged, but not to last.
    forgetful: usize,
    lost: usize,
    failures: Vec<String>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Past the harness, which keeps what tests print.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Runs a seed and gives its images, with what clients were told.
fn film(seed: u64, arm: &str, durability: Durability) -> (Vec<Image>, Vec<Note>) {
    let name = format!("power-{arm}-{seed}");
    let dice = Dice::new(seed ^ 0xc0_ffee);
    let camera = Camera::new(program::blank(&name), &name, dice, 30);
    program::run(&camera, seed, durability);
    let notes = std::mem::take(&mut *camera.notes());
    (camera.develop(), notes)
}

fn add(sum: &mut Sum, seed: u64, images: &[Image], notes: &[Note]) {
    sum.told += notes.len();
    for image in images {
        sum.images += 1;
        match verdict::judge(image, notes) {
            Ok(memory) => {
                sum.lost += memory.lost;
                sum.forgetful += usize::from(memory.lost > 0);
            }
            Err(wrong) => sum.failures.push(format!(
                "seed {seed}, cut before change {} with {} % of the sectors kept: {wrong}",
                image.position, image.kept
            )),
        }
    }
}

/// Every second seed is `normal`.
fn durability(seed: u64) -> Durability {
    if seed.is_multiple_of(2) { Durability::Normal } else { Durability::Full }
}

#[test]
fn power_cuts_take_only_what_was_not_promised_to_last() {
    let one = number("PYQUEUE_POWER_SEED");
    let points = number("PYQUEUE_POWER_POINTS").unwrap_or(2_000) as usize;
    let from = one.or_else(|| number("PYQUEUE_POWER_FROM")).unwrap_or(1);
    let mut sum = Sum::default();
    let mut seed = from;
    while sum.images < points && one.is_none_or(|one| seed == one) {
        let (images, notes) = film(seed, "cuts", durability(seed));
        let before = sum.failures.len();
        add(&mut sum, seed, &images, &notes);
        for failure in &sum.failures[before..] {
            say(&format!(
                "{failure}\n  see it again: PYQUEUE_POWER_SEED={seed} cargo test --release --test simulation power_cuts"
            ));
        }
        seed += 1;
    }
    say(&format!(
        "power cuts: seeds {from} to {}, {} moments, {} images, {} acknowledgements, {} images without the newest that were not to last ({} in all), {} failures",
        seed - 1,
        sum.images / 5,
        sum.images,
        sum.told,
        sum.forgetful,
        sum.lost,
        sum.failures.len()
    ));
    assert_eq!(sum.failures.len(), 0, "images failed");
}

/// The control arm: what was written in `normal` is not there as `full` promises.
#[test]
fn writes_that_are_not_synced_are_missed() {
    let mut sum = Sum::default();
    for seed in 1..4 {
        let (images, mut notes) = film(seed, "unsynced", Durability::Normal);
        for note in &mut notes {
            note.full = matches!(note.deed, Deed::Enqueue(_));
        }
        add(&mut sum, seed, &images, &notes);
    }
    let missed = sum.failures.iter().filter(|failure| failure.contains("acknowledged in `full`")).count();
    assert!(missed > 0, "{} images, none of them lacks anything", sum.images);
    assert_eq!(missed, sum.failures.len(), "{:?}", sum.failures);
}

/// The control arm of the disk itself: SQLite, which is sound with its syncs, is not without.
#[test]
fn without_syncs_the_file_breaks() {
    assert_eq!(broken("NORMAL"), 0);
    assert!(broken("OFF") > 0);
}

/// How many images of a plain database can't be read.
fn broken(synchronous: &str) -> usize {
    let name = format!("plain-{synchronous}");
    let disk = Disk::new(&name);
    let camera = Camera::new(disk.clone(), &name, Dice::new(7), 30);
    vfs::enter(Some(Arc::new(Watched { camera: camera.clone(), process: 1 })));
    let conn = program::connect(&disk, "plain.db").unwrap();
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 30;
         CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); CREATE INDEX i ON t(x)"
    ))
    .unwrap();
    for number in 0..300 {
        conn.execute("INSERT INTO t(x) VALUES(randomblob(300))", []).unwrap();
        conn.execute("DELETE FROM t WHERE id=?", [number / 2]).unwrap();
    }
    drop(conn);
    vfs::enter(None);
    let sound = |image: &Image| {
        let conn = program::connect(&image.disk, "plain.db")?;
        conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
    };
    camera.develop().iter().filter(|image| !sound(image).is_ok_and(|told| told == "ok")).count()
}
