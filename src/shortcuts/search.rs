//! From what every reader says to one entry per class.

use std::sync::Arc;

use rayon::prelude::*;

use super::Entry;
use super::detector::{Context, DETECTORS, Detector, Finding};
use super::image::Image;
use super::null::Null;
use super::reader::{self, Reading};
use super::roc;
use super::set::Set;
use super::sums::Sums;
use crate::error::Result;

/// Images whose values are summed one after the other.
const BLOCK: usize = 256;
/// False positive rate at which carriers are counted.
const RATE: f64 = 0.01;
/// Images that are named.
const NAMED: usize = 10;
/// Images that levels were calibrated on at least.
const CALIBRATED: usize = 1000;
/// Classes between which there is no ghost any more.
const FEWEST: usize = 2;

pub(super) type Table = Vec<Box<dyn Detector>>;

/// A set that was looked through.
pub(super) struct Search<'a> {
    set: &'a Set,
    table: Table,
    /// Sums over both halves of each class, of each detector.
    halves: Vec<Vec<[Sums; 2]>>,
    totals: Vec<[Sums; 2]>,
    null: Null,
    reading: Reading,
    /// Statistic over level of every class, of the detectors and then the reader.
    ratios: Vec<Vec<f64>>,
}

impl<'a> Search<'a> {
    pub fn new(set: &'a Set, seed: u64) -> Result<Self> {
        let context = Arc::new(Context::new(set));
        let table: Table = DETECTORS.iter().map(|kind| (kind.make)(&context)).collect();
        let halves = gather(set, &table);
        let totals: Vec<[Sums; 2]> = (0..table.len())
            .map(|d| [0, 1].map(|half| Sums::total(halves.iter().map(|class| &class[d][half]))))
            .collect();
        let null = Null::new(set, &table, seed);
        let mut ratios = without_ghosts(&table, &halves, &null);
        let reading = reader::read(set, seed)?;
        ratios.extend(reading.ratios.iter().cloned());
        Ok(Self { set, table, halves, totals, null, reading, ratios })
    }

    // The reader with the highest ratio.
    fn best(&self, class: usize) -> usize {
        let ratio = |r: usize| self.ratios[r][class];
        (0..self.ratios.len()).fold(0, |best, r| if ratio(r) > ratio(best) { r } else { best })
    }

    fn finding(&self, class: usize, d: usize) -> Finding<'_> {
        self.table[d].finding(&self.halves[class][d], &self.totals[d])
    }

    // Of the classes that a detector has most to say of.
    fn jobs(&self, classes: impl Iterator<Item = usize>) -> Vec<Job<'_>> {
        classes
            .map(|class| (class, self.best(class)))
            .filter(|&(_, best)| best < self.table.len())
            .map(|(class, detector)| Job { class, detector, finding: self.finding(class, detector) })
            .collect()
    }

    /// Entries of all classes, the highest score first.
    pub fn entries(&self) -> Vec<Entry> {
        let jobs = self.jobs(0..self.set.names.len());
        let scored = scores(self.set, &self.table, &jobs);
        let scored = |class: usize| jobs.iter().zip(&scored).find(|(job, _)| job.class == class);
        let mut entries: Vec<Entry> =
            (0..self.set.names.len()).map(|class| self.entry(class, scored(class))).collect();
        entries.sort_by(|a, b| b.score.total_cmp(&a.score));
        entries
    }

    fn entry(&self, class: usize, scored: Option<(&Job, &Vec<f64>)>) -> Entry {
        let (set, best) = (self.set, self.best(class));
        let ratio = |r: usize| self.ratios[r][class];
        let mut entry = match scored {
            Some((job, scores)) => {
                let mut entry = judged(set, class, scores, &set.labels, None, job.finding.ties);
                entry.extreme = job.finding.extreme;
                let whole = |halves: &[Sums; 2]| Sums::total(halves);
                let (own, total) = (whole(&self.halves[class][best]), whole(&self.totals[best]));
                entry.masked = Some(self.table[best].masked(&own, &total) / self.null.guard(best));
                entry.p = Some(self.null.p(best, ratio(best) * self.null.guard(best)));
                entry
            }
            None => {
                let Reading { images, labels, scores, .. } = &self.reading;
                let scores = scores[best - self.table.len()].column(class).to_vec();
                judged(set, class, &scores, labels, Some(images), false)
            }
        };
        let mut order: Vec<usize> = (0..self.table.len()).filter(|&d| ratio(d) >= 1.0).collect();
        order.sort_by(|a, b| ratio(*b).total_cmp(&ratio(*a)));
        for found in order.into_iter().map(|d| self.finding(class, d)) {
            if entry.frequencies.is_empty() && !found.frequencies.is_empty() {
                (entry.frequencies, entry.colour) = (found.frequencies, found.colour);
            }
            entry.place = entry.place.or(found.place);
            entry.extreme = entry.extreme.or(found.extreme);
        }
        let names = || DETECTORS.iter().map(|kind| (kind.name, kind.about)).chain(reader::NAMES);
        (entry.reader, entry.kind) = names().nth(best).expect("as many as ratios");
        entry.ratios = names().enumerate().map(|(r, (name, _))| (name, ratio(r))).collect();
        entry.score = ratio(best);
        entry.alarm = entry.score >= 1.0;
        entry
    }

    /// How well the cue of each class that has an alarm tells this class from the others in
    /// another set of the same shape that has the class. Detectors score its images by what they
    /// found here; what the reader finds is its own there.
    pub fn elsewhere(&self, other: &Search) -> Vec<Elsewhere> {
        let there = |class: usize| other.set.names.iter().position(|name| *name == self.set.names[class]);
        let alarms: Vec<usize> = (0..self.set.names.len())
            .filter(|&class| self.ratios[self.best(class)][class] >= 1.0 && there(class).is_some())
            .collect();
        let jobs = self.jobs(alarms.iter().copied());
        let scored = scores(other.set, &self.table, &jobs);
        let area = |&class: &usize| {
            let to = there(class).expect("filtered");
            let best = self.best(class);
            let reader = best >= self.table.len();
            let (positive, negative) = match jobs.iter().zip(&scored).find(|(job, _)| job.class == class) {
                Some((_, scores)) => roc::divided(scores, &other.set.labels, to),
                None => {
                    let Reading { labels, scores, .. } = &other.reading;
                    let scores = scores[best - self.table.len()].column(to).to_vec();
                    roc::divided(&scores, labels, to)
                }
            };
            let area = crate::stats::auc(&positive, &negative);
            Elsewhere {
                class,
                area,
                interval: roc::interval(area, positive.len(), negative.len()),
                ratio: reader.then(|| other.ratios[best][to]),
            }
        };
        alarms.iter().map(area).collect()
    }
}

