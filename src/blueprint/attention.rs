//! Attention: of tokens (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021), in windows (Liu
//! et al., "Swin Transformer", ICCV 2021, and "Swin Transformer V2", CVPR 2022), in blocks and on grids (Tu
//! et al., "MaxViT", ECCV 2022).

use super::Conv;

/// Squares of an image as tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Name of the first token `[1, 1, width]`.
    pub class: String,
    /// The convolution: its stride is the side of a square.
    pub patches: Conv,
    /// Name of what is added to the tokens by their positions.
    pub positions: String,
    /// Tokens, the first one included.
    pub count: usize,
}

impl Embedding {
    /// Names and shapes of its tensors.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let width = self.patches.shape[0];
        let mut all = vec![(self.class.clone(), vec![1, 1, width])];
        all.extend(self.patches.tensors());
        all.push((self.positions.clone(), vec![1, self.count, width]));
        all
    }
}

/// What looks at what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All tokens at all.
    Tokens,
    /// Pixels at those of their square, by products; squares of a side, and the image is rolled by a shift.
    Windows {
        /// Pixels of a square's side.
        side: usize,
        /// Pixels by which the image is rolled.
        shift: usize,
    },
    /// The same by cosines, with a bias that is computed from distances.
    CosineWindows {
        /// Pixels of a square's side.
        side: usize,
        /// Pixels by which the image is rolled.
        shift: usize,
    },
    /// Pixels at those of their square.
    Blocks(usize),
    /// Pixels at those in the same places of all squares: so many squares along a side.
    Grid(usize),
}

/// What a tensor of attention is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Weights `[out, in]`, without a bias behind them where `out` is the heads.
    Matrix,
    /// A bias.
    Vector,
    /// Bias by distance `[distances, heads]`, drawn with a standard deviation of 0.02.
    Table,
    /// Logarithm of the factor of cosines `[heads, 1, 1]`; ln 10 to begin with.
    Scale,
    /// Which distance two pixels have: numbers of rows of the table, not trained.
    Index,
    /// Distances `[1, 2·side − 1, 2·side − 1, 2]` on a scale of logarithms, not trained.
    Distances,
}

/// Attention with several heads.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Its name.
    pub name: String,
    /// Channels.
    pub width: usize,
    /// Heads.
    pub heads: usize,
    /// What looks at what.
    pub over: Over,
}

/// Values between the distances and their bias.
pub(super) const HIDDEN: usize = 512;

impl Attention {
    /// Whether an image of side `n` can be divided.
    pub(super) fn fits(&self, n: usize) -> bool {
        match self.over {
            Over::Blocks(side) | Over::Grid(side) => n > 0 && n.is_multiple_of(side),
            // Padded, or tokens.
            Over::Tokens | Over::Windows { .. } | Over::CosineWindows { .. } => true,
        }
    }

    /// Names and shapes of its tensors, and what they are.
    pub fn parts(&self) -> Vec<(String, Vec<usize>, Part)> {
        let Self { width, heads, .. } = *self;
        let mut all = Vec::new();
        let mut push = |name: &str, shape: &[usize], part| {
            all.push((format!("{}.{name}", self.name), shape.to_vec(), part));
        };
        match self.over {
            Over::Tokens => {
                push("in_proj_weight", &[3 * width, width], Part::Matrix);
                push("in_proj_bias", &[3 * width], Part::Vector);
            }
            Over::Windows { side, .. } => {
                push("relative_position_bias_table", &[(2 * side - 1).pow(2), heads], Part::Table);
                push("relative_position_index", &[side.pow(4)], Part::Index);
            }
            Over::CosineWindows { side, .. } => {
                push("logit_scale", &[heads, 1, 1], Part::Scale);
                let sides = 2 * side - 1;
                push("relative_coords_table", &[1, sides, sides, 2], Part::Distances);
                push("relative_position_index", &[side.pow(4)], Part::Index);
            }
            Over::Blocks(side) | Over::Grid(side) => {
                push("relative_position_bias_table", &[(2 * side - 1).pow(2), heads], Part::Table);
                push("relative_position_index", &[side.pow(2), side.pow(2)], Part::Index);
            }
        }
        let (qkv, out) = match self.over {
            Over::Tokens => ("", "out_proj"),
            Over::Windows { .. } | Over::CosineWindows { .. } => ("qkv", "proj"),
            Over::Blocks(_) | Over::Grid(_) => ("to_qkv", "merge"),
        };
        if !qkv.is_empty() {
            push(&format!("{qkv}.weight"), &[3 * width, width], Part::Matrix);
            push(&format!("{qkv}.bias"), &[3 * width], Part::Vector);
        }
        push(&format!("{out}.weight"), &[width, width], Part::Matrix);
        push(&format!("{out}.bias"), &[width], Part::Vector);
        if matches!(self.over, Over::CosineWindows { .. }) {
            push("cpb_mlp.0.weight", &[HIDDEN, 2], Part::Matrix);
            push("cpb_mlp.0.bias", &[HIDDEN], Part::Vector);
            push("cpb_mlp.2.weight", &[heads, HIDDEN], Part::Matrix);
        }
        all
    }
}
