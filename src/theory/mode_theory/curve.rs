//! The scalar equation of one mode, dτ/dt = s − a(τ), and the recursion that gradient
//! descent makes of it.

/// a(τ) = Σ_k e^{grow_k + 2κ_k τ} − e^{decay_k − 2κ_k τ}.
#[derive(Clone, Debug)]
pub(super) struct Law {
    pub(super) kappa: Vec<f64>,
    pub(super) grow: Vec<f64>,
    pub(super) decay: Vec<f64>,
}

impl Law {
    fn terms(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.kappa.iter().zip(&self.grow).zip(&self.decay).map(|((&k, &g), &d)| (k, g, d))
    }

    pub(super) fn at(&self, tau: f64) -> f64 {
        let x = 2.0 * tau;
        self.terms().map(|(k, g, d)| (g + k * x).exp() - (d - k * x).exp()).sum()
    }

    /// τ at which a = s > 0; None where nothing grows.
    pub(super) fn root(&self, s: f64) -> Option<f64> {
        let start = self.at(0.0);
        let decaying: f64 = self.decay.iter().map(|d| d.exp()).sum();
        let (mut low, mut high) = if start < s {
            // Each growing term alone would be there by then.
            let goal = (s + decaying).ln();
            let alone = self.terms().filter(|(k, g, _)| *k > 0.0 && *g > f64::NEG_INFINITY);
            let high = alone.map(|(k, g, _)| (goal - g) / (2.0 * k)).fold(f64::INFINITY, f64::min);
            (0.0, high.max(0.0))
        } else {
            let fastest = self.kappa.iter().copied().fold(0.0, f64::max);
            let mut reach = 1.0 / fastest;
            while reach.is_finite() && self.at(-reach) > s {
                reach *= 2.0;
            }
            (-reach, 0.0)
        };
        if !(low.is_finite() && high.is_finite()) {
            return None;
        }
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Some(middle);
            }
            if self.at(middle) < s { low = middle } else { high = middle }
        }
    }

    /// Without the terms that never count between internal times 0 and `root`.
    fn active(&self, root: f64, s: f64) -> Self {
        let floor = (1e-17 * s / self.kappa.len().max(1) as f64).ln();
        let (first, last) = (root.min(0.0), root.max(0.0));
        let mut kept = Self { kappa: vec![], grow: vec![], decay: vec![] };
        for (k, g, d) in self.terms() {
            if k > 0.0 && (g + 2.0 * k * last).max(d - 2.0 * k * first) > floor {
                kept.kappa.push(k);
                kept.grow.push(g);
                kept.decay.push(d);
            }
        }
        kept
    }
}

/// A point of a curve: a and its first two derivatives in t, the internal time,
/// and with a finite step Σ (η r)².
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    t: f64,
    pub(super) a: f64,
    slope: f64,
    bend: f64,
    pub(super) tau: f64,
    pub(super) square: f64,
}

/// Behind the last node.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// s − a falls at this rate.
    Approach(f64),
    /// Nothing grows: a stays, the internal time goes on.
    Barren,
    /// Followed no further.
    Unknown,
}

/// The learning curve of one mode: nodes, and what is between and behind them.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    s: f64,
    nodes: Vec<Node>,
    tail: Tail,
}

// Smaller changes between nodes are interpolated linearly, which overshoots nowhere.
const FLAT: f64 = 1e-11;
// Of a between the nodes of the flow, before the last halving.
const TOLERANCE: f64 = 2e-11;
// Steps of the recursion that are worth following, and nodes kept of them.
const MAX_STEPS: usize = 1 << 17;
const MAX_NODES: usize = 1 << 14;

impl Curve {
    /// The gradient flow; with the terms of the law that count.
    ///
    /// s − a = 0 at an internal time τ*, and t = ∫ dτ/(s − a) is smooth in
    /// x = ln(τ*/(τ* − τ)): a grid there, refined where the interpolated curve is
    /// not the actual one. Every s − a is a sum of terms of one sign.
    pub(super) fn flow(law: &Law, s: f64) -> (Self, Law) {
        let Some(root) = law.root(s) else { return Self::barren(law, s) };
        let law = law.active(root, s);
        let path = Path::toward(&law, s, root);
        let mut curve = Self { s, nodes: vec![path.at(0.0).0], tail: Tail::Unknown };
        let step = 0.125;
        let mut x = 0.0;
        while (s - curve.last().a).abs() > 1e-12 * s && x < 200.0 {
            curve.panel(&path, x, x + step, 0);
            x += step;
        }
        let rate: f64 = law.terms().map(|(k, g, d)| path.rate_at_root(k, g, d)).sum();
        curve.tail = if rate > 0.0 { Tail::Approach(rate) } else { Tail::Unknown };
        (curve, law)
    }

