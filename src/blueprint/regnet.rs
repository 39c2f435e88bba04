//! RegNet X and Y (Radosavovic et al., "Designing Network Design Spaces", CVPR 2020): widths of the
//! blocks are a line, rounded to powers of a factor and then to multiples of 8.

use super::{Architecture, Conv, Family, Layer, RELU, dense, residual, tap};
use crate::error::Result;

const STEM: usize = 32;

/// A RegNet (section 3.3 of the paper has the symbols).
pub struct Regnet {
    /// Blocks d.
    pub depth: usize,
    /// Width w₀ of the first block.
    pub first: usize,
    /// Slope w_a of the widths.
    pub slope: f64,
    /// Factor w_m of which widths are powers.
    pub factor: f64,
    /// Channels g of a group.
    pub group: usize,
    /// Whether channels are weighed by what the image has (squeeze and excitation): RegNet Y.
    pub gated: bool,
}

impl Regnet {
    // Blocks and width of each stage.
    fn stages(&self) -> Vec<(usize, usize)> {
        let mut stages: Vec<(usize, usize)> = Vec::new();
        let first = self.first as f64;
        for block in 0..self.depth {
            let line = first + self.slope * block as f64;
            let power = ((line / first).ln() / self.factor.ln()).round_ties_even();
            let width = 8 * ((first * self.factor.powf(power) / 8.0).round_ties_even() as usize);
            match stages.last_mut() {
                Some((count, last)) if *last == width => *count += 1,
                _ => stages.push((1, width)),
            }
        }
        // Whole groups.
        let whole = |width: usize| {
            let group = self.group.min(width);
            let near = ((width + group / 2) / group * group).max(group);
            if near * 10 >= width * 9 { near } else { near + group }
        };
        stages.into_iter().map(|(count, width)| (count, whole(width))).collect()
    }
}

impl Family for Regnet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let unit = |name: String, shape: [usize; 2], size: usize, stride, groups| {
            Layer::Conv(super::unit(name, shape, size, stride, groups))
        };
        let mut layers =
            vec![unit("stem".to_owned(), [STEM, architecture.shape[0]], 3, 2, 1), RELU, tap("stem")];
        let mut inputs = STEM;
        for (stage, (count, width)) in self.stages().into_iter().enumerate() {
            let stage = stage + 1;
            for block in 0..count {
                let name = format!("trunk_output.block{stage}.block{stage}-{block}");
                let stride = if block == 0 { 2 } else { 1 };
                let groups = width / self.group.min(width);
                let mut body = vec![
                    unit(format!("{name}.f.a"), [width, inputs], 1, 1, 1),
                    RELU,
                    unit(format!("{name}.f.b"), [width, width], 3, stride, groups),
                    RELU,
                ];
                if self.gated {
                    // A quarter of the channels that come in.
                    let few = (0.25 * inputs as f64).round_ties_even() as usize;
                    let conv = |part: &str, shape| {
                        Layer::Conv(Conv::new(format!("{name}.f.se.{part}"), shape, 1, 1, 0).with_bias())
                    };
                    let layers = vec![conv("fc1", [few, width]), RELU, conv("fc2", [width, few])];
                    body.push(Layer::Gate { layers, hard: false });
                }
                body.push(unit(format!("{name}.f.c"), [width, width], 1, 1, 1));
                let sum = if block == 0 {
                    let shortcut = vec![unit(format!("{name}.proj"), [width, inputs], 1, stride, 1)];
                    Layer::Sum { main: body, shortcut, scale: None, drop: 0.0, shortcut_first: true }
                } else {
                    residual(body, 0.0)
                };
                layers.extend([sum, RELU]);
                inputs = width;
            }
            layers.push(tap(format!("trunk_output.block{stage}")));
        }
        layers.extend([Layer::Mean, dense("fc", architecture.outputs, inputs)]);
        Ok((layers, 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_the_paper() {
        // Table 2 of the paper: RegNetX-400MF and RegNetY-400MF.
        let x = Regnet { depth: 22, first: 24, slope: 24.48, factor: 2.54, group: 16, gated: false };
        assert_eq!(x.stages(), [(1, 32), (2, 64), (7, 160), (12, 400)]);
        let y = Regnet { depth: 16, first: 48, slope: 27.89, factor: 2.09, group: 8, gated: true };
        assert_eq!(y.stages(), [(1, 48), (3, 104), (6, 208), (6, 440)]);
    }
}
