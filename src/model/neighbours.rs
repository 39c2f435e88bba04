//! Beside other programs: for how long OpenMP's threads spin while they wait for each other.
//!
//! libgomp's threads spin for milliseconds at every barrier, which is right on a free machine. Beside
//! a program that has one of the cores they spend their time waiting for the thread that
//! cannot run: two threads then take longer than one. libgomp itself spins 300 times less while a
//! process has more OpenMP threads than there are cores. So where the kernel says
//! that threads of this process wait for a core, a thread is started that has OpenMP threads of its
//! own, which sleep, until there is no more waiting ([`use_threads`]). Results do not depend on it.

use std::collections::HashMap;
use std::sync::Once;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(300);
/// Waiting, in cores, from which spins are short.
const CROWDED: f64 = 0.15;
/// Waiting, in cores, below which a look counts as calm.
const FREE: f64 = 0.05;
/// Crowded looks, one after the other, after which spins are short: one alone is the start of a run,
/// where its own threads are many.
const CROWDS: usize = 3;
/// Calm looks, one after the other, after which spins are long again.
const CALM: usize = 10;
/// Looks after which sleeping threads are started anew.
const RENEWED: usize = 30;
/// Most sleeping threads with threads of their own.
const MOST: usize = 64;
/// Elements of a tensor beyond which a thread more works on it.
const GRAIN: i64 = 1 << 16;

/// Sets the number of libtorch's threads on the CPU; for more than one, watches from now on
/// whether other programs take cores from them.
///
/// # Panics
/// For more threads than an i32 has.
pub fn use_threads(threads: usize) {
    static WATCH: Once = Once::new();
    let count = i32::try_from(threads).expect("a number of threads");
    tch::set_num_threads(count);
    // Who sets how threads wait knows better.
    let set = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"].iter().any(|name| std::env::var_os(name).is_some());
    if threads > 1 && !set {
        WATCH.call_once(|| {
            let name = std::thread::Builder::new().name("neighbours".to_owned());
            // Without it everything is as it was.
            let _ = name.spawn(move || watch(i64::from(count)));
        });
    }
}

/// Nanoseconds that each thread of this process has waited for a core; None where the system does
/// not say (Linux does: `schedstat`).
fn waited() -> Option<HashMap<String, u64>> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        Some((path.file_name()?.to_str()?.to_owned(), delay(&text)?))
    };
    let all: HashMap<String, u64> = tasks.filter_map(of).collect();
    (!all.is_empty()).then_some(all)
}