    // Only decaying terms: a rises to zero from below, or is zero.
    fn barren(law: &Law, s: f64) -> (Self, Law) {
        let floor = (1e-13 * s).ln();
        let law = Law {
            kappa: law.kappa.clone(),
            grow: vec![f64::NEG_INFINITY; law.grow.len()],
            decay: law.decay.clone(),
        };
        let ends = law.terms().map(|(k, _, d)| (d - floor) / (2.0 * k));
        let end = ends.filter(|x| x.is_finite()).fold(0.0, f64::max);
        let path = Path { law: &law, s, root: f64::INFINITY, at_root: vec![] };
        let mut curve = Self { s, nodes: vec![path.at(0.0).0], tail: Tail::Barren };
        if end > 0.0 {
            (0..8)
                .for_each(|i| curve.panel(&path, end * f64::from(i) / 8.0, end * f64::from(i + 1) / 8.0, 0));
        }
        (curve, law)
    }

    fn last(&self) -> Node {
        self.nodes.last().copied().unwrap_or_default()
    }

    // Appends the nodes at the middle and the end of [x0, x1], or of parts of it.
    fn panel(&mut self, path: &Path, x0: f64, x1: f64, depth: u32) {
        let before = self.last();
        let middle = 0.5 * (x0 + x1);
        let mut mid = path.at(middle).0;
        mid.t = before.t + path.duration(x0, middle);
        let mut end = path.at(x1).0;
        end.t = mid.t + path.duration(middle, x1);
        let error = (self.between(&before, &end, mid.t).a - mid.a).abs();
        if error > TOLERANCE * self.s.max(mid.a.abs()) && depth < 40 && self.nodes.len() < MAX_NODES {
            self.panel(path, x0, middle, depth + 1);
            self.panel(path, middle, x1, depth + 1);
        } else {
            // Late panels can be shorter than the resolution of t.
            for node in [mid, end] {
                if node.t > self.last().t {
                    self.nodes.push(node);
                }
            }
        }
    }

    /// Gradient descent of step `eta`; None where it would take too many steps,
    /// and for a mode that never grows.
    pub(super) fn descent(law: &Law, s: f64, eta: f64, flow: &Curve) -> Option<Self> {
        if !matches!(flow.tail, Tail::Approach(_)) {
            return None;
        }
        let done = flow.nodes.iter().find(|n| (s - n.a).abs() <= 1e-9 * s)?.t / eta;
        let idle = idle_steps(law, s, eta, done);
        if done - idle > MAX_STEPS as f64 {
            return None;
        }
        let mut curve = Self { s, nodes: vec![], tail: Tail::Unknown };
        if idle > 0.0 {
            let first = flow.nodes[0];
            curve.nodes.push(Node { slope: 0.0, bend: 0.0, ..first });
        }
        let skipped = curve.nodes.len();
        let mut state = Recursion::new(law, s, eta, idle);
        // Derivatives in t from the neighbouring steps.
        let first = state.node;
        let (second, third) = (state.step(), state.step());
        let at_first = Node {
            slope: (4.0 * second.a - 3.0 * first.a - third.a) / (2.0 * eta),
            bend: (third.a - 2.0 * second.a + first.a) / (eta * eta),
            ..first
        };
        curve.nodes.push(at_first);
        let (mut before, mut now, mut next) = (first, second, third);
        let mut stride = 1;
        let limit = 1e3 * (s + first.a.abs());
        for i in 1..MAX_STEPS + MAX_STEPS / 2 {
            let gap = s - now.a;
            if !(now.a.abs() <= limit && next.a.is_finite()) {
                break;
            }
            let done = gap.abs() <= 1e-9 * s;
            if done || i % stride == 0 {
                let slope = (next.a - before.a) / (2.0 * eta);
                let bend = (next.a - 2.0 * now.a + before.a) / (eta * eta);
                curve.nodes.push(Node { slope, bend, ..now });
            }
            if done {
                let rate = ((s - before.a) / gap).ln() / eta;
                if rate > 0.0 && rate.is_finite() {
                    curve.tail = Tail::Approach(rate);
                }
                break;
            }
            if curve.nodes.len() > MAX_NODES {
                let mut index = 0;
                curve.nodes.retain(|_| {
                    index += 1;
                    index <= skipped || (index - 1 - skipped).is_multiple_of(2)
                });
                stride *= 2;
            }
            (before, now) = (now, next);
            next = state.step();
        }
        Some(curve)
    }

