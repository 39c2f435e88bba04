//! The programs of SLURM.

use std::process::{Command, Output};

use crate::error::{Error, Result};

/// Tasks of an array where the site does not say.
const ARRAY: usize = 1000;

/// What a program of SLURM says.
///
/// # Errors
/// [`Error::Input`] with its own words where it refuses, and where it is not there.
pub fn command(program: &str, args: &[&str]) -> Result<Output> {
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|e| Error::input(program, "a program of SLURM on the PATH (a login node has them)", e))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(Error::input(
        program,
        "success",
        if said.is_empty() { "no word".to_owned() } else { said.join("; ") },
    ))
}

/// Most tasks that an array may have here (`MaxArraySize`, which counts from 0).
pub fn array_size() -> usize {
    let said =
        command("scontrol", &["show", "config"]).map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    said.ok().and_then(|text| largest(&text)).unwrap_or(ARRAY)
}

fn largest(config: &str) -> Option<usize> {
    let line = config.lines().find(|line| line.trim_start().starts_with("MaxArraySize"))?;
    let size: usize = line.split('=').nth(1)?.trim().parse().ok()?;
    (size > 1).then(|| size - 1)
}

/// Gives `sbatch` a job; its number.
///
/// # Errors
/// As [`command`].
pub fn submit(args: &[&str]) -> Result<u64> {
    let all: Vec<&str> = std::iter::once("--parsable").chain(args.iter().copied()).collect();
    let output = command("sbatch", &all)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let id = said.trim().split(';').next().and_then(|id| id.parse().ok());
    id.ok_or_else(|| Error::input("sbatch", "the number of a job", format_args!("`{}`", said.trim())))
}

/// A path that can stand between double quotes in a line of `#SBATCH`.
///
/// # Errors
/// [`Error::Input`] for one with double quotes, backslashes or per cent signs, which `sbatch` reads
/// as something else.
pub fn quotable(path: &str) -> Result<&str> {
    if path.contains(['"', '\\', '%']) {
        let expected = "a path without double quotes, backslashes and per cent signs, for sbatch";
        return Err(Error::input(path, expected, "one of them"));
    }
    Ok(path)
}

/// A name of a job: letters, digits, dots, dashes.
pub fn job_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// GPUs that `gpu`, `gpu:2` or `gpu:a100:2` ask for.
pub fn gpus(gres: &str) -> usize {
    if !gres.starts_with("gpu") {
        return 0;
    }
    gres.rsplit(':').next().and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_says_and_takes() {
        assert_eq!(largest("A = 1\nMaxArraySize            = 1001\n"), Some(1000));
        assert_eq!(largest("MaxArraySize = x"), None);
        assert_eq!(quotable("/it's a #1").unwrap(), "/it's a #1");
        assert!(["a\"b", "a\\b", "%j"].iter().all(|path| quotable(path).is_err()));
        assert_eq!(job_name("speed of it/2.0"), "speed-of-it-2.0");
        assert_eq!(["gpu", "gpu:2", "gpu:a100:4", "shard:3"].map(gpus), [1, 2, 4, 0]);
    }
}
