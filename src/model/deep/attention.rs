//! Attention, and squares of pixels as tokens.

use tch::Tensor;

use super::Pass;
use super::layers::{Unit, cast, held};
use crate::blueprint::{self, Over};
use crate::error::Result;

/// Which distance two pixels of a square of `side` have, as rows of a table of distances: `[side⁴]`.
pub fn index(side: usize) -> Vec<i64> {
    let side = side as i64;
    let places = || (0..side).flat_map(|y| (0..side).map(move |x| (y, x)));
    let distance =
        |(y, x): (i64, i64), (v, u): (i64, i64)| (y - v + side - 1) * (2 * side - 1) + x - u + side - 1;
    places().flat_map(|from| places().map(move |to| distance(from, to))).collect()
}

/// Distances in a square of `side` as Swin V2 has them, sign(d) log₂(1 + 8|d|/(side − 1)) / 3:
/// `[2·side − 1, 2·side − 1, 2]`.
pub fn coordinates(side: usize) -> Vec<f32> {
    let most = side as i32 - 1;
    let scaled = |d: i32| {
        let d = 8.0 * d as f32 / most as f32;
        d.signum() * (d.abs() + 1.0).log2() / 3.0
    };
    (-most..=most).flat_map(|y| (-most..=most).flat_map(move |x| [scaled(y), scaled(x)])).collect()
}

/// Squares of pixels as tokens.
#[derive(Debug)]
pub struct Embedding {
    pub class: Tensor,
    pub patches: Unit,
    pub positions: Tensor,
}

impl Embedding {
    /// `[B, c, h, w]` to `[B, 1 + positions, width]`.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let patches = self.patches.forward(x, pass)?.f_flatten(2, -1)?.f_transpose(1, 2)?;
        let class = cast(&held(&self.class, pass), pass)?;
        let class = class.f_expand([x.size()[0], -1, -1], false)?;
        let tokens = Tensor::f_cat(&[class, patches], 1)?;
        Ok(tokens.f_add(&cast(&held(&self.positions, pass), pass)?)?)
    }
}

/// Attention with several heads.
#[derive(Debug)]
pub struct Attention {
    heads: i64,
    over: Over,
    // To queries, keys and values.
    qkv: (Tensor, Tensor),
    out: (Tensor, Tensor),
    bias: Bias,
}

/// What is added to the products by distance.
#[derive(Debug)]
enum Bias {
    None,
    Table { table: Tensor, index: Tensor },
    Computed { scale: Tensor, distances: Tensor, index: Tensor, first: (Tensor, Tensor), second: Tensor },
}

// Logarithm of the largest factor of cosines, 100.
const MOST: f64 = 4.605_170_185_988_092;

impl Attention {
    /// With its tensors, by the ends of their names.
    pub fn new(plan: blueprint::Attention, mut tensors: Vec<(String, Tensor)>) -> Self {
        let mut take = |name: &str| {
            let at = tensors.iter().position(|(end, _)| end == name).expect("a tensor of the plan");
            tensors.swap_remove(at).1
        };
        let mut pair = |weight: &str, bias: &str| (take(weight), take(bias));
        let (qkv, out) = match plan.over {
            Over::Tokens => {
                (pair("in_proj_weight", "in_proj_bias"), pair("out_proj.weight", "out_proj.bias"))
            }
            Over::Windows { .. } | Over::CosineWindows { .. } => {
                (pair("qkv.weight", "qkv.bias"), pair("proj.weight", "proj.bias"))
            }
            Over::Blocks(_) | Over::Grid(_) => {
                (pair("to_qkv.weight", "to_qkv.bias"), pair("merge.weight", "merge.bias"))
            }
        };
        let bias = match plan.over {
            Over::Tokens => Bias::None,
            Over::CosineWindows { .. } => Bias::Computed {
                first: pair("cpb_mlp.0.weight", "cpb_mlp.0.bias"),
                second: take("cpb_mlp.2.weight"),
                scale: take("logit_scale"),
                distances: take("relative_coords_table"),
                index: take("relative_position_index"),
            },
            _ => Bias::Table {
                table: take("relative_position_bias_table"),
                index: take("relative_position_index"),
            },
        };
        Self { heads: plan.heads as i64, over: plan.over, qkv, out, bias }
    }