    pub(super) fn at(&self, t: f64) -> Node {
        let t = t.max(0.0);
        let index = self.nodes.partition_point(|n| n.t <= t);
        if let (Some(a), Some(b)) = (self.nodes.get(index.wrapping_sub(1)), self.nodes.get(index)) {
            return self.between(a, b, t);
        }
        let last = self.last();
        let (dt, gap) = (t - last.t, self.s - last.a);
        match self.tail {
            Tail::Approach(rate) => {
                let gone = -(-rate * dt).exp_m1();
                let tau = last.tau + gap * gone / rate;
                Node { t, a: last.a + gap * gone, tau, ..last }
            }
            Tail::Barren => Node { t, tau: last.tau + gap * dt, ..last },
            Tail::Unknown => Node { t, ..last },
        }
    }

    /// First time at which a ≥ level, level < s.
    pub(super) fn time_to(&self, level: f64) -> Option<f64> {
        let index = self.nodes.iter().position(|n| n.a >= level);
        let Some(index) = index else {
            let (Tail::Approach(rate), last) = (self.tail, self.last()) else { return None };
            let t = last.t + ((self.s - last.a) / (self.s - level)).ln() / rate;
            return (level < self.s && t.is_finite()).then_some(t);
        };
        let Some(before) = index.checked_sub(1) else { return Some(0.0) };
        let (a, b) = (&self.nodes[before], &self.nodes[index]);
        let (mut low, mut high) = (a.t, b.t);
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Some(high);
            }
            if self.between(a, b, middle).a < level { low = middle } else { high = middle }
        }
    }

    // Quintic Hermite interpolation of a and τ.
    fn between(&self, one: &Node, two: &Node, t: f64) -> Node {
        let h = two.t - one.t;
        let x = if h > 0.0 { ((t - one.t) / h).clamp(0.0, 1.0) } else { 1.0 };
        let quintic = |f: [f64; 2], d: [f64; 2], c: [f64; 2]| {
            let cube = x * x * x;
            let rise = cube * (10.0 - 15.0 * x + 6.0 * x * x);
            let slopes = d[0] * (x - cube * (6.0 - 8.0 * x + 3.0 * x * x))
                - d[1] * cube * (4.0 - 7.0 * x + 3.0 * x * x);
            let bends = c[0] * 0.5 * (x * x - cube * (3.0 - 3.0 * x + x * x))
                + c[1] * 0.5 * cube * (1.0 - 2.0 * x + x * x);
            let value = f[0] + (f[1] - f[0]) * rise + h * slopes + h * h * bends;
            value.clamp(f[0].min(f[1]), f[0].max(f[1]))
        };
        let line = |f: [f64; 2]| f[0] + (f[1] - f[0]) * x;
        let (a, tau) = ([one.a, two.a], [one.tau, two.tau]);
        if (two.a - one.a).abs() <= FLAT * self.s {
            return Node { t, a: line(a), tau: line(tau), square: line([one.square, two.square]), ..*one };
        }
        Node {
            t,
            a: quintic(a, [one.slope, two.slope], [one.bend, two.bend]),
            tau: quintic(tau, [self.s - one.a, self.s - two.a], [-one.slope, -two.slope]),
            square: line([one.square, two.square]),
            ..*one
        }
    }
}

/// The flow along x: τ = root·(1 − e^{−x}), or τ = x where there is no root.
struct Path<'a> {
    law: &'a Law,
    s: f64,
    root: f64,
    // The terms that are largest at the root: growing ones when a rises to s,
    // decaying ones when it falls to s.
    at_root: Vec<f64>,
}

impl<'a> Path<'a> {
    fn toward(law: &'a Law, s: f64, root: f64) -> Self {
        let largest = |(k, g, d): (f64, f64, f64)| {
            if root >= 0.0 { (g + 2.0 * k * root).exp() } else { (d - 2.0 * k * root).exp() }
        };
        Self { law, s, root, at_root: law.terms().map(largest).collect() }
    }

