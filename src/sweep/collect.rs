//! All summaries of a sweep as one table, and their means over seeds.
//!
//! A row per run: its number, name and state, its values of the keys that vary, and every number
//! of its `summary.json` under its path there, lists counted from 1 (`modes.1.measured.t50`). Runs that
//! have not finished have empty cells. Of runs that differ in keys called `seed` alone there is a
//! row with the mean, the standard deviation (n − 1) and Student's 95 % interval of the mean of
//! every number. Both are written as CSV and as Parquet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rayon::prelude::*;
use serde_json::Value;

use super::plan::Sweep;
use super::status::{State, Status};
use crate::disk;
use crate::error::{Error, Result};
use crate::stats::Spread;

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Not there.
    Empty,
    /// A number.
    Number(f64),
    /// Anything else.
    Text(String),
}

impl Cell {
    fn of(value: &toml::Value) -> Self {
        match value {
            toml::Value::Integer(v) => Cell::Number(*v as f64),
            toml::Value::Float(v) => Cell::Number(*v),
            toml::Value::String(v) => Cell::Text(v.clone()),
            other => Cell::Text(other.to_string()),
        }
    }

    /// As it is written.
    pub fn text(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Number(v) => v.to_string(),
            Cell::Text(text) => text.clone(),
        }
    }
}

/// A table of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the columns.
    pub names: Vec<String>,
    /// A cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// Numbers of a summary, under their paths.
type Numbers = Vec<(String, f64)>;

/// What a sweep came to.
#[derive(Clone, Debug)]
pub struct Collected {
    /// A row per run.
    pub runs: Table,
    /// A row per configuration but for seeds; None where no seed varies.
    pub groups: Option<Table>,
    /// What each run has come to.
    pub states: Vec<Status>,
}

impl Collected {
    /// Reads all summaries of `sweep`. Those that cannot be read are failures of their runs.
    ///
    /// # Errors
    /// None but those of [`Sweep::states`].
    pub fn new(sweep: &Sweep) -> Result<Self> {
        let runs: Vec<_> = sweep.plan.runs.iter().collect();
        let mut states = sweep.states(&runs)?;
        let read: Vec<Option<Result<Numbers>>> = runs
            .par_iter()
            .zip(&states)
            .map(|(run, status)| {
                (status.state == State::Finished).then(|| numbers(&sweep.dir(run).join("summary.json")))
            })
            .collect();
        let mut names: Vec<String> = Vec::new();
        let mut at: HashMap<String, usize> = HashMap::new();
        let mut rows: Vec<Vec<(usize, f64)>> = Vec::new();
        for (found, status) in read.into_iter().zip(&mut states) {
            let mut row = Vec::new();
            match found {
                Some(Ok(found)) => {
                    for (name, value) in found {
                        let column = *at.entry(name).or_insert_with_key(|name| {
                            names.push(name.clone());
                            names.len() - 1
                        });
                        row.push((column, value));
                    }
                }
                Some(Err(e)) => (status.state, status.reason) = (State::Failed, Some(e.to_string())),
                None => {}
            }
            rows.push(row);
        }
        let keys = &sweep.plan.keys;
        let first = ["number", "name", "state"].map(str::to_owned);
        let whole: Vec<String> = first.into_iter().chain(keys.iter().cloned()).chain(names.clone()).collect();
        let mut table = Table { names: whole, rows: Vec::new() };
        for ((run, status), numbers) in runs.iter().zip(&states).zip(&rows) {
            let mut row = vec![
                Cell::Number(run.number as f64),
                Cell::Text(run.name.clone()),
                Cell::Text(status.state.word().to_owned()),
            ];
            row.extend(run.values.iter().map(Cell::of));
            let before = row.len();
            row.resize(before + names.len(), Cell::Empty);
            numbers.iter().for_each(|(column, value)| row[before + column] = Cell::Number(*value));
            table.rows.push(row);
        }
        let groups = groups(&table, keys, names.len());
        Ok(Self { runs: table, groups, states })
    }

