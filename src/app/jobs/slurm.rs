//! What the command line says to SLURM.

use std::fs;

use anyhow::Result;

use crate::cli::SlurmArgs;
use crate::error::Error;

/// Lines of `#SBATCH` for tasks, and those of them that the job after them has too.
pub fn directives(args: &SlurmArgs) -> Result<(Vec<String>, Vec<String>)> {
    super::one_line("--sbatch", &args.sbatch)?;
    let of = |pairs: &[(&str, &Option<String>)]| -> Vec<String> {
        let given = pairs.iter().filter_map(|(key, value)| value.as_ref().map(|value| (key, value)));
        given.map(|(key, value)| format!("--{key}={value}")).collect()
    };
    let mut shared = of(&[("partition", &args.partition), ("account", &args.account)]);
    shared.extend(args.sbatch.iter().cloned());
    let mut all = shared.clone();
    all.extend(of(&[("gres", &args.gres), ("time", &args.time), ("mem", &args.mem)]));
    Ok((all, shared))
}

/// Templates by these names, the site's own where it has them; each with what it is called in errors.
pub fn templates<const N: usize>(args: &SlurmArgs, ours: [(&str, &str); N]) -> Result<[(String, String); N]> {
    let own = |name: &str| args.templates.as_ref().map(|dir| dir.join(name)).filter(|path| path.exists());
    if let Some(dir) = args.templates.as_ref().filter(|_| ours.iter().all(|(name, _)| own(name).is_none())) {
        let names = ours.map(|(name, _)| name).join(" or a ");
        return Err(Error::input(dir.display(), format!("a {names}"), "neither").into());
    }
    let mut all = ours.map(|(name, text)| (text.to_owned(), name.to_owned()));
    for (found, (name, _)) in all.iter_mut().zip(ours) {
        if let Some(path) = own(name) {
            let text = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
            *found = (text, path.display().to_string());
        }
    }
    Ok(all)
}

/// How many tasks of an array run at a time, as `--array` takes it.
pub fn at_a_time(args: &SlurmArgs) -> String {
    args.max_parallel.map(|most| format!("%{most}")).unwrap_or_default()
}