    // da/dτ at the root: the rate at which s − a falls in t.
    fn rate_at_root(&self, k: f64, g: f64, d: f64) -> f64 {
        2.0 * k * ((g + 2.0 * k * self.root).exp() + (d - 2.0 * k * self.root).exp())
    }

    /// The node at x (its t is zero) and dt/dx.
    fn at(&self, x: f64) -> (Node, f64) {
        // Sums of G = e^{grow + 2κτ} and D = e^{decay − 2κτ}: s − a, a, a' and a''.
        let (mut gap, mut a, mut first, mut second) = (0.0, 0.0, 0.0, 0.0);
        let mut add = |k: f64, g: f64, d: f64| {
            a += g - d;
            first += 2.0 * k * (g + d);
            second += 4.0 * k * k * (g - d);
        };
        let (tau, speed);
        if self.root.is_finite() {
            let left = self.root.abs() * (-x).exp();
            tau = if x == 0.0 { 0.0 } else { self.root - left.copysign(self.root) };
            let rising = self.root >= 0.0;
            for ((k, g, d), &there) in self.law.terms().zip(&self.at_root) {
                let fall = (-2.0 * k * left).exp_m1();
                if rising {
                    let d = (d - 2.0 * k * tau).exp();
                    gap -= fall * (there + d);
                    add(k, there * (1.0 + fall), d);
                } else {
                    let g = (g + 2.0 * k * tau).exp();
                    gap += fall * (there + g);
                    add(k, g, there * (1.0 + fall));
                }
            }
            speed = left / gap.abs();
        } else {
            tau = x;
            for (k, _, d) in self.law.terms() {
                add(k, 0.0, (d - 2.0 * k * tau).exp());
            }
            gap = self.s - a;
            speed = 1.0 / gap;
        }
        if gap.abs() < 0.5 * self.s {
            a = self.s - gap;
        }
        let (slope, bend) = (first * gap, (second * gap - first * first) * gap);
        // Arrived: whatever is left is below rounding.
        let speed = if speed.is_finite() { speed } else { 0.0 };
        (Node { t: 0.0, a, slope, bend, tau, square: 0.0 }, speed)
    }

    // ∫ dt/dx over [x0, x1], Gauss-Legendre of 3 points.
    fn duration(&self, x0: f64, x1: f64) -> f64 {
        let (half, middle) = (0.5 * (x1 - x0), 0.5 * (x0 + x1));
        let away = half * 0.6f64.sqrt();
        let ends = self.at(middle - away).1 + self.at(middle + away).1;
        half * (5.0 * ends + 8.0 * self.at(middle).1) / 9.0
    }
}

/// Steps at the start during which every term is below 1e-13 s, and s − a is s.
fn idle_steps(law: &Law, s: f64, eta: f64, most: f64) -> f64 {
    let fastest = law.kappa.iter().copied().fold(0.0, f64::max);
    if eta * fastest * s >= 0.5 {
        return 0.0;
    }
    let all = |n: f64| -> f64 {
        law.terms().map(|(k, g, d)| (g + 2.0 * n * (eta * k * s).ln_1p()).exp() + d.exp()).sum()
    };
    let (mut low, mut high) = (0.0, most.min(9e15));
    if all(0.0) > 1e-13 * s {
        return 0.0;
    }
    while high - low > 1.0 {
        let middle = 0.5 * (low + high);
        if all(middle) <= 1e-13 * s { low = middle } else { high = middle }
    }
    low.floor()
}

/// Gradient descent on one mode.
struct Recursion {
    s: f64,
    eta: f64,
    step: f64,
    node: Node,
    kappa: Vec<f64>,
    grown: Vec<f64>,
    decayed: Vec<f64>,
}

// The compiler makes vector instructions of sums over so many lanes.
const LANES: usize = 4;

impl Recursion {
    // After `idle` steps with r = s.
    fn new(law: &Law, s: f64, eta: f64, idle: f64) -> Self {
        let padded = |mut values: Vec<f64>| {
            values.resize(values.len().next_multiple_of(LANES), 0.0);
            values
        };
        // ln(1 − x) is only defined for steps so small that some may be idle.
        let passed = |x: f64| if idle > 0.0 { 2.0 * idle * x.ln_1p() } else { 0.0 };
        let mut state = Self {
            s,
            eta,
            step: idle,
            node: Node::default(),
            kappa: padded(law.kappa.clone()),
            grown: padded(law.terms().map(|(k, g, _)| (g + passed(eta * k * s)).exp()).collect()),
            decayed: padded(law.terms().map(|(k, _, d)| (d + passed(-eta * k * s)).exp()).collect()),
        };
        let a = state.grown.iter().zip(&state.decayed).map(|(g, d)| g - d).sum();
        let tau = idle * eta * s;
        state.node = Node { t: idle * eta, a, tau, square: tau * eta * s, ..Node::default() };
        state
    }

