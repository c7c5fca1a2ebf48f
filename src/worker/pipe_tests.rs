use super::*;
use crate::id::RowId;
use crate::job::Payload;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

fn pair() -> (tempfile::TempDir, Page, OwnedFd, Pipe) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("worker-1.page");
    let page = Page::create(&path, 1, super::super::page::entries(1), "").unwrap();
    let (ours, childs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    let pipe = Pipe::new(childs, Page::open(&path).unwrap(), 0).unwrap();
    (directory, page, ours, pipe)
}

fn job(row: i64) -> ClaimedJob {
    ClaimedJob {
        row: RowId(row),
        id: row.to_string(),
        token: 3,
        task: "app.add".into(),
        payload: Payload { content_type: None, body: b"[1, 2]".to_vec() },
        queue: "default".into(),
        priority: 0,
        attempt: 1,
        retries: 0,
        time_limit_us: None,
        soft_time_limit_us: None,
        enqueued_us: 0,
    }
}

fn offer(page: &Page, socket: &OwnedFd, rows: std::ops::Range<i64>) {
    let mut batch = Batch::jobs(Vec::new());
    for row in rows {
        page.offer(0, row as u32, row as u64 + 1, RowId(row), 3);
        batch.job(row as u32, row as u64 + 1, &job(row));
    }
    send_all(socket, &batch.close().unwrap()).unwrap();
}

fn outcomes(socket: &OwnedFd, inbound: &mut Inbound) -> Vec<Ended> {
    loop {
        match inbound.frame().unwrap() {
            Some(Frame::Outcomes(list)) => return list,
            Some(_) => panic!("another frame"),
            None => assert_ne!(inbound.read(socket, RecvFlags::empty()).unwrap(), 0),
        }
    }
}

#[test]
fn jobs_taken_back_are_skipped_and_the_last_outcome_is_sent_at_once() {
    let (_directory, page, ours, pipe) = pair();
    offer(&page, &ours, 0..4);
    let (first, offer) = pipe.recv().unwrap().unwrap();
    assert_eq!((first.id.as_str(), page.look(0, 0, 1).0), ("0", super::super::page::State::Started));
    assert!(page.retract(0, 1, 2) && page.retract(0, 3, 4));
    pipe.send(&first, offer, Outcome::Success(None), Vec::new(), None).unwrap();
    let (third, offer) = pipe.recv().unwrap().unwrap();
    assert_eq!(third.id, "2");
    pipe.send(&third, offer, Outcome::GivenBack, Vec::new(), None).unwrap();
    let mut inbound = Inbound::default();
    let mut ended = outcomes(&ours, &mut inbound);
    if ended.len() < 2 {
        ended.extend(outcomes(&ours, &mut inbound));
    }
    assert_eq!(ended.iter().map(|ended| ended.row.0).collect::<Vec<_>>(), [0, 2]);
    assert!(ended[0].started_us > 0 && ended[0].ended_us >= ended[0].started_us);
    drop(ours);
    assert!(pipe.recv().unwrap().is_none());
}

#[test]
fn an_outcome_does_not_wait_behind_a_long_job() {
    let (_directory, page, ours, pipe) = pair();
    offer(&page, &ours, 0..2);
    let mut inbound = Inbound::default();
    for _ in 0..3 {
        let (first, offer) = pipe.recv().unwrap().unwrap();
        pipe.send(&first, offer, Outcome::Success(None), Vec::new(), None).unwrap();
        // The second is taken and does not end: the flusher sends the first.
        let (second, offer) = pipe.recv().unwrap().unwrap();
        assert_eq!(outcomes(&ours, &mut inbound).len(), 1);
        pipe.send(&second, offer, Outcome::Success(None), Vec::new(), None).unwrap();
        assert_eq!(outcomes(&ours, &mut inbound).len(), 1);
        self::offer(&page, &ours, 0..2);
    }
}

#[test]
fn outcomes_of_short_jobs_travel_together() {
    let (_directory, page, ours, pipe) = pair();
    offer(&page, &ours, 0..64);
    for _ in 0..64 {
        let (job, offer) = pipe.recv().unwrap().unwrap();
        pipe.send(&job, offer, Outcome::Success(None), Vec::new(), None).unwrap();
    }
    let (mut inbound, mut frames, mut jobs) = (Inbound::default(), 0, 0);
    while jobs < 64 {
        jobs += outcomes(&ours, &mut inbound).len();
        frames += 1;
    }
    assert!(frames <= 8, "{frames} frames");
}

#[test]
fn the_jobs_of_one_frame_go_to_all_threads_that_wait() {
    let (_directory, page, ours, pipe) = pair();
    let together = std::sync::Barrier::new(4);
    let mut inbound = Inbound::default();
    for _ in 0..200 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (job, offer) = pipe.recv().unwrap().unwrap();
                    together.wait();
                    pipe.send(&job, offer, Outcome::Success(None), Vec::new(), None).unwrap();
                });
            }
            offer(&page, &ours, 0..4);
            let mut ended = 0;
            while ended < 4 {
                ended += outcomes(&ours, &mut inbound).len();
            }
        });
    }
}
