//! A study as a table: a line per mode of each case.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, WriterBuilder};

use super::{Case, LEAST_MODES, Mode, Study};
use crate::error::{Error, Result};
use crate::readers::READERS;

// Before and behind the scores of the readers.
const BEFORE: [&str; 9] =
    ["data", "network", "seeds", "agreement", "mode", "s", "lambda", "rho", "participation"];
const BEHIND: [&str; 3] = ["kernel_tau", "tau", "tau_seeds"];

fn header() -> Vec<String> {
    let readers = READERS.iter().map(|r| format!("f_{}", r.name));
    let [before, behind] = [&BEFORE[..], &BEHIND].map(|names| names.iter().map(|n| (*n).to_owned()));
    before.chain(readers).chain(behind).collect()
}

impl Study {
    /// CSV with a header: data and network by name; modes are counted from 1; what was not
    /// measured is empty; `tau` and `tau_seeds` (of each seed, separated by spaces) in steps.
    pub fn table(&self) -> String {
        let mut to = WriterBuilder::new().from_writer(Vec::new());
        let cell = |v: f64| if v.is_finite() { v.to_string() } else { String::new() };
        let mut write = |cells: Vec<String>| to.write_record(cells).expect("memory, and as many cells");
        write(header());
        for case in &self.cases {
            for (i, m) in case.modes.iter().enumerate() {
                let taus: Vec<_> = m.taus.iter().map(|t| format!("{t:.2}")).collect();
                let names = [&case.data, &case.network].map(Clone::clone);
                let counts = [case.seeds.to_string(), cell(case.ceiling), (i + 1).to_string()];
                let scores = [m.s, m.lambda, m.rho, m.participation].into_iter().chain(m.readers.clone());
                let times = [m.kernel, m.tau].map(cell).into_iter().chain([taus.join(" ")]);
                write(names.into_iter().chain(counts).chain(scores.map(cell)).chain(times).collect());
            }
        }
        String::from_utf8(to.into_inner().expect("memory")).expect("made of strings")
    }

    /// Reads what [`Study::table`] wrote into the file `path`.
    ///
    /// # Errors
    /// [`Error::Io`]; those of [`Study::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the `text` of a table; `place` is what it is called in errors.
    ///
    /// # Errors
    /// [`Error::Input`] naming line and column of what is no such table.
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        let mut from = ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let mut records = from.records().map(|record| {
            record.map_err(|e| Error::input(place, "a table in CSV, as `figure forecast` writes it", e))
        });
        let header = header();
        let first = records.next().transpose()?.unwrap_or_default();
        if first.iter().ne(&header) {
            let found = first.iter().collect::<Vec<_>>().join(",");
            return Err(Error::input(format!("{place}, line 1"), header.join(","), found));
        }
        let mut cases: Vec<Case> = Vec::new();
        for (i, record) in records.enumerate() {
            let record = record?;
            let line = record.position().map_or(i as u64 + 2, csv::Position::line);
            let place = format!("{place}, line {line}");
            let row = Row { record, header: &header, place };
            let [data, network] = [0, 1].map(|at| row.record[at].to_owned());
            let (seeds, number, mode) = row.mode()?;
            if number == 1 {
                let ceiling = row.cell(3)?;
                let (data, network) = (data.clone(), network.clone());
                cases.push(Case { data, network, seeds, ceiling, spearman: Vec::new(), modes: Vec::new() });
            }
            let Some(case) = cases.last_mut() else { return Err(row.wrong(4, 1)) };
            let before = [&case.data, &case.network, &case.seeds.to_string(), &case.ceiling.to_string()];
            let found = [data, network, seeds.to_string(), row.cell(3)?.to_string()];
            for (at, (expected, found)) in before.map(String::clone).iter().zip(found).enumerate() {
                if *expected != found {
                    return Err(row.wrong(at, format_args!("{expected}, as of the mode before,")));
                }
            }
            if number != case.modes.len() + 1 {
                return Err(row.wrong(4, case.modes.len() + 1));
            }
            case.modes.push(mode);
        }
        if cases.is_empty() {
            return Err(Error::input(place, "modes", "none"));
        }
        if let Some(case) = cases.iter().find(|case| case.modes.len() < LEAST_MODES) {
            let expected = format!("at least {LEAST_MODES} modes, to be ordered, of {}", case.name());
            return Err(Error::input(place, expected, case.modes.len()));
        }
        // Times of single seeds are rounded in a table, what they agree to is not.
        let whole = |case: Case| Case {
            ceiling: case.ceiling,
            ..Case::new(case.data, case.network, case.seeds, case.modes)
        };
        Ok(Self { cases: cases.into_iter().map(whole).collect() })
    }
}

struct Row<'a> {
    record: StringRecord,
    header: &'a [String],
    place: String,
}