    fn step(&mut self) -> Node {
        let move_by = self.eta * (self.s - self.node.a);
        let mut sums = [0.0; LANES];
        let lanes = (self.grown.chunks_exact_mut(LANES))
            .zip(self.decayed.chunks_exact_mut(LANES))
            .zip(self.kappa.chunks_exact(LANES));
        for ((grown, decayed), kappa) in lanes {
            for i in 0..LANES {
                let x = kappa[i] * move_by;
                grown[i] *= (1.0 + x) * (1.0 + x);
                decayed[i] *= (1.0 - x) * (1.0 - x);
                sums[i] += grown[i] - decayed[i];
            }
        }
        self.step += 1.0;
        self.node.t = self.step * self.eta;
        self.node.a = sums.iter().sum();
        self.node.tau += move_by;
        self.node.square += move_by * move_by;
        self.node
    }
}

#[cfg(test)]
mod tests {
    use super::super::ModeTheory;
    use super::*;
    use crate::theory::Forecast;
    use crate::theory::linear::Draw;
    use crate::theory::tests_support::{alone, drawn, lcnn};

    #[test]
    fn nothing_that_grows_is_never_discovered() {
        let law = Law { kappa: vec![1.0, 300.0], grow: vec![f64::NEG_INFINITY; 2], decay: vec![3.0, 1.0] };
        let (curve, _) = Curve::flow(&law, 2.0);
        let mut before = law.at(0.0);
        assert!((curve.at(0.0).a - before).abs() < 1e-14);
        // dτ/dt = 2 − a, by many small steps.
        let (mut tau, h) = (0.0, 1e-6);
        for i in 1..300_000 {
            let middle = tau + 0.5 * h * (2.0 - law.at(tau));
            tau += h * (2.0 - law.at(middle));
            let now = curve.at(f64::from(i) * h);
            assert!(now.a >= before && (now.a - law.at(tau)).abs() < 1e-6, "{i}: {} {}", now.a, law.at(tau));
            before = now.a;
        }
        assert_eq!(curve.time_to(1e-9), None);
        assert!(curve.at(1e9).a <= 0.0 && curve.at(1e9).tau > 1e9);
    }

    #[test]
    fn long_runs_get_the_flow_and_lose_nothing() {
        let (modes, _) = alone([1, 4, 6], 3);
        let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(1e-3), 2);
        let flow = ModeTheory::new(&modes, &weights, None).unwrap();
        let rate = modes.list[0].s * modes.list[0].rho;
        for (eta, count) in [(1e-2 / rate, 1), (1e-3 / rate, 1), (1e-9 / rate, 0)] {
            let theory = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
            let kept = theory.list[0].curve.nodes.len();
            assert!(kept <= MAX_NODES + 2);
            assert_eq!(kept == flow.list[0].curve.nodes.len(), count == 0);
            let ratio = theory.time_to(0, 0.5).unwrap() / flow.time_to(0, 0.5).unwrap();
            assert!((ratio - 1.0).abs() < eta * rate, "{eta}: {ratio}");
        }
        // A step far too large: followed until it leaves, then no further.
        let wild = ModeTheory::new(&modes, &weights, Some(10.0 / rate)).unwrap();
        assert!(wild.strengths(1e6).iter().all(|a| a.is_finite()));
    }

    #[test]
    fn thinned_nodes_lose_nothing() {
        let (modes, _) = alone([1, 3, 4], 3);
        let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(1e-3), 2);
        let rate = modes.list[0].s * modes.list[0].rho;
        let eta = 3e-4 / rate;
        let theory = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
        let single = &theory.list[0];
        let (law, s) = (&single.law, single.s);
        let steps = single.curve.last().t / eta;
        assert!(steps > 2.0 * MAX_NODES as f64, "{steps}");
        let law = law.active(law.root(s).unwrap(), s);
        let mut state = Recursion::new(&law, s, eta, 0.0);
        for i in 1..steps as usize {
            let a = state.step().a;
            let got = theory.strengths(i as f64 * eta)[0];
            assert!((got - a).abs() < 1e-9 * s, "{i}: {got} {a}");
        }
    }
}