    /// Of tokens `[B, n, width]` or images `[B, width, h, w]`; the same shape.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let x = cast(x, pass)?;
        match self.over {
            Over::Tokens => self.attend(&x, None, pass),
            Over::Windows { side, shift } | Over::CosineWindows { side, shift } => {
                self.windows(&x, side as i64, shift as i64, pass)
            }
            Over::Blocks(side) => self.blocks(&x, side as i64, false, pass),
            Over::Grid(side) => self.blocks(&x, side as i64, true, pass),
        }
    }

    // Windows of an image that is rolled; where a side has one window, it is not.
    fn windows(&self, x: &Tensor, side: i64, shift: i64, pass: &Pass) -> Result<Tensor> {
        let (b, c, h, w) = x.size4()?;
        let pad = |n: i64| (side - n % side) % side;
        let x = x.f_constant_pad_nd([0, pad(w), 0, pad(h)])?;
        let (rows, columns) = ((h + pad(h)) / side, (w + pad(w)) / side);
        let rolled = |n: i64| if n > 1 { shift } else { 0 };
        let shifts = [rolled(rows), rolled(columns)];
        let moved = shifts != [0, 0];
        let x = if moved { x.f_roll(shifts.map(|s| -s), [2, 3])? } else { x };
        let windows = x.f_reshape([b, c, rows, side, columns, side])?.f_permute([0, 2, 4, 3, 5, 1])?;
        let windows = windows.f_reshape([-1, side * side, c])?;
        let mask = if moved { Some(mask([rows, columns], side, shifts, &windows)?) } else { None };
        let windows = self.attend(&windows, mask.as_ref(), pass)?;
        let x = windows.f_reshape([b, rows, columns, side, side, c])?.f_permute([0, 5, 1, 3, 2, 4])?;
        let x = x.f_reshape([b, c, rows * side, columns * side])?;
        let x = if moved { x.f_roll(shifts, [2, 3])? } else { x };
        Ok(x.f_narrow(2, 0, h)?.f_narrow(3, 0, w)?)
    }

    // Squares of `side`; or the pixels in the same places of `side` squares along each side.
    fn blocks(&self, x: &Tensor, side: i64, grid: bool, pass: &Pass) -> Result<Tensor> {
        let (b, c, h, w) = x.size4()?;
        let (shape, to, back) = if grid {
            ([b, c, side, h / side, side, w / side], [0, 3, 5, 2, 4, 1], [0, 5, 3, 1, 4, 2])
        } else {
            ([b, c, h / side, side, w / side, side], [0, 2, 4, 3, 5, 1], [0, 5, 1, 3, 2, 4])
        };
        let squares = x.f_reshape(shape)?.f_permute(to)?;
        let within = squares.size();
        let squares = self.attend(&squares.f_reshape([-1, side * side, c])?, None, pass)?;
        Ok(squares.f_reshape(&within[..])?.f_permute(back)?.f_reshape([b, c, h, w])?)
    }

    // Of `[N, n, width]`; `mask` `[M, n, n]` is added to the products, its rows in turn.
    fn attend(&self, x: &Tensor, mask: Option<&Tensor>, pass: &Pass) -> Result<Tensor> {
        let (count, n, width) = x.size3()?;
        let each = width / self.heads;
        let weight = |t: &Tensor| cast(&held(t, pass), pass);
        let mut bias = weight(&self.qkv.1)?;
        if matches!(self.bias, Bias::Computed { .. }) {
            // Keys have none.
            let (first, last) = (bias.f_narrow(0, 0, width)?, bias.f_narrow(0, 2 * width, width)?);
            bias = Tensor::f_cat(&[&first, &first.f_zeros_like()?, &last], 0)?;
        }
        let qkv = x.f_linear(&weight(&self.qkv.0)?, Some(&bias))?;
        let qkv = qkv.f_reshape([count, n, 3, self.heads, each])?.f_permute([2, 0, 3, 1, 4])?;
        let (q, k, v) = (qkv.f_select(0, 0)?, qkv.f_select(0, 1)?, qkv.f_select(0, 2)?);
        let mut products = match (&self.bias, self.over) {
            (Bias::Computed { scale, .. }, _) => {
                let cosines = unit(&q)?.f_matmul(&unit(&k)?.f_transpose(-2, -1)?)?;
                cosines.f_mul(&weight(scale)?.f_clamp_max(MOST)?.f_exp()?)?
            }
            // MaxViT divides by the root of all channels.
            (_, Over::Blocks(_) | Over::Grid(_)) => {
                q.f_matmul(&k.f_mul_scalar((width as f64).powf(-0.5))?.f_transpose(-2, -1)?)?
            }
            _ => q.f_mul_scalar((each as f64).powf(-0.5))?.f_matmul(&k.f_transpose(-2, -1)?)?,
        };
        if let Some(bias) = self.bias.of(n, pass)? {
            products = products.f_add(&cast(&bias, pass)?)?;
        }
        if let Some(mask) = mask {
            let windows = mask.size()[0];
            let shape = [count / windows, windows, self.heads, n, n];
            let masked = products.f_reshape(shape)?.f_add(&mask.f_unsqueeze(1)?.f_unsqueeze(0)?)?;
            products = masked.f_reshape([count, self.heads, n, n])?;
        }
        let values = products.f_softmax(-1, None)?.f_matmul(&v)?;
        let values = values.f_transpose(1, 2)?.f_reshape([count, n, width])?;
        Ok(values.f_linear(&weight(&self.out.0)?, Some(&weight(&self.out.1)?))?)
    }
}