    /// Writes `runs.csv` and `runs.parquet` into `dir`, and `groups` where there are some; what
    /// was written.
    ///
    /// # Errors
    /// [`Error::Io`]; a file that is there is whole, before and after.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for (name, table) in [("runs", Some(&self.runs)), ("groups", self.groups.as_ref())] {
            let Some(table) = table else { continue };
            let path = |ending: &str| dir.join(format!("{name}.{ending}"));
            disk::write_bytes(&path("csv"), table.csv().as_bytes())?;
            disk::write_bytes(&path("parquet"), &table.parquet()?)?;
            written.extend([path("csv"), path("parquet")]);
        }
        Ok(written)
    }
}

/// Whether a key is that of a seed.
pub fn is_seed(key: &str) -> bool {
    key.rsplit('.').next() == Some("seed")
}

fn groups(table: &Table, keys: &[String], columns: usize) -> Option<Table> {
    if !keys.iter().any(|key| is_seed(key)) {
        return None;
    }
    let fixed: Vec<usize> = (0..keys.len()).filter(|&i| !is_seed(&keys[i])).map(|i| 3 + i).collect();
    let from = 3 + keys.len();
    let mut order: Vec<Vec<Cell>> = Vec::new();
    let mut members: HashMap<String, (usize, Vec<usize>)> = HashMap::new();
    for (i, row) in table.rows.iter().enumerate() {
        let values: Vec<Cell> = fixed.iter().map(|&at| row[at].clone()).collect();
        let key = values.iter().map(Cell::text).collect::<Vec<_>>().join("\0");
        let entry = members.entry(key).or_insert_with(|| {
            order.push(values);
            (order.len() - 1, Vec::new())
        });
        entry.1.push(i);
    }
    let mut names: Vec<String> = fixed.iter().map(|&at| table.names[at].clone()).collect();
    names.push("runs".to_owned());
    for name in &table.names[from..from + columns] {
        names.extend(["mean", "sd", "low", "high"].map(|what| format!("{name} {what}")));
    }
    let mut rows: Vec<(usize, Vec<Cell>)> = members
        .into_values()
        .map(|(at, members)| {
            let mut row = order[at].clone();
            let finished = |i: &&usize| table.rows[**i][2] == Cell::Text("finished".to_owned());
            row.push(Cell::Number(members.iter().filter(finished).count() as f64));
            for column in from..from + columns {
                let values: Vec<f64> = members
                    .iter()
                    .filter_map(|&i| match table.rows[i][column] {
                        Cell::Number(v) => Some(v),
                        _ => None,
                    })
                    .collect();
                row.extend(spread(&values));
            }
            (at, row)
        })
        .collect();
    rows.sort_by_key(|(at, _)| *at);
    Some(Table { names, rows: rows.into_iter().map(|(_, row)| row).collect() })
}

// Mean, standard deviation, and the ends of its interval.
fn spread(values: &[f64]) -> [Cell; 4] {
    let Spread { mean, sd, interval: [low, high] } = Spread::of(values);
    [mean, sd, low, high].map(|v| if v.is_nan() { Cell::Empty } else { Cell::Number(v) })
}

// Every number of a JSON file, under its path.
fn numbers(path: &Path) -> Result<Numbers> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
    let whole: Value =
        serde_json::from_str(&text).map_err(|e| Error::input(path.display(), "the summary of a run", e))?;
    let mut found = Vec::new();
    walk(&whole, String::new(), &mut found);
    Ok(found)
}

