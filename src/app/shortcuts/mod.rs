//! `domfreq shortcuts`: which classes carry a cue beside their content.

mod page;
mod words;

use anyhow::Result;
use serde::Serialize;

use super::{load, print, print_json, use_threads};
use crate::cli::{DataArgs, ShortcutsArgs};
use crate::data::{Options, Reduce, Spec};
use crate::disk;
use crate::error::Error;
use crate::field::Told;
use crate::figure::cues;
use crate::run::config::DataConfig;
use crate::shortcuts::{self, Report};

/// Images that are read at most, unless more are asked for.
const MOST: usize = 75_000;
/// Images are looked at in 64 pixels a side; 50,000 of them in colour in 40, so that they and a
/// copy of a byte each take 1.2 GB.
pub(super) const SIZE: Reduce = Reduce { largest: 64, smallest: 32, numbers: 240_000_000 };

/// What `--json` prints.
#[derive(Serialize)]
struct Whole<'a> {
    data: &'a Spec,
    description: &'a str,
    decoder: Option<&'a str>,
    #[serde(flatten)]
    told: &'a Told,
    /// The test set, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Test<'a>>,
    seed: u64,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Serialize)]
struct Test<'a> {
    data: &'a Spec,
    split: &'a str,
    description: &'a str,
    #[serde(flatten)]
    told: &'a Told,
}

pub fn run(args: &ShortcutsArgs) -> Result<()> {
    as_they_are(&args.data)?;
    use_threads(args.threads)?;
    let mut config = DataConfig::default();
    args.data.apply(&mut config)?;
    let mut options = Options { reduce: Some(SIZE), ..config.options() };
    let bounded = options.limit.is_none();
    if bounded {
        (options.limit, options.sample) = (Some(MOST), Some(args.seed));
    }
    let set = load(&config.spec, &options)?;
    let spec = |text: &String| text.parse().map_err(Error::within("--test"));
    let test_spec: Option<Spec> = args.test.as_ref().map(spec).transpose()?;
    if let (Some(file), Some(test)) = (&options.labels_at, &test_spec)
        && (test.has_label_file(file) || config.spec.has_label_file(file))
    {
        let expected = "images with their labels beside them: --labels are those of --data";
        return Err(Error::input("--test", expected, format_args!("--labels {file}")).into());
    }
    if let Some((h, w)) = set.source.reduced {
        options.size = Some((h, w));
    }
    options.split = args.test_split.clone().unwrap_or_else(|| "test".to_owned());
    let test =
        test_spec.as_ref().map(|spec| load(spec, &options).map_err(Error::within("--test"))).transpose()?;
    let chosen = shortcuts::Options { seed: args.seed };
    let mut report = match &test {
        Some(test) => shortcuts::compare(&set, test, chosen)?,
        None => shortcuts::search(&set, chosen)?,
    };
    if let Some((h, w)) = set.source.reduced {
        report.notes.push(format!(
            "images are looked at in {h}×{w} pixels: what is finer is not seen (--size H×W for others)"
        ));
    }
    if bounded && set.len() == MOST {
        report.notes.push(format!("{MOST} of the images were read, drawn by --seed (--limit for more)"));
    }
    let whole = Whole {
        data: &config.spec,
        description: &set.source.description,
        decoder: set.source.decoder.as_deref(),
        told: &set.source.told,
        test: test.as_ref().zip(test_spec.as_ref()).map(|(set, data)| Test {
            data,
            split: &options.split,
            description: &set.source.description,
            told: &set.source.told,
        }),
        seed: args.seed,
        report: &report,
    };
    if let Some(dir) = &args.out {
        disk::create_dir(dir)?;
        let picture = dir.join("shortcuts.png");
        cues::draw(&set, &report, &picture)?;
        page::page(&whole, &picture)?.write(&dir.join("report.html"))?;
        disk::write_bytes(&dir.join("shortcuts.json"), serde_json::to_string_pretty(&whole)?.as_bytes())?;
    }
    if args.json { print_json(&whole) } else { print(words::text(&whole).as_bytes()) }
}

/// Refuses flags that prepare images otherwise.
///
/// # Errors
/// [`Error::Input`] naming the flag.
pub(super) fn as_they_are(data: &DataArgs) -> crate::error::Result<()> {
    for (said, flag) in [(data.normalize.is_some(), "--normalize"), (data.center.is_some(), "--center")] {
        if said {
            return Err(Error::input(flag, "nothing: cues are looked for in pixels as they are", flag));
        }
    }
    Ok(())
}