/// A cue in another set.
pub(super) struct Elsewhere {
    pub class: usize,
    /// Area under the ROC curve there, and its 95 % interval.
    pub area: f64,
    pub interval: [f64; 2],
    /// Of the reader, its statistic there over its level, which depends on the number of images
    /// only where there are many classes.
    pub ratio: Option<f64>,
}

/// What a reader of the report should know.
pub(super) fn notes(set: &Set) -> Vec<String> {
    let mut notes = Vec::new();
    let classes = set.names.len();
    if classes == 2 {
        notes.push("of two classes, a cue of one and the opposite cue of the other are the same".to_owned());
    }
    if set.len() < CALIBRATED {
        notes.push(format!(
            "levels were calibrated on {CALIBRATED} images and more; of {} little can be said",
            set.len()
        ));
    }
    if classes < reader::EXCESS {
        notes.push(format!(
            "with fewer than {} classes an alarm of `invariant` may be the classes' own texture",
            reader::EXCESS
        ));
    }
    if set.len() > reader::MOST {
        notes.push(format!("`invariant` read {} of the images, drawn by class", reader::MOST));
    }
    notes
}

// The half of an image: every other one of its class.
fn half(rank: usize) -> usize {
    rank % 2
}

// Sums of every class, of every detector, over both halves. The images of a block are summed
// in their order, and blocks in theirs, whatever the number of threads.
fn gather(set: &Set, table: &Table) -> Vec<Vec<[Sums; 2]>> {
    let of = |members: &[usize], which: usize| -> Vec<Sums> {
        let members: Vec<usize> =
            members.iter().enumerate().filter(|(rank, _)| half(*rank) == which).map(|(_, &i)| i).collect();
        let blocks: Vec<Vec<Sums>> = members
            .par_chunks(BLOCK)
            .map(|block| {
                let mut sums: Vec<Sums> = table.iter().map(|d| Sums::new(d.len())).collect();
                let mut values: Vec<Vec<f64>> = table.iter().map(|d| vec![0.0; d.len()]).collect();
                for &i in block {
                    let image = Image::new(set.bytes(i), set.shape);
                    for ((d, sums), values) in table.iter().zip(&mut sums).zip(&mut values) {
                        d.values(&image, values);
                        sums.push(values);
                    }
                }
                sums
            })
            .collect();
        (0..table.len()).map(|d| Sums::total(blocks.iter().map(|block| &block[d]))).collect()
    };
    let class = |members: &Vec<usize>| {
        let (first, second) = (of(members, 0), of(members, 1));
        first.into_iter().zip(second).map(|(a, b)| [a, b]).collect()
    };
    set.members.par_iter().map(class).collect()
}

