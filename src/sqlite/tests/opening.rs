use std::fs;
use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn many_may_create_the_file_at_once() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("q.db");
        let barrier = Barrier::new(4);
        let children: Vec<_> = (0..3)
            .map(|child| {
                forked::fork_and(|| put(&open(&path).unwrap(), Durability::Normal, 100 + child).is_ok())
            })
            .collect();
        thread::scope(|scope| {
            for n in 0..4 {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    put(&open(path).unwrap(), Durability::Normal, n).unwrap();
                });
            }
        });
        assert!(children.into_iter().all(forked::ended_well));
        assert_eq!(open(&path).unwrap().read(count).unwrap(), 7);
    }
}

/// Descriptors of this process that lead to the path or its side files.
fn descriptors(path: &Path) -> usize {
    let path = path.to_str().unwrap();
    let leads = |to: std::path::PathBuf| to.to_str().is_some_and(|to| to.starts_with(path));
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter(|fd| fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(leads))
        .count()
}

#[test]
fn descriptors_are_used_again_and_closed_once_the_file_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("q.db");
    let once = |n| {
        let numbers = open(&path).unwrap();
        put(&numbers, Durability::Normal, n).unwrap();
        numbers.read(count).unwrap();
        descriptors(&path)
    };
    let peak = once(0);
    for n in 1..50 {
        assert_eq!(once(n), peak);
    }
    assert_eq!(descriptors(&path), 2, "the writer's and the reader's are parked");
    fs::remove_file(&path).unwrap();
    let other = directory.path().join("other.db");
    drop(open(&other).unwrap());
    assert_eq!(descriptors(&path), 0);
}