// "running waiting slices", in nanoseconds.
fn delay(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

// By how much threads that were there before have waited since.
fn since(before: &HashMap<String, u64>, now: &HashMap<String, u64>) -> f64 {
    let of = |(thread, waited): (&String, &u64)| waited.checked_sub(*before.get(thread)?);
    now.iter().filter_map(of).sum::<u64>() as f64 / 1e9
}

/// Whether spins are short, from what each look says.
#[derive(Debug, Default)]
struct Mind {
    short: bool,
    crowded: usize,
    calm: usize,
}

impl Mind {
    // `cores`: how many cores' worth of time was waited.
    fn look(&mut self, cores: f64) {
        self.calm = if cores < FREE { self.calm + 1 } else { 0 };
        self.crowded = if cores > CROWDED { self.crowded + 1 } else { 0 };
        self.short = self.crowded >= CROWDS || (self.short && self.calm < CALM);
    }
}

fn watch(threads: i64) {
    let Some(mut before) = waited() else { return };
    let (mut mind, mut crowd) = (Mind::default(), None);
    let (mut at, mut looks) = (Instant::now(), 0usize);
    loop {
        std::thread::sleep(INTERVAL);
        let Some(now) = waited() else { return };
        mind.look(since(&before, &now) / at.elapsed().as_secs_f64());
        (before, at) = (now, Instant::now());
        looks += 1;
        if !mind.short {
            crowd = None;
        } else if crowd.is_none() || looks % RENEWED == 0 {
            // Anew from time to time: one that began while libtorch was told to use one thread has none.
            crowd = Some(Crowd::new(threads, allowed()));
        }
    }
}

/// OpenMP threads that sleep, as long as this is there.
struct Crowd {
    sleepers: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Crowd {
    // Enough for `threads` and these to be more than `cores`.
    fn new(threads: i64, cores: usize) -> Self {
        let each = usize::try_from(threads - 1).unwrap_or(0);
        let missing = (cores + 1).saturating_sub(each + 1);
        let count = missing.div_ceil(each.max(1)).clamp(1, MOST);
        // Fewer where the system has no more threads.
        Self { sleepers: (0..count).filter_map(|_| Self::sleeper(threads).ok()).collect() }
    }

    fn sleeper(threads: i64) -> std::io::Result<(Sender<()>, JoinHandle<()>)> {
        let (end, wait) = channel::<()>();
        let thread = std::thread::Builder::new().name("crowd".to_owned()).spawn(move || {
            // Large enough for all threads to have a part.
            let _ = Tensor::f_ones([GRAIN * threads], (Kind::Float, Device::Cpu)).and_then(|x| x.f_exp());
            // Until the other end is dropped.
            let _ = wait.recv();
        })?;
        Ok((end, thread))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let (ends, threads): (Vec<_>, Vec<_>) = self.sleepers.drain(..).unzip();
        drop(ends);
        // Their OpenMP threads count until they have ended.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// Cores that this process may run on, as libgomp counts them: of the affinity mask, whatever the quota.
fn allowed() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(count).unwrap_or_else(crate::threads::cores)
}

// Of "0-3,8".
fn count(list: &str) -> Option<usize> {
    let part = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (to + 1).checked_sub(from)
    };
    list.split(',').map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_read_and_counted() {
        assert_eq!(delay("1323802260 595892348 297\n"), Some(595_892_348));
        assert_eq!(delay("3"), None);
        let map = |pairs: &[(&str, u64)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        // One waited for 2 s; one is new, one has ended, and one began anew under an old number.
        let (before, now) =
            (map(&[("1", 5), ("2", 7), ("4", 9)]), map(&[("1", 2_000_000_005), ("3", 8), ("4", 1)]));
        assert!((since(&before, &now) - 2.0).abs() < 1e-12);
        #[cfg(target_os = "linux")]
        assert!(waited().is_none_or(|all| !all.is_empty()));
    }

    #[test]
    fn spins_are_short_while_cores_are_shared() {
        let mut mind = Mind::default();
        for cores in [0.1, 0.4, 0.4, 0.1, 0.4, 0.4] {
            mind.look(cores);
            assert!(!mind.short);
        }
        mind.look(0.4);
        assert!(mind.short);
        // Neither calm nor crowded: as before.
        (0..2 * CALM).for_each(|_| mind.look(0.1));
        assert!(mind.short);
        (1..CALM).for_each(|_| mind.look(0.0));
        assert!(mind.short);
        mind.look(0.0);
        assert!(!mind.short);
    }

    #[test]
    fn cores_are_counted_and_outnumbered() {
        assert_eq!(["\t0-3,8", "5", "0-1"].map(count), [Some(5), Some(1), Some(2)]);
        assert_eq!(count("3-x"), None);
        // Threads that work, and those of the crowd beside one each: more than cores.
        for (threads, cores, crowds) in [(2, 2, 1), (2, 4, 3), (4, 16, 5), (8, 8, 1), (2, 1000, MOST)] {
            let crowd = Crowd::new(threads, cores);
            assert_eq!(crowd.sleepers.len(), crowds, "{threads} of {cores}");
        }
    }

    #[test]
    fn results_do_not_depend_on_a_crowd() {
        let x = Tensor::linspace(0.0, 1.0, 1 << 20, (Kind::Float, Device::Cpu));
        let sum = || x.sin().sum(Kind::Float).double_value(&[]).to_bits();
        let alone = sum();
        let crowd = Crowd::new(2, 2);
        assert_eq!(crowd.sleepers.len(), 1);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(sum(), alone);
        drop(crowd);
        assert_eq!(sum(), alone);
    }
}