impl Row<'_> {
    fn wrong(&self, at: usize, expected: impl std::fmt::Display) -> Error {
        let column = &self.header[at];
        Error::input(
            &self.place,
            format_args!("{expected} in column {column}"),
            format!("`{}`", &self.record[at]),
        )
    }

    fn count(&self, at: usize) -> Result<usize> {
        self.record[at].parse().map_err(|_| self.wrong(at, "a count"))
    }

    fn number(&self, text: &str, at: usize) -> Result<f64> {
        text.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(|| self.wrong(at, "a number"))
    }

    // NaN for what was not measured.
    fn cell(&self, at: usize) -> Result<f64> {
        let text = &self.record[at];
        if text.is_empty() { Ok(f64::NAN) } else { self.number(text, at) }
    }

    fn positive(&self, at: usize) -> Result<f64> {
        Some(self.cell(at)?).filter(|v| *v > 0.0).ok_or_else(|| self.wrong(at, "a positive number"))
    }

    fn mode(&self) -> Result<(usize, usize, Mode)> {
        let (seeds, number) = (self.count(2)?, self.count(4)?);
        let [s, lambda, rho, participation] = [5, 6, 7, 8].map(|at| self.positive(at));
        let readers = (0..READERS.len()).map(|r| self.cell(BEFORE.len() + r)).collect::<Result<_>>()?;
        let kernel = BEFORE.len() + READERS.len();
        let at = kernel + 2;
        let taus = self.record[at].split_whitespace().map(|tau| self.number(tau, at));
        let taus = taus.collect::<Result<Vec<_>>>()?;
        if taus.len() != seeds {
            return Err(self.wrong(at, format_args!("times of {seeds} seeds")));
        }
        let flow = if self.record[kernel].is_empty() { Ok(f64::NAN) } else { self.positive(kernel) };
        let (kernel, tau) = (flow?, self.positive(kernel + 1)?);
        let mode = Mode {
            s: s?,
            lambda: lambda?,
            rho: rho?,
            participation: participation?,
            readers,
            kernel,
            tau,
            taus,
        };
        Ok((seeds, number, mode))
    }
}

#[cfg(test)]
mod tests {
    use super::super::forecaster;
    use super::super::tests::made;
    use super::*;

    fn study() -> Study {
        let mut study = Study { cases: vec![made("a, \"b\"", 4, None), made("c", 5, Some((0, 1)))] };
        study.cases[1].modes.iter_mut().for_each(|m| m.kernel = f64::NAN);
        study
    }

    #[test]
    fn a_table_has_a_line_per_mode() {
        let text = study().table();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(
            lines[1].starts_with("\"a, \"\"b\"\"\",resnet8,2,1,1,1,1,10,20,0.2,0.4,0.1,"),
            "{}",
            lines[1]
        );
        assert!(lines[1].ends_with(",10,10.00 11.00") && lines[5].contains(",,"), "{}", lines[5]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (study, text) = (study(), study().table());
        let found = Study::parse(&text, "t.csv").unwrap();
        assert_eq!(found.table(), text);
        for (a, b) in study.cases.iter().zip(&found.cases) {
            let kernel = READERS.len();
            let same = |(at, (a, b)): (usize, (&f64, &f64))| a == b || (at == kernel && b.is_nan());
            assert!(a.spearman.iter().zip(&b.spearman).enumerate().all(same) && a.ceiling == b.ceiling);
            assert!(a.spearman[forecaster()].is_finite());
        }
        // Cases of one name are two where they were two.
        let two = Study { cases: vec![made("a", 4, None), made("a", 4, Some((2, 3)))] };
        assert_eq!(Study::parse(&two.table(), "t.csv").unwrap().cases.len(), 2);
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        let text = study().table();
        let says = |text: &str, part: &str| {
            let said = Study::parse(text, "t.csv").unwrap_err().to_string();
            assert!(said.starts_with("t.csv") && said.contains(part), "{said}");
        };
        says("", "expected data,network,seeds");
        says(text.lines().next().unwrap(), "expected modes, found none");
        says(
            &text.replacen("resnet8,2,", "resnet8,x,", 1),
            "line 2: expected a count in column seeds, found `x`",
        );
        says(
            &text.replacen("resnet8,2,", "resnet8,3,", 1),
            "line 2: expected times of 3 seeds in column tau_seeds",
        );
        says(&text.replacen(",10.00 11.00", ",10.00 inf", 1), "expected a number in column tau_seeds");
        says(&text.replacen(",10,20,", ",ten,20,", 1), "expected a number in column rho, found `ten`");
        says(&text.replacen(",10,20,", ",10,", 1), "writes it, found CSV error");
        says(&text.replacen(",10,20,", ",-10,20,", 1), "a positive number in column rho, found `-10`");
        says(
            &text.replacen("resnet8,2,1,2,", "resnet8,2,0.5,2,", 1),
            "1, as of the mode before, in column agree",
        );
        let short: Vec<_> = text.lines().take(3).collect();
        says(&short.join("\n"), "at least 3 modes, to be ordered, of a, \"b\", resnet8, found 2");
        let without = |line: usize| {
            let lines = text.lines().enumerate().filter(|(i, _)| *i != line).map(|(_, line)| line);
            lines.collect::<Vec<_>>().join("\n")
        };
        says(&without(1), "line 2: expected 1 in column mode, found `2`");
        says(&without(2), "line 3: expected 2 in column mode, found `3`");
        says(&without(5), "line 6: expected a, \"b\", as of the mode before, in column data, found `c`");
    }
}
