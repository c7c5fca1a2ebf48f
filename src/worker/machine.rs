//! What this process may use of the machine: processors and memory, as affinity and control groups leave them.

use std::fs;
use std::path::{Path, PathBuf};

/// No group says more than this; version 1 says "no limit" by a number near the largest.
const NO_LIMIT: u64 = 1 << 60;

/// Memory (bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What the machine has, or the tightest group allows.
    pub total: u64,
    /// What of it can still be had, caches that can be dropped included.
    pub free: u64,
}

/// How many processors' time this process can use: those it may run on, or the quota of its groups, rounded up.
pub fn cpus() -> u32 {
    let ours = rustix::thread::sched_getaffinity(None).map_or(0, |set| set.count());
    // A machine with more processors than the set has room for.
    let ours =
        if ours > 0 { ours } else { std::thread::available_parallelism().map_or(1, |n| n.get() as u32) };
    Groups::of_system().cpus().map_or(ours, |quota| quota.min(ours)).max(1)
}

/// The memory this process can use; `None` where /proc can't be read.
pub fn memory() -> Option<Memory> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let host = Memory { total: field(&text, "MemTotal:")?, free: field(&text, "MemAvailable:")? };
    Some(Groups::of_system().memory(host))
}

/// The resident memory of a process (bytes); `None` once it has ended.
pub fn resident(pid: u32) -> Option<u64> {
    statm(&fs::read_to_string(format!("/proc/{pid}/statm")).ok()?)
}

/// The second word of a `statm`, in bytes.
pub fn statm(text: &str) -> Option<u64> {
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// A line of /proc/meminfo, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// The control groups this process is in, each with those above it, as far as they are mounted here.
#[derive(Default)]
struct Groups {
    unified: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
    memory: Vec<PathBuf>,
}

impl Groups {
    fn of_system() -> Groups {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Groups::of(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"), Path::new("/"))
    }

    /// By the two files of /proc; `root` stands before every mount point.
    fn of(cgroup: &str, mounts: &str, root: &Path) -> Groups {
        let mut found = Groups::default();
        // `id:controllers:path`; version 2 has no controllers.
        for line in cgroup.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let has = |name| controllers.split(',').any(|one| one == name);
            if controllers.is_empty() {
                found.unified = above(mounts, root, path, |kind, _| kind == "cgroup2");
            }
            for (name, list) in [("cpu", &mut found.cpu), ("memory", &mut found.memory)] {
                if has(name) {
                    *list = above(mounts, root, path, |kind, options| {
                        kind == "cgroup" && options.split(',').any(|one| one == name)
                    });
                }
            }
        }
        found
    }

    fn cpus(&self) -> Option<u32> {
        let unified = self.unified.iter().filter_map(|group| {
            let text = fs::read_to_string(group.join("cpu.max")).ok()?;
            let mut words = text.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        });
        let older = self.cpu.iter().filter_map(|group| {
            Some((number(group, "cpu.cfs_quota_us")?, number(group, "cpu.cfs_period_us")?))
        });
        let quotas = unified.chain(older).filter(|(_, period): &(u64, u64)| *period > 0);
        quotas.map(|(quota, period)| u32::try_from(quota.div_ceil(period)).unwrap_or(u32::MAX).max(1)).min()
    }

    fn memory(&self, host: Memory) -> Memory {
        let unified = self.unified.iter().filter_map(|group| {
            Some((
                number(group, "memory.max")?,
                number(group, "memory.current")?,
                cached(group, "inactive_file "),
            ))
        });
        let older = self.memory.iter().filter_map(|group| {
            let (limit, used) = ("memory.limit_in_bytes", "memory.usage_in_bytes");
            Some((number(group, limit)?, number(group, used)?, cached(group, "total_inactive_file ")))
        });
        let limits = unified.chain(older).filter(|(limit, ..)| *limit < NO_LIMIT);
        limits.fold(host, |least, (limit, used, cached)| Memory {
            total: least.total.min(limit),
            free: least.free.min(limit.saturating_sub(used.saturating_sub(cached))),
        })
    }
}

/// A group's directory and those above it, up to where its hierarchy is mounted.
fn above(mounts: &str, root: &Path, path: &str, fits: impl Fn(&str, &str) -> bool) -> Vec<PathBuf> {
    // `id parent device root mount-point options … - kind source options`
    let mount = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split_whitespace();
        let (kind, options) = (after.next()?, after.nth(1)?);
        let mut before = before.split_whitespace().skip(3);
        fits(kind, options).then_some((before.next()?, before.next()?))
    });
    let Some((within, point)) = mount else { return Vec::new() };
    let point = root.join(point.trim_start_matches('/'));
    // Where the mount shows a part of the hierarchy that this process is not in, what is mounted has to do.
    let below = path.strip_prefix(within.trim_end_matches('/')).unwrap_or("").trim_start_matches('/');
    let start = point.join(below);
    start.ancestors().take_while(|group| group.starts_with(&point)).map(PathBuf::from).collect()
}

