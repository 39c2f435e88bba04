//! Weights as files hold them: named tensors, in order, without libtorch.
//!
//! A [`StateDict`] says nothing of the file it came from. [`open`] reads PyTorch's
//! checkpoints and safetensors files, whatever they are called, and says in an
//! [`Origin`] what it took from them; [`safetensors`] reads and writes one such file.
//!
//! # Files
//! What is read and what is refused; each row is tested with the files in its last column
//! (`tests/golden/weights/data`, written by PyTorch through the script beside them). "Read" means the
//! tensors that `torch.load` gives, bit by bit, but for rows that say "computed".
//!
//! | file | | why, or how | tested with |
//! |---|---|---|---|
//! | `torch.save` of a `state_dict` | read | zip format, of PyTorch 1.6 and later | dtypes.pt older.pt deflated.pt |
//! | the same, older | read | legacy format | dtypes.th views.th parallel.th |
//! | tensors that share, cut or permute a storage | read | become arrays of their own | views.pt |
//! | weights under a key, beside epoch and optimiser | read | under the usual keys, or the only one; `--key` | parallel.pt nested.pt choice.pt teacher.pt scalar_beside.pt decay.pt twice.pt twice_unknown.pt |
//! | weights under several keys that say nothing | refused | `--key` chooses | two.pt |
//! | wrapped networks: `module.`, `model.`, `_orig_mod.` | read | taken off where all names have it | compiled.pt mixed.pt imagenet_vgg.pt |
//! | wrapped parts of networks: `_fsdp_wrapped_module.` and the like | read | taken out of all names | fsdp.pt |
//! | parameters of PyTorch before 0.4 | read | as tensors | old_parameter.pt |
//! | an averaged network with its counter | read | the network is found by its names | averaged.pt |
//! | `args` as argparse.Namespace, paths, functions | read | passed over, by name | namespace.pt |
//! | numpy's numbers and arrays, dates, versions, enums, schedules | read | passed over, by name | beside.pt numpy_scalar.pt nested_class.pt |
//! | a whole network, alone or under a key | read | as its `state_dict` | module.pt module.th module_under.pt shared.pt |
//! | an object of one's own that holds a network | read | its attributes are keys | trainer.pt |
//! | dicts of other classes | read | as dicts | defaultdict.pt config_dict.pt |
//! | a tensor, a list of tensors, a tuple of dicts | read | called by their places | tensor.pt list.pt list_under.pt tuple.pt |
//! | entries that are no tensors | read | left out, by name | entries.pt attribute.pt |
//! | sparse, quantised, complex, meta tensors beside others | read | left out, by name | sparse.pt quantised.pt complex.pt meta.pt |
//! | nothing but those | refused | there is nothing to read | only_sparse.pt only_complex.pt |
//! | 8-bit floating point, unsigned integers | read | float8_e8m0fnu is left out | float8.pt unsigned.pt typed.pt |
//! | weight norm, spectral norm, pruning | read | computed: what the network multiplies with | weight_norm.pt weight_norms.pt spectral_norm.pt spectral_norms.pt spectral_square.pt pruned.pt |
//! | safetensors | read | types of numbers that are not read are left out | dtypes.safetensors |
//! | an index of several files, safetensors or pickles | read | a file outside of its folder is refused | model.safetensors.index.json shards outside.index.json |
//! | a folder of Hugging Face's libraries | read | `model.safetensors` or `pytorch_model.bin` in it | bin safe |
//! | arrays of numpy | read | no objects | arrays.npz compressed.npz |
//! | arrays of objects | refused | numpy pickles them | objects.npz |
//! | a pickle that names what can run code | refused | nothing is run in any case | system.pt system.th eval.pt |
//! | TorchScript | refused | it is a program, that `audit --torchscript` runs | scripted.pt |
//! | big-endian numbers | refused | nobody has them any more | big.pt big.th |
//! | no tensors | refused | keys are listed | keys.pt empty_list.pt |
//! | a plain pickle, a tar archive, ONNX, a web page, a pointer of Git LFS | refused | called by its name | pickle.pkl old.tar model.onnx page.pt lfs.pt |

