//! How many threads a process should use.

use std::num::NonZero;

/// Cores that this process was given, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Threads to use.
    pub count: usize,
    /// What the number comes from.
    pub by: &'static str,
}

/// Cores that affinity and the quota of the cgroup leave to this process.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Cores for several programs of one thread each, which what is set for the threads of one does
/// not concern.
pub fn cores_of_job() -> usize {
    of(cores(), |name| std::env::var(name).ok().filter(|_| name == SLURM)).count
}

/// Threads by default: `RAYON_NUM_THREADS` or else `OMP_NUM_THREADS` where they are set, as other
/// programs take them; else the cores that affinity and the quota of the cgroup leave, at most
/// `SLURM_CPUS_PER_TASK`, since not every SLURM confines its jobs.
pub fn given() -> Given {
    of(cores(), |name| std::env::var(name).ok())
}

const SLURM: &str = "SLURM_CPUS_PER_TASK";

fn of(cores: usize, var: impl Fn(&str) -> Option<String>) -> Given {
    // OMP_NUM_THREADS may be a list, a number per level of nesting.
    let number = |name| var(name)?.split(',').next()?.trim().parse().ok().filter(|count| *count > 0);
    for by in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
        if let Some(count) = number(by) {
            return Given { count, by };
        }
    }
    match number(SLURM) {
        Some(count) if count < cores => Given { count, by: SLURM },
        _ => Given { count: cores, by: "cores" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_was_given() {
        let with = |cores, vars: &[(&str, &str)]| {
            let given = of(cores, |name| {
                vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
            (given.count, given.by)
        };
        assert_eq!(with(8, &[]), (8, "cores"));
        assert_eq!(with(8, &[("SLURM_CPUS_PER_TASK", "3")]), (3, "SLURM_CPUS_PER_TASK"));
        assert_eq!(with(2, &[("SLURM_CPUS_PER_TASK", "3")]), (2, "cores"));
        assert_eq!(with(8, &[("SLURM_CPUS_PER_TASK", "x")]), (8, "cores"));
        let set = [("SLURM_CPUS_PER_TASK", "3"), ("OMP_NUM_THREADS", "4,2")];
        assert_eq!(with(8, &set), (4, "OMP_NUM_THREADS"));
        assert_eq!(with(8, &[("OMP_NUM_THREADS", "0")]), (8, "cores"));
        assert_eq!(with(8, &[("OMP_NUM_THREADS", "4"), ("RAYON_NUM_THREADS", "1")]).0, 1);
    }
}