impl Bias {
    // `[heads, n, n]`, in the precision of the weights.
    fn of(&self, n: i64, pass: &Pass) -> Result<Option<Tensor>> {
        let (rows, index) = match self {
            Self::None => return Ok(None),
            Self::Table { table, index } => (held(table, pass), index),
            Self::Computed { distances, index, first, second, .. } => {
                let weight = |t: &Tensor| held(t, pass);
                let hidden = distances.f_linear(&weight(&first.0), Some(&weight(&first.1)))?.f_relu()?;
                let rows = hidden.f_linear(&weight(second), None::<&Tensor>)?.f_flatten(0, 2)?;
                (rows.f_sigmoid()?.f_mul_scalar(16.0)?, index)
            }
        };
        let bias = rows.f_index_select(0, &index.f_flatten(0, -1)?)?;
        Ok(Some(bias.f_reshape([n, n, -1])?.f_permute([2, 0, 1])?))
    }
}

// Of length 1 along the last axis; zeros stay zeros.
fn unit(x: &Tensor) -> Result<Tensor> {
    const LEAST: f64 = 1e-12;
    let norm = x.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)?.f_clamp_min(LEAST)?;
    Ok(x.f_div(&norm)?)
}

// −100 between pixels that are neighbours only because the image was rolled, else 0: `[windows, n, n]`.
fn mask([rows, columns]: [i64; 2], side: i64, shifts: [i64; 2], like: &Tensor) -> Result<Tensor> {
    // Which part of the image a row or column of the rolled one is from.
    let part = |at: i64, count: i64, shift: i64| {
        let n = count * side;
        i64::from(at >= n - side) + i64::from(shift > 0 && at >= n - shift)
    };
    let mut values = Vec::new();
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let places = (0..side).flat_map(|y| (0..side).map(move |x| (y, x)));
        let regions: Vec<i64> = places
            .map(|(y, x)| {
                3 * part(row * side + y, rows, shifts[0]) + part(column * side + x, columns, shifts[1])
            })
            .collect();
        let pairs = regions.iter().flat_map(|a| regions.iter().map(move |b| (a, b)));
        values.extend(pairs.map(|(a, b)| if a == b { 0f32 } else { -100.0 }));
    }
    let shape = [rows * columns, side * side, side * side];
    let mask = Tensor::f_from_slice(&values)?.f_reshape(shape)?;
    Ok(mask.f_to_kind(like.kind())?.f_to_device(like.device())?)
}