mod checkpoint;
mod composed;
mod legacy;
mod origin;
pub mod safetensors;
mod select;
mod shards;
mod torch;
mod view;

pub use checkpoint::{Checkpoint, Pick, from_bytes, in_folder, is_program, open, open_with};
pub(crate) use origin::listed;
pub use origin::{Format, Origin, Skipped, under, without};

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{Read, Write};
use std::ops::Range;

use crate::error::{Error, Result, shown};

macro_rules! dtypes {
    ($($(#[$doc:meta])* $variant:ident: $item:ty = $name:literal;)*) => {
        /// Type of the numbers of a tensor: those that PyTorch has for real
        /// numbers, integers and truth values.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Dtype {
            $($(#[$doc])* $variant,)*
        }

        impl Dtype {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Bytes of one number.
            pub const fn size(self) -> usize {
                match self {
                    $(Self::$variant => size_of::<$item>(),)*
                }
            }

            /// Its name in safetensors files ("F32").
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        /// The numbers of a tensor, the last axis fastest. Half precision is kept
        /// as its bits, so that nothing is rounded between two files.
        #[derive(Clone, Debug)]
        pub enum Data {
            $($(#[$doc])* $variant(Vec<$item>),)*
        }

        impl Data {
            /// Type of the numbers.
            pub const fn dtype(&self) -> Dtype {
                match self {
                    $(Self::$variant(_) => Dtype::$variant,)*
                }
            }

            /// How many numbers.
            pub const fn len(&self) -> usize {
                match self {
                    $(Self::$variant(v) => v.len(),)*
                }
            }

            /// The numbers of `bytes`, little-endian; bytes left over at the end are dropped.
            pub fn from_le_bytes(dtype: Dtype, bytes: &[u8]) -> Self {
                match dtype {
                    $(Dtype::$variant => {
                        let items = bytes.as_chunks().0;
                        Self::$variant(items.iter().map(|b| <$item>::from_le_bytes(*b)).collect())
                    })*
                }
            }

            /// Without numbers, and room for `count`.
            pub(crate) fn with_capacity(dtype: Dtype, count: usize) -> Self {
                match dtype {
                    $(Dtype::$variant => Self::$variant(Vec::with_capacity(count)),)*
                }
            }

            /// Adds the numbers of `bytes`, little-endian; bytes left over at the end are dropped.
            pub(crate) fn extend_le_bytes(&mut self, bytes: &[u8]) {
                match self {
                    $(Self::$variant(v) => {
                        v.extend(bytes.as_chunks().0.iter().map(|b| <$item>::from_le_bytes(*b)));
                    })*
                }
            }

            /// Writes the numbers, little-endian.
            ///
            /// # Errors
            /// Those of `out`.
            pub fn write_le_bytes(&self, out: &mut dyn Write) -> std::io::Result<()> {
                // In pieces: a call per number would be slow, a copy of everything large.
                const PIECE: usize = 1 << 14;
                let mut bytes = Vec::new();
                match self {
                    $(Self::$variant(v) => for piece in v.chunks(PIECE) {
                        bytes.resize(piece.len() * size_of::<$item>(), 0);
                        for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(piece) {
                            *bytes = value.to_le_bytes();
                        }
                        out.write_all(&bytes)?;
                    })*
                }
                Ok(())
            }
        }
    };
}

dtypes! {
    /// 64-bit floating point.
    F64: f64 = "F64";
    /// 32-bit floating point.
    F32: f32 = "F32";
    /// IEEE half precision (bits).
    F16: u16 = "F16";
    /// The upper half of a 32-bit floating point number (bits).
    Bf16: u16 = "BF16";
    /// 8-bit floating point with a significand of 3 bits, without infinities (bits).
    F8E4m3: u8 = "F8_E4M3";
    /// 8-bit floating point with a significand of 2 bits, the upper half of IEEE half
    /// precision (bits).
    F8E5m2: u8 = "F8_E5M2";
    /// 64-bit integer.
    I64: i64 = "I64";
    /// 32-bit integer.
    I32: i32 = "I32";
    /// 16-bit integer.
    I16: i16 = "I16";
    /// 8-bit integer.
    I8: i8 = "I8";
    /// 64-bit integer without sign.
    U64: u64 = "U64";
    /// 32-bit integer without sign.
    U32: u32 = "U32";
    /// 16-bit integer without sign.
    U16: u16 = "U16";
    /// Byte.
    U8: u8 = "U8";
    /// Truth value, one byte; 0 is false.
    Bool: u8 = "BOOL";
}

impl Dtype {
    /// Whether it is of floating-point numbers.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16 | Self::F8E4m3 | Self::F8E5m2)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Data {
    /// Without numbers.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next `count` numbers of `source`, little-endian. Memory is taken for all of them at once.
    ///
    /// # Errors
    /// Those of `source`, and its end.
    pub(crate) fn read_le(dtype: Dtype, count: usize, source: &mut dyn Read) -> std::io::Result<Self> {
        // In pieces: beside the numbers there is never a copy of them.
        const PIECE: usize = 1 << 16;
        let mut data = Self::with_capacity(dtype, count);
        let mut left = count * dtype.size();
        let mut piece = vec![0; left.min(PIECE)];
        while left > 0 {
            let piece = &mut piece[..left.min(PIECE)];
            source.read_exact(piece)?;
            data.extend_le_bytes(piece);
            left -= piece.len();
        }
        Ok(data)
    }

    /// Bytes of all numbers.
    pub const fn bytes(&self) -> usize {
        self.len() * self.dtype().size()
    }

    /// The numbers in double precision; integers beyond 2⁵³ are rounded.
    pub fn to_f64(&self) -> Vec<f64> {
        self.range_f64(0..self.len())
    }

    /// As [`Data::to_f64`], of the numbers in `range` alone.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn range_f64(&self, range: Range<usize>) -> Vec<f64> {
        match self {
            Self::F64(v) => v[range].to_vec(),
            Self::F32(v) => v[range].iter().map(|&v| f64::from(v)).collect(),
            Self::F16(v) => v[range].iter().map(|&v| half::f16::from_bits(v).to_f64()).collect(),
            Self::Bf16(v) => v[range].iter().map(|&v| half::bf16::from_bits(v).to_f64()).collect(),
            Self::F8E4m3(v) => v[range].iter().map(|&v| e4m3(v)).collect(),
            Self::F8E5m2(v) => {
                v[range].iter().map(|&v| half::f16::from_bits(u16::from(v) << 8).to_f64()).collect()
            }
            Self::U64(v) => v[range].iter().map(|&v| v as f64).collect(),
            Self::U32(v) => v[range].iter().map(|&v| f64::from(v)).collect(),
            Self::U16(v) => v[range].iter().map(|&v| f64::from(v)).collect(),
            Self::I64(v) => v[range].iter().map(|&v| v as f64).collect(),
            Self::I32(v) => v[range].iter().map(|&v| f64::from(v)).collect(),
            Self::I16(v) => v[range].iter().map(|&v| f64::from(v)).collect(),
            Self::I8(v) => v[range].iter().map(|&v| f64::from(v)).collect(),
            Self::U8(v) => v[range].iter().map(|&v| f64::from(v)).collect(),
            Self::Bool(v) => v[range].iter().map(|&v| f64::from(u8::from(v != 0))).collect(),
        }
    }
}

// S.EEEE.MMM with a bias of 7; all ones are no number, the other large exponents are numbers
// (Micikevicius et al. 2022, FP8 Formats for Deep Learning, table 1).
fn e4m3(bits: u8) -> f64 {
    let (exponent, significand) = (i32::from(bits >> 3 & 15), f64::from(bits & 7) / 8.0);
    let size = match (exponent, bits & 7) {
        (15, 7) => f64::NAN,
        (0, _) => significand * 2f64.powi(-6),
        _ => (1.0 + significand) * 2f64.powi(exponent - 7),
    };
    if bits & 0x80 == 0 { size } else { -size }
}

struct Hasher(xxhash_rust::xxh3::Xxh3);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A tensor with the name of the parameter (or buffer) it is the value of.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    name: String,
    shape: Vec<usize>,
    data: Data,
}

impl NamedTensor {
    /// A tensor of `shape` (`[]` for a single number), row-major.
    ///
    /// # Errors
    /// [`Error::Input`] naming the tensor when `data` has other than Π `shape` numbers.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, data: Data) -> Result<Self> {
        let name = name.into();
        if volume(&shape) != Some(data.len()) {
            let expected = format!("the numbers of shape {}", shape_text(&shape));
            return Err(Error::input(format!("tensor {}", shown(&name)), expected, data.len()));
        }
        Ok(Self { name, shape, data })
    }

    /// Its name ("layer1.0.conv1.weight").
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lengths of its axes; `[]` is a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its numbers, row-major.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// 128-bit hash (XXH3) of shape and numbers.
    pub fn hash(&self) -> u128 {
        let mut hasher = Hasher(xxhash_rust::xxh3::Xxh3::new());
        self.add_to(&mut hasher);
        hasher.0.digest128()
    }

    // Shape and numbers.
    fn add_to(&self, hasher: &mut Hasher) {
        hasher.0.update(self.data.dtype().name().as_bytes());
        hasher.0.update(&(self.shape.len() as u64).to_le_bytes());
        self.shape.iter().for_each(|side| hasher.0.update(&(*side as u64).to_le_bytes()));
        self.data.write_le_bytes(hasher).expect("hashing does not fail");
    }

    /// Its parts: name, shape, numbers.
    pub fn into_parts(self) -> (String, Vec<usize>, Data) {
        (self.name, self.shape, self.data)
    }
}

/// An ordered list of tensors, each with a name of its own.
#[derive(Clone, Debug, Default)]
pub struct StateDict {
    tensors: Vec<NamedTensor>,
    places: HashMap<String, usize>,
}

impl StateDict {
    /// Without tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor behind the others.
    ///
    /// # Errors
    /// [`Error::Input`] naming the tensor when there is one of that name.
    pub fn push(&mut self, tensor: NamedTensor) -> Result<()> {
        if self.places.contains_key(&tensor.name) {
            let place = format!("tensor {}", shown(&tensor.name));
            return Err(Error::input(place, "a name of its own", "another tensor of that name"));
        }
        self.places.insert(tensor.name.clone(), self.tensors.len());
        self.tensors.push(tensor);
        Ok(())
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&NamedTensor> {
        self.places.get(name).map(|&at| &self.tensors[at])
    }

    /// The tensors, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, NamedTensor> {
        self.tensors.iter()
    }

    /// How many tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Without tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Channels of the images that its network sees: those of the first convolution.
    pub fn channels(&self) -> Option<usize> {
        self.iter().find_map(|t| if let [_, channels, _, _] = t.shape() { Some(*channels) } else { None })
    }

    /// Bytes of the numbers of all tensors.
    pub fn bytes(&self) -> usize {
        self.iter().map(|t| t.data.bytes()).sum()
    }

    /// 128-bit hash (XXH3, hexadecimal) of names, shapes and numbers, in their order.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher(xxhash_rust::xxh3::Xxh3::new());
        for tensor in self {
            hasher.0.update(&(tensor.name.len() as u64).to_le_bytes());
            hasher.0.update(tensor.name.as_bytes());
            tensor.add_to(&mut hasher);
        }
        format!("{:032x}", hasher.0.digest128())
    }

    /// Checks names and shapes against those that `model` ("resnet18") has;
    /// `place` is where the tensors come from. The order does not matter.
    ///
    /// # Errors
    /// One [`Error::Input`] with all that is missing, unexpected or of another shape.
    pub fn check_names(
        &self,
        place: impl fmt::Display,
        model: &str,
        expected: &[(String, Vec<usize>)],
    ) -> Result<()> {
        let known: HashSet<_> = expected.iter().map(|(name, _)| name.as_str()).collect();
        let missing =
            expected.iter().filter(|(name, _)| self.get(name).is_none()).map(|(name, _)| shown(name));
        let unexpected = self.iter().filter(|t| !known.contains(t.name())).map(|t| shown(&t.name));
        let misshapen = expected.iter().filter_map(|(name, shape)| {
            let found = self.get(name).filter(|t| t.shape != *shape)?;
            let [found, shape] = [&found.shape, shape].map(|s| shape_text(s));
            Some(format!("{} {found} instead of {shape}", shown(name)))
        });
        let found: Vec<_> = [
            counted("missing", missing.collect()),
            counted("unexpected", unexpected.collect()),
            counted("misshapen", misshapen.collect()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if found.is_empty() {
            return Ok(());
        }
        Err(Error::input(place, format!("the {} tensors of {model}", expected.len()), found.join(", ")))
    }
}

impl<'a> IntoIterator for &'a StateDict {
    type Item = &'a NamedTensor;
    type IntoIter = std::slice::Iter<'a, NamedTensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for StateDict {
    type Item = NamedTensor;
    type IntoIter = std::vec::IntoIter<NamedTensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.into_iter()
    }
}

// "3 missing (a, b, c)"
fn counted(what: &str, list: Vec<String>) -> Option<String> {
    const SHOWN: usize = 8;
    let more = if list.len() > SHOWN { ", …" } else { "" };
    let first = list[..list.len().min(SHOWN)].join(", ");
    (!list.is_empty()).then(|| format!("{} {what} ({first}{more})", list.len()))
}

// Numbers of a tensor; none where they cannot be counted.
fn volume(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side))
}

// Shapes come from files, and may be long.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    const MOST: usize = 10;
    let sides: Vec<_> = shape.iter().take(MOST).map(usize::to_string).collect();
    format!("[{}{}]", sides.join(","), if shape.len() > MOST { ",…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros(name: &str, shape: &[usize]) -> NamedTensor {
        NamedTensor::new(name, shape.to_vec(), Data::F32(vec![0.0; shape.iter().product()])).unwrap()
    }

    #[test]
    fn numbers_of_eight_bits_by_hand() {
        let of = |make: fn(Vec<u8>) -> Data, bits: &[u8]| make(bits.to_vec()).to_f64();
        let smallest = 2f64.powi(-9);
        assert_eq!(
            of(Data::F8E4m3, &[0x38, 0xb8, 0x7e, 0x01, 0x08, 0x80, 0x3c]),
            [1.0, -1.0, 448.0, smallest, 8.0 * smallest, 0.0, 1.5]
        );
        assert_eq!(of(Data::F8E5m2, &[0x3c, 0xbe, 0x7b, 0x01]), [1.0, -1.5, 57344.0, 2f64.powi(-16)]);
        assert!(of(Data::F8E4m3, &[0x7f, 0xff]).iter().all(|v| v.is_nan()));
        assert_eq!(of(Data::F8E5m2, &[0x7c, 0xfc]), [f64::INFINITY, f64::NEG_INFINITY]);
    }

    fn dict(tensors: &[(&str, &[usize])]) -> StateDict {
        let mut dict = StateDict::new();
        tensors.iter().for_each(|(name, shape)| dict.push(zeros(name, shape)).unwrap());
        dict
    }

    fn wanted(tensors: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        tensors.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()
    }

    #[test]
    fn holds_tensors_in_order_under_their_names() {
        let mut dict = dict(&[("b", &[2, 3]), ("a", &[]), ("", &[0, 4])]);
        assert_eq!(dict.iter().map(NamedTensor::name).collect::<Vec<_>>(), ["b", "a", ""]);
        assert_eq!((dict.len(), dict.bytes()), (3, 28));
        assert_eq!(dict.get("b").unwrap().shape(), [2, 3]);
        assert!(dict.get("c").is_none());
        let text = dict.push(zeros("a", &[7])).unwrap_err().to_string();
        assert!(text.starts_with("tensor a: expected a name of its own"), "{text}");
        assert_eq!((dict.len(), dict.get("a").unwrap().data().len()), (3, 1));
    }

    #[test]
    fn a_shape_has_its_numbers() {
        let refuse = |shape: &[usize], count| {
            NamedTensor::new("w", shape.to_vec(), Data::I64(vec![0; count])).unwrap_err().to_string()
        };
        assert_eq!(refuse(&[2, 3], 5), "tensor w: expected the numbers of shape [2,3], found 5");
        refuse(&[], 0);
        refuse(&[0], 1);
        refuse(&[usize::MAX, 2], 0);
        assert!(refuse(&[2; 70], 0).contains("[2,2,2,2,2,2,2,2,2,2,…]"));
    }

    #[test]
    fn bytes_and_numbers() {
        let bytes: Vec<u8> = (0..80).collect();
        for &dtype in Dtype::ALL {
            let data = Data::from_le_bytes(dtype, &bytes);
            assert_eq!((data.dtype(), data.len(), data.bytes()), (dtype, 80 / dtype.size(), 80));
            let mut back = Vec::new();
            data.write_le_bytes(&mut back).unwrap();
            assert_eq!(back, bytes);
        }
        let Data::I16(values) = Data::from_le_bytes(Dtype::I16, &[1, 0, 0xff, 0xff, 9]) else {
            panic!("I16")
        };
        assert_eq!(values, [1, -1]);
        // More than one piece.
        let large = Data::I32((0..40_000).collect());
        let mut back = Vec::new();
        large.write_le_bytes(&mut back).unwrap();
        let Data::I32(values) = Data::from_le_bytes(Dtype::I32, &back) else { panic!("I32") };
        assert!(values.into_iter().eq(0..40_000));
    }

    #[test]
    fn numbers_in_double_precision() {
        assert_eq!(
            Data::F16(vec![0x3c00, 0xc000, 0x0001, 0x7c00]).to_f64(),
            [1.0, -2.0, 2f64.powi(-24), f64::INFINITY]
        );
        assert_eq!(Data::Bf16(vec![0x3f80, 0xc000, 0x0001]).to_f64(), [1.0, -2.0, 2f64.powi(-133)]);
        assert_eq!(Data::I8(vec![-1, 7]).to_f64(), [-1.0, 7.0]);
        assert_eq!(Data::Bool(vec![0, 1, 2]).to_f64(), [0.0, 1.0, 1.0]);
        assert_eq!(Data::F32(vec![0.1]).to_f64(), [f64::from(0.1f32)]);
        assert_eq!(Data::I16(vec![5, 6, 7, 8]).range_f64(1..3), [6.0, 7.0]);
    }

    #[test]
    fn names_are_checked_in_one_message() {
        let dict = dict(&[("conv1.weight", &[64, 3, 7, 7]), ("linear.weight", &[10]), ("bn.bias", &[64])]);
        let same = wanted(&[("bn.bias", &[64]), ("conv1.weight", &[64, 3, 7, 7]), ("linear.weight", &[10])]);
        dict.check_names("w.safetensors", "a net", &same).unwrap();
        let expected =
            wanted(&[("conv1.weight", &[64, 3, 3, 3]), ("bn.bias", &[64]), ("fc.weight", &[10, 512])]);
        assert_eq!(
            dict.check_names("w.safetensors", "resnet18", &expected).unwrap_err().to_string(),
            "w.safetensors: expected the 3 tensors of resnet18, found 1 missing (fc.weight), \
             1 unexpected (linear.weight), 1 misshapen (conv1.weight [64,3,7,7] instead of [64,3,3,3])"
        );
        let many: Vec<_> = (0..9).map(|i| (format!("l{i}"), vec![1])).collect();
        assert_eq!(
            StateDict::new().check_names("w", "m", &many).unwrap_err().to_string(),
            "w: expected the 9 tensors of m, found 9 missing (l0, l1, l2, l3, l4, l5, l6, l7, …)"
        );
        StateDict::new().check_names("w", "m", &[]).unwrap();
    }
}
