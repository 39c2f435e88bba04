//! The step size over time.

use std::f64::consts::PI;

use crate::run::config::{OptimConfig, ScheduleKind};

/// η of every update of a run.
#[derive(Clone, Debug)]
pub struct Schedule {
    kind: ScheduleKind,
    eta: f64,
    steps: u64,
    warmup: u64,
    milestones: Vec<u64>,
    gamma: f64,
}

// Shares of PyTorch's OneCycleLR: start, end, and length of the rise.
const CYCLE_START: f64 = 1.0 / 25.0;
const CYCLE_END: f64 = CYCLE_START / 1e4;
const CYCLE_RISE: f64 = 0.3;

impl Schedule {
    /// With the largest value `eta`, over `steps` updates, `per_epoch` of them a pass.
    pub fn new(config: &OptimConfig, eta: f64, steps: u64, per_epoch: u64) -> Self {
        let updates = |epochs: f64| (epochs * per_epoch as f64).round() as u64;
        Self {
            kind: config.schedule,
            eta,
            steps,
            warmup: updates(config.warmup).min(steps),
            milestones: config.milestones.iter().map(|&m| updates(m)).collect(),
            gamma: config.gamma,
        }
    }

    /// η of update `step`, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        if self.kind != ScheduleKind::Onecycle && step < self.warmup {
            return self.eta * (step + 1) as f64 / self.warmup as f64;
        }
        self.eta
            * match self.kind {
                ScheduleKind::Constant => 1.0,
                ScheduleKind::Cosine => {
                    let length = (self.steps - self.warmup).max(1);
                    between(1.0, 0.0, (step - self.warmup) as f64 / length as f64)
                }
                ScheduleKind::Step => {
                    let passed = self.milestones.iter().filter(|&&m| m <= step).count();
                    self.gamma.powi(passed as i32)
                }
                ScheduleKind::Onecycle => {
                    let top = (CYCLE_RISE * self.steps as f64 - 1.0).max(0.0);
                    let last = (self.steps as f64 - 1.0).max(top);
                    let step = step as f64;
                    if step <= top {
                        between(CYCLE_START, 1.0, if top > 0.0 { step / top } else { 1.0 })
                    } else {
                        between(1.0, CYCLE_END, (step - top) / (last - top))
                    }
                }
            }
    }
}

// Half a cosine from `start` to `end`, for `share` from 0 to 1.
fn between(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + (PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind, warmup: f64) -> Schedule {
        let config = OptimConfig {
            schedule: kind,
            warmup,
            milestones: vec![1.0, 2.5],
            gamma: 0.1,
            ..OptimConfig::default()
        };
        Schedule::new(&config, 0.4, 40, 10)
    }

    #[test]
    fn by_hand() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        close(schedule(ScheduleKind::Constant, 0.0).at(39), 0.4);
        let cosine = schedule(ScheduleKind::Cosine, 0.0);
        close(cosine.at(0), 0.4);
        close(cosine.at(20), 0.2);
        close(cosine.at(40), 0.0);
        let warm = schedule(ScheduleKind::Cosine, 0.5);
        close(warm.at(0), 0.08);
        close(warm.at(4), 0.4);
        close(warm.at(5), 0.4);
        let step = schedule(ScheduleKind::Step, 0.0);
        close(step.at(9), 0.4);
        close(step.at(10), 0.04);
        close(step.at(25), 0.004);
        let cycle = schedule(ScheduleKind::Onecycle, 0.0);
        close(cycle.at(0), 0.016);
        close(cycle.at(11), 0.4);
        close(cycle.at(39), 1.6e-6);
    }

    #[test]
    fn the_shortest_runs_have_a_step_size() {
        use clap::ValueEnum;
        for kind in ScheduleKind::value_variants() {
            for steps in 1..4 {
                let config = OptimConfig { schedule: *kind, warmup: 1.0, ..OptimConfig::default() };
                let schedule = Schedule::new(&config, 0.1, steps, 2);
                assert!((0..steps).all(|s| (0.0..=0.1).contains(&schedule.at(s))), "{kind:?} {steps}");
            }
        }
    }
}