// Ratios of every detector for every class.
fn without_ghosts(table: &Table, halves: &[Vec<[Sums; 2]>], null: &Null) -> Vec<Vec<f64>> {
    let whole: Vec<Vec<Sums>> =
        (0..table.len()).map(|d| halves.iter().map(|class| Sums::total(&class[d])).collect()).collect();
    let ratios = |kept: &[usize]| -> Vec<Vec<f64>> {
        let of = |d: usize| {
            let total = Sums::total(kept.iter().map(|&class| &whole[d][class]));
            let ratio = |&class: &usize| table[d].ratio(&whole[d][class], &total) / null.guard(d);
            kept.par_iter().map(ratio).collect()
        };
        (0..table.len()).map(of).collect()
    };
    let mut kept: Vec<usize> = (0..halves.len()).collect();
    let mut all = ratios(&kept);
    while kept.len() > FEWEST {
        let largest = |class: usize| all.iter().map(|r| r[class]).fold(0.0, f64::max);
        let Some(&first) = kept.iter().max_by(|a, b| largest(**a).total_cmp(&largest(**b))) else { break };
        if largest(first) < 1.0 {
            break;
        }
        kept.retain(|&class| class != first);
        if kept.iter().all(|&class| largest(class) < 1.0) {
            break;
        }
        for (all, new) in all.iter_mut().zip(ratios(&kept)) {
            kept.iter().zip(new).for_each(|(&class, new)| all[class] = all[class].min(new));
        }
    }
    all
}

struct Job<'a> {
    class: usize,
    detector: usize,
    finding: Finding<'a>,
}

// The score of every image for every job.
fn scores(set: &Set, table: &Table, jobs: &[Job]) -> Vec<Vec<f64>> {
    if jobs.is_empty() {
        return Vec::new();
    }
    let mut halves = vec![0; set.len()];
    for members in &set.members {
        members.iter().enumerate().for_each(|(rank, &i)| halves[i] = half(rank));
    }
    let rows: Vec<Vec<f64>> = (0..set.len())
        .into_par_iter()
        .map(|i| {
            let image = Image::new(set.bytes(i), set.shape);
            let mut values: Vec<Vec<f64>> = vec![Vec::new(); table.len()];
            let score = |job: &Job| {
                let (d, values) = (&table[job.detector], &mut values[job.detector]);
                if values.is_empty() {
                    values.resize(d.len(), 0.0);
                    d.values(&image, values);
                }
                (job.finding.score)(values, halves[i])
            };
            jobs.iter().map(score).collect()
        })
        .collect();
    let column = |(j, job): (usize, &Job)| {
        let mut scores: Vec<f64> = rows.iter().map(|row| row[j]).collect();
        if job.finding.crossed {
            [0, 1].into_iter().for_each(|half| unify(&mut scores, &halves, half));
        }
        scores
    };
    jobs.iter().enumerate().map(column).collect()
}

// Divides the scores of a half by their standard deviation.
fn unify(scores: &mut [f64], halves: &[usize], half: usize) {
    let of = || scores.iter().zip(halves).filter(|(_, h)| **h == half).map(|(s, _)| *s);
    let n = of().count() as f64;
    let mean = of().sum::<f64>() / n;
    let spread = (of().map(|s| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
    if spread > 0.0 {
        scores.iter_mut().zip(halves).filter(|(_, h)| **h == half).for_each(|(s, _)| *s /= spread);
    }
}

// An entry of what scores say, of all images or of those in `images`.
fn judged(
    set: &Set,
    class: usize,
    scores: &[f64],
    labels: &[usize],
    images: Option<&[usize]>,
    ties: bool,
) -> Entry {
    let (positive, negative) = roc::divided(scores, labels, class);
    let accuracy = crate::stats::auc(&positive, &negative);
    let (hits, rate) = if ties {
        let share = |scores: &[f64]| scores.iter().filter(|&&s| s > 0.5).count() as f64 / scores.len() as f64;
        (share(&positive), share(&negative))
    } else {
        (roc::tpr(&positive, &negative, RATE), RATE)
    };
    let share = if rate < 1.0 { ((hits - rate) / (1.0 - rate)).max(0.0) } else { 0.0 };
    let mut own: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
    own.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    own.truncate(NAMED);
    Entry {
        classes: vec![set.names[class].clone()],
        reader: "",
        kind: "",
        frequencies: Vec::new(),
        colour: None,
        place: None,
        extreme: None,
        score: 0.0,
        ratios: Vec::new(),
        told: None,
        told_of_others: None,
        masked: None,
        p: None,
        accuracy,
        interval: roc::interval(accuracy, positive.len(), negative.len()),
        carriers: (share * set.members[class].len() as f64).round() as usize,
        most: own.into_iter().map(|i| images.map_or(i, |images| images[i])).collect(),
        alarm: false,
    }
}