fn walk(value: &Value, path: String, found: &mut Vec<(String, f64)>) {
    let below = |key: String| if path.is_empty() { key } else { format!("{path}.{key}") };
    match value {
        Value::Number(n) => found.extend(n.as_f64().map(|v| (path, v))),
        Value::Bool(b) => found.push((path, f64::from(u8::from(*b)))),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| walk(v, below((i + 1).to_string()), found));
        }
        Value::Object(map) => map.iter().for_each(|(key, v)| walk(v, below(key.clone()), found)),
        Value::Null | Value::String(_) => {}
    }
}

impl Table {
    /// As CSV (RFC 4180, lines end in \n).
    pub fn csv(&self) -> String {
        let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let line =
            |cells: &mut dyn Iterator<Item = String>| cells.map(|t| quoted(&t)).collect::<Vec<_>>().join(",");
        let mut text = line(&mut self.names.iter().cloned()) + "\n";
        for row in &self.rows {
            text += &(line(&mut row.iter().map(Cell::text)) + "\n");
        }
        text
    }

    /// As Parquet: columns of numbers as doubles, others as strings, all of them optional.
    ///
    /// # Errors
    /// [`Error::Input`] for what the format cannot hold.
    pub fn parquet(&self) -> Result<Vec<u8>> {
        let wrong = |e: parquet::errors::ParquetError| Error::input("Parquet", "a table", e);
        let numeric: Vec<bool> = (0..self.names.len())
            .map(|i| self.rows.iter().all(|row| !matches!(row[i], Cell::Text(_))))
            .collect();
        // Names are set after the parser, which knows plain ones alone.
        let fields: Vec<String> = numeric
            .iter()
            .enumerate()
            .map(|(i, numeric)| match numeric {
                true => format!("optional double c{i};"),
                false => format!("optional binary c{i} (UTF8);"),
            })
            .collect();
        let plain = parse_message_type(&format!("message runs {{ {} }}", fields.join(" "))).map_err(wrong)?;
        let named = plain.get_fields().iter().zip(&self.names).map(|(field, name)| {
            let info = field.get_basic_info();
            parquet::schema::types::Type::primitive_type_builder(name, field.get_physical_type())
                .with_repetition(info.repetition())
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .build()
                .map(Arc::new)
        });
        let named = named.collect::<std::result::Result<Vec<_>, _>>().map_err(wrong)?;
        let schema = parquet::schema::types::Type::group_type_builder("runs").with_fields(named).build();
        let schema = Arc::new(schema.map_err(wrong)?);
        let mut out = Vec::new();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(&mut out, schema, properties).map_err(wrong)?;
        let mut group = writer.next_row_group().map_err(wrong)?;
        for (i, numeric) in numeric.iter().enumerate() {
            let mut column = group.next_column().map_err(wrong)?.expect("one for each name");
            let there: Vec<i16> = self.rows.iter().map(|row| i16::from(row[i] != Cell::Empty)).collect();
            if *numeric {
                let values: Vec<f64> = self
                    .rows
                    .iter()
                    .filter_map(|row| if let Cell::Number(v) = row[i] { Some(v) } else { None })
                    .collect();
                column.typed::<DoubleType>().write_batch(&values, Some(&there), None).map_err(wrong)?;
            } else {
                let values: Vec<ByteArray> = self
                    .rows
                    .iter()
                    .filter(|row| row[i] != Cell::Empty)
                    .map(|row| ByteArray::from(row[i].text().into_bytes()))
                    .collect();
                column.typed::<ByteArrayType>().write_batch(&values, Some(&there), None).map_err(wrong)?;
            }
            column.close().map_err(wrong)?;
        }
        group.close().map_err(wrong)?;
        writer.close().map_err(wrong)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::manifest::{self, DataRecord, Manifest};
    use crate::sweep::Vars;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use std::fs;

    fn planned(dir: &Path, seeds: usize) -> Sweep {
        let file = dir.join("s.toml");
        let text = format!(
            "[grid]\n\"data.spec\" = [\"leaves:count=8,size=8\", \"shapes\"]\n\"run.seed\" = {{ from = 1, to = {seeds} }}"
        );
        fs::write(&file, text).unwrap();
        Sweep::plan(&file, &dir.join("out"), &Vars::new()).unwrap()
    }

    fn finish(sweep: &Sweep, number: usize, summary: &str) {
        let dir = sweep.dir(&sweep.plan.runs[number - 1]);
        fs::create_dir_all(&dir).unwrap();
        let mut m = Manifest::begin("x".into(), "CPU".into(), 1, 0, DataRecord::default());
        m.end(manifest::Status::Finished, None);
        m.write(&dir.join(manifest::FILE)).unwrap();
        fs::write(dir.join("summary.json"), summary).unwrap();
    }

    #[test]
    fn tables_by_hand() {
        let tmp = tempfile::tempdir().unwrap();
        let sweep = planned(tmp.path(), 3);
        for (number, eta) in [(1, 1.0), (2, 3.0), (3, 8.0)] {
            let text = format!(
                "{{\"eta\": {eta}, \"ok\": true, \"why\": \"x\", \"modes\": [{{\"t50\": null, \"s\": 2}}]}}"
            );
            finish(&sweep, number, &text);
        }
        finish(&sweep, 5, "{");
        let found = Collected::new(&sweep).unwrap();
        let states: Vec<State> = found.states.iter().map(|s| s.state).collect();
        use State::{Failed, Finished, Missing};
        assert_eq!(states, [Finished, Finished, Finished, Missing, Failed, Missing]);
        assert!(found.states[4].reason.as_ref().unwrap().contains("the summary of a run"));
        assert_eq!(found.runs.names[3..], ["data.spec", "run.seed", "eta", "modes.1.s", "ok"]);
        let csv = found.runs.csv();
        let name = &sweep.plan.runs[0].name;
        assert_eq!(
            csv.lines().nth(1),
            Some(format!("1,{name},finished,\"leaves:count=8,size=8\",1,1,2,1").as_str())
        );
        assert!(csv.lines().nth(4).unwrap().ends_with(",missing,shapes,1,,,"));
        let groups = found.groups.clone().unwrap();
        assert_eq!(groups.names[..6], ["data.spec", "runs", "eta mean", "eta sd", "eta low", "eta high"]);
        // 1, 3, 8: mean 4, sd √13, t of 2 degrees of freedom 4.3027.
        let of = |row: usize, column: usize| match groups.rows[row][column] {
            Cell::Number(v) => v,
            _ => f64::NAN,
        };
        assert_eq!((of(0, 1), of(0, 2)), (3.0, 4.0));
        assert!((of(0, 3) - 13f64.sqrt()).abs() < 1e-12);
        assert!((of(0, 5) - (4.0 + 4.302_653 * (13.0f64 / 3.0).sqrt())).abs() < 1e-4);
        assert_eq!((of(1, 1), groups.rows[1][2].clone()), (0.0, Cell::Empty));

        let written = found.write(tmp.path()).unwrap();
        assert_eq!(written.len(), 4);
        let reader = SerializedFileReader::new(fs::File::open(&written[1]).unwrap()).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap()).collect();
        assert_eq!((rows.len(), rows[2].get_double(5).unwrap()), (6, 8.0));
        assert_eq!(rows[0].get_string(3).unwrap(), "leaves:count=8,size=8");
        assert!(rows[3].get_double(5).is_err());
        let names: Vec<_> = rows[0].get_column_iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, found.runs.names);
    }

    #[test]
    fn without_seeds_there_are_no_groups() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("s.toml");
        fs::write(&file, "[grid]\n\"model.kind\" = [\"fcnn\"]").unwrap();
        let sweep = Sweep::plan(&file, &tmp.path().join("out"), &Vars::new()).unwrap();
        assert!(Collected::new(&sweep).unwrap().groups.is_none());
        assert!(is_seed("run.seed") && is_seed("data.seed") && !is_seed("run.seeds"));
    }
}
