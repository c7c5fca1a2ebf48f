//! Takes the images that power cuts leave, in the middle of whatever is being written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::notes::Note;
use crate::dice::Dice;
use crate::vfs::{Caller, Disk, Kind};

/// Of a hundred sectors written since their file's last sync so many reach the platter.
const KEPT: [u64; 5] = [0, 10, 50, 90, 100];

/// What one power cut left.
pub struct Image {
    pub disk: Arc<Disk>,
    /// How many notes clients had when it came.
    pub noted: usize,
    /// Which write, truncate, sync or delete it came before.
    pub position: u64,
    pub kept: u64,
}

struct Film {
    dice: Dice,
    position: u64,
    images: Vec<Image>,
}

/// A disk that is watched.
pub struct Camera {
    pub disk: Arc<Disk>,
    pub name: String,
    notes: Mutex<Vec<Note>>,
    film: Mutex<Film>,
    /// One of so many changes of the disk is a moment to look at.
    rarely: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Camera {
    pub fn new(disk: Arc<Disk>, name: &str, dice: Dice, rarely: u64) -> Arc<Camera> {
        let film = Mutex::new(Film { dice, position: 0, images: Vec::new() });
        Arc::new(Camera { disk, name: name.to_owned(), notes: Mutex::default(), film, rarely })
    }

    /// What clients know.
    pub fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        locked(&self.notes)
    }

    /// The images taken since the last call.
    pub fn develop(&self) -> Vec<Image> {
        std::mem::take(&mut locked(&self.film).images)
    }
}

/// The process of a thread under the camera.
pub struct Watched {
    pub camera: Arc<Camera>,
    pub process: u32,
}

impl Caller for Watched {
    fn process(&self) -> u32 {
        self.process
    }

    fn before(&self, kind: Kind, _: &str) {
        if !matches!(kind, Kind::Write | Kind::Truncate | Kind::Sync | Kind::Delete) {
            return;
        }
        let camera = &*self.camera;
        let mut film = locked(&camera.film);
        film.position += 1;
        if !film.dice.one_in(camera.rarely) {
            return;
        }
        // Before the disk is looked at: what others are told meanwhile nobody can ask for.
        let noted = camera.notes().len();
        for kept in KEPT {
            let position = film.position;
            let name = format!("{}-{position}-{kept}", camera.name);
            let disk = camera.disk.cut(&name, &mut || film.dice.below(100) < kept);
            film.images.push(Image { disk, noted, position, kept });
        }
    }

    fn sleep(&self, _: i64) {
        std::thread::yield_now();
    }
}