fn number(group: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
}

/// Bytes of files that nobody has looked at for a while: they count as used and are the first to go.
fn cached(group: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Memory = Memory { total: 64 << 30, free: 60 << 30 };

    fn put(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn version_2_and_the_tightest_of_the_groups_above() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            &[
                ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/a/memory.max", "1073741824\n"),
                ("sys/fs/cgroup/a/memory.current", "805306368\n"),
                ("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 268435456\n"),
                ("sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("sys/fs/cgroup/a/b/memory.current", "5\n"),
            ],
        );
        let mounts = "30 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let groups = Groups::of("0::/a/b\n", mounts, root.path());
        assert_eq!(groups.cpus(), Some(2), "one and a half, rounded up");
        assert_eq!(groups.memory(HOST), Memory { total: 1 << 30, free: 1 << 29 });
        let outside = Groups::of("0::/\n", mounts, root.path());
        assert_eq!((outside.cpus(), outside.memory(HOST)), (None, HOST));
    }

    #[test]
    fn version_1_in_a_container_that_sees_only_its_own_part() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            &[
                ("cg/cpu/cpu.cfs_quota_us", "300000\n"),
                ("cg/cpu/cpu.cfs_period_us", "100000\n"),
                ("cg/memory/memory.limit_in_bytes", "536870912\n"),
                ("cg/memory/memory.usage_in_bytes", "100\n"),
                ("cg/none/cpu.cfs_quota_us", "-1\n"),
                ("cg/none/cpu.cfs_period_us", "100000\n"),
                ("cg/none/memory.limit_in_bytes", "9223372036854771712\n"),
                ("cg/none/memory.usage_in_bytes", "100\n"),
            ],
        );
        let cgroup = "4:memory:/docker/77\n1:cpu,cpuacct:/docker/77\n";
        let mounts = |folder: &str| {
            format!(
                "32 31 0:29 /docker/77 /cg/{folder} rw - cgroup cgroup rw,cpu,cpuacct\n\
                 35 31 0:32 /docker/77 /cg/{} rw - cgroup cgroup rw,memory\n",
                if folder == "cpu" { "memory" } else { folder }
            )
        };
        let groups = Groups::of(cgroup, &mounts("cpu"), root.path());
        assert_eq!(groups.cpus(), Some(3));
        assert_eq!(groups.memory(HOST), Memory { total: 1 << 29, free: (1 << 29) - 100 });
        let free = Groups::of(cgroup, &mounts("none"), root.path());
        assert_eq!((free.cpus(), free.memory(HOST)), (None, HOST));
    }

    #[test]
    fn what_cannot_be_read_is_no_limit() {
        let groups = Groups::of("nonsense\n0::/x", "more nonsense - here", Path::new("/"));
        assert_eq!((groups.cpus(), groups.memory(HOST)), (None, HOST));
        assert!(cpus() >= 1);
        let here = memory().unwrap();
        assert!(here.free <= here.total && here.total > 0);
        assert!(resident(std::process::id()).unwrap() > 0);
        assert_eq!(resident(u32::MAX), None);
    }
}
