//! Pickles of `torch.save`: which functions they may name, and tensors as views
//! of storages.
//!
//! Tensors are calls of `torch._utils._rebuild_tensor_v2` and its kin, with a
//! storage (kept outside of the pickle), an offset, a size and strides. Whatever
//! else a checkpoint holds is read and left alone: a function or class that is not listed
//! here is a name, and what would have been made of it a record.

use super::view::View;
use super::{Dtype, shape_text};
use crate::error::shown;
use crate::pickle::{self, Heap, Id, Instance, Step, Value, Vocabulary};

/// Objects of a checkpoint.
pub type Objects<'a> = Heap<'a, Torch>;
type Object<'a> = pickle::Object<'a, Torch>;

/// What makes tensors, and plain data.
#[derive(Debug, Default)]
pub struct Torch {
    // entries of dicts and sets made of lists so far
    listed: usize,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// One that is held.
    Held(Dtype),
    /// Another one, by name and bytes.
    Other(&'static str, usize),
}

impl Number {
    /// Its bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Held(dtype) => dtype.size(),
            Self::Other(_, size) => size,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Global {
    OrderedDict,
    // its argument makes values of keys that are not there
    DefaultDict,
    Set,
    // of a class, by its name
    Attribute,
    // with the numbers of arguments that it takes
    Tensor(usize, usize),
    // its numbers are those of an argument: the seventh
    TypedTensor,
    // a tensor within other information
    Parameter,
    WithType,
    Size,
    Storage(Number),
    Number(Number),
    // a class of tensors
    Class,
    // makes a tensor that is not read
    Stranger(&'static str),
    // makes something else
    Plain(&'static str),
}

#[derive(Debug)]
pub enum Made {
    /// A storage: the tuple that names it.
    Storage(Id),
    /// A tensor: the arguments it is rebuilt from, and whether they name its numbers.
    Tensor { arguments: Id, typed: bool },
    /// A tensor of a kind that is not read ("a sparse tensor").
    Stranger(&'static str),
    /// Something that is no tensor.
    Plain(&'static str),
}

const STORAGES: [(&str, Number); 18] = [
    ("DoubleStorage", Number::Held(Dtype::F64)),
    ("FloatStorage", Number::Held(Dtype::F32)),
    ("HalfStorage", Number::Held(Dtype::F16)),
    ("BFloat16Storage", Number::Held(Dtype::Bf16)),
    ("LongStorage", Number::Held(Dtype::I64)),
    ("IntStorage", Number::Held(Dtype::I32)),
    ("ShortStorage", Number::Held(Dtype::I16)),
    ("CharStorage", Number::Held(Dtype::I8)),
    ("ByteStorage", Number::Held(Dtype::U8)),
    ("BoolStorage", Number::Held(Dtype::Bool)),
    ("UntypedStorage", Number::Held(Dtype::U8)),
    ("ComplexFloatStorage", Number::Other("complex64", 8)),
    ("ComplexDoubleStorage", Number::Other("complex128", 16)),
    ("QInt8Storage", Number::Other("qint8", 1)),
    ("QUInt8Storage", Number::Other("quint8", 1)),
    ("QInt32Storage", Number::Other("qint32", 4)),
    ("QUInt4x2Storage", Number::Other("quint4x2", 1)),
    ("QUInt2x4Storage", Number::Other("quint2x4", 1)),
];

const DTYPES: [(&str, Number); 38] = [
    ("float64", Number::Held(Dtype::F64)),
    ("double", Number::Held(Dtype::F64)),
    ("float32", Number::Held(Dtype::F32)),
    ("float", Number::Held(Dtype::F32)),
    ("float16", Number::Held(Dtype::F16)),
    ("half", Number::Held(Dtype::F16)),
    ("bfloat16", Number::Held(Dtype::Bf16)),
    ("int64", Number::Held(Dtype::I64)),
    ("long", Number::Held(Dtype::I64)),
    ("int32", Number::Held(Dtype::I32)),
    ("int", Number::Held(Dtype::I32)),
    ("int16", Number::Held(Dtype::I16)),
    ("short", Number::Held(Dtype::I16)),
    ("int8", Number::Held(Dtype::I8)),
    ("uint8", Number::Held(Dtype::U8)),
    ("bool", Number::Held(Dtype::Bool)),
    ("uint16", Number::Held(Dtype::U16)),
    ("uint32", Number::Held(Dtype::U32)),
    ("uint64", Number::Held(Dtype::U64)),
    ("complex32", Number::Other("complex32", 4)),
    ("chalf", Number::Other("complex32", 4)),
    ("complex64", Number::Other("complex64", 8)),
    ("cfloat", Number::Other("complex64", 8)),
    ("complex128", Number::Other("complex128", 16)),
    ("cdouble", Number::Other("complex128", 16)),
    ("float8_e4m3fn", Number::Held(Dtype::F8E4m3)),
    ("float8_e4m3fnuz", Number::Other("float8_e4m3fnuz", 1)),
    ("float8_e5m2", Number::Held(Dtype::F8E5m2)),
    ("float8_e5m2fnuz", Number::Other("float8_e5m2fnuz", 1)),
    ("float8_e8m0fnu", Number::Other("float8_e8m0fnu", 1)),
    ("float4_e2m1fn_x2", Number::Other("float4_e2m1fn_x2", 1)),
    ("qint8", Number::Other("qint8", 1)),
    ("quint8", Number::Other("quint8", 1)),
    ("qint32", Number::Other("qint32", 4)),
    ("quint4x2", Number::Other("quint4x2", 1)),
    ("quint2x4", Number::Other("quint2x4", 1)),
    ("bits8", Number::Other("bits8", 1)),
    ("bits16", Number::Other("bits16", 2)),
];

fn named(list: &[(&str, Number)], name: &str) -> Option<Number> {
    list.iter().find(|(known, _)| *known == name).map(|&(_, number)| number)
}

impl Vocabulary for Torch {
    type Global = Global;
    type Made = Made;
    const CONTENT: &'static str = "tensors, plain data and names of classes";
    const LONG: bool = true;
    const INERT: bool = true;

    fn find(module: &str, name: &str) -> Option<Global> {
        const QUANTISED: &str = "a quantised tensor";
        const META: &str = "a tensor without numbers (on the device meta)";
        Some(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("collections", "defaultdict") => Global::DefaultDict,
            ("builtins" | "__builtin__", "dict") => Global::OrderedDict,
            ("builtins" | "__builtin__", "set" | "frozenset") => Global::Set,
            ("builtins" | "__builtin__", "getattr") => Global::Attribute,
            ("torch._utils", "_rebuild_tensor") => Global::Tensor(4, 4),
            ("torch._utils", "_rebuild_tensor_v2") => Global::Tensor(6, 7),
            ("torch._utils", "_rebuild_tensor_v3") => Global::TypedTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Global::WithType,
            ("torch._utils", "_rebuild_qtensor") => Global::Stranger(QUANTISED),
            ("torch._utils", "_rebuild_sparse_tensor") => Global::Stranger("a sparse tensor"),
            ("torch._utils", "_rebuild_nested_tensor") => Global::Stranger("a nested tensor"),
            ("torch._utils", "_rebuild_meta_tensor_no_storage") => Global::Stranger(META),
            ("torch", "Size") => Global::Size,
            ("torch", "Tensor") | ("torch.nn.parameter", "Parameter" | "Buffer") => Global::Class,
            ("torch", "device") => Global::Plain("a device"),
            ("torch.serialization", "_get_layout") => Global::Plain("a layout"),
            (
                "torch",
                "per_tensor_affine"
                | "per_tensor_symmetric"
                | "per_channel_affine"
                | "per_channel_symmetric"
                | "per_channel_affine_float_qparams",
            ) => Global::Plain("a way of quantisation"),
            ("collections", "Counter") => Global::Plain("a counter"),
            ("builtins" | "__builtin__", "bytearray") => Global::Plain("bytes"),
            ("builtins" | "__builtin__", "complex") => Global::Plain("a complex number"),
            ("_codecs", "encode") => Global::Plain("bytes"),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => {
                Global::Plain("a number of numpy")
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Global::Plain("an array of numpy")
            }
            ("numpy", "dtype") => Global::Plain("a dtype"),
            ("torch" | "torch.cuda" | "torch.storage", _) => {
                match (named(&STORAGES, name), named(&DTYPES, name)) {
                    (Some(number), _) => Global::Storage(number),
                    (_, Some(number)) if module == "torch" => Global::Number(number),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    fn kind(made: &Made) -> &'static str {
        match made {
            Made::Storage(_) => "a storage",
            Made::Tensor { .. } => "a tensor",
            Made::Stranger(kind) | Made::Plain(kind) => kind,
        }
    }

    fn call<'a>(&mut self, heap: &Objects<'a>, function: Global, arguments: Id) -> Step<Value<'a, Self>> {
        let given = heap.tuple(arguments, "a tuple of arguments")?;
        let wrong = || {
            (
                "a call that rebuilds a tensor",
                format!("one of {} with {} arguments", function.kind(), given.len()),
            )
        };
        let storage = |id| match heap[id] {
            Object::Made(Made::Storage(_)) => Ok(()),
            ref other => Err(("a storage", other.kind().to_owned())),
        };
        let made = match (function, given) {
            (Global::OrderedDict, &[]) => Object::Dict(Vec::new()),
            (Global::OrderedDict, &[pairs]) if matches!(heap[pairs], Object::Dict(_)) => {
                return Ok(Value::Same(pairs));
            }
            (Global::OrderedDict, &[pairs]) => self.listed(heap, pairs)?,
            (Global::DefaultDict, &[] | &[_]) => Object::Dict(Vec::new()),
            (Global::DefaultDict, &[_, pairs]) if matches!(heap[pairs], Object::Dict(_)) => {
                return Ok(Value::Same(pairs));
            }
            (Global::Attribute, &[owner, name]) => return attribute(heap, owner, name, arguments),
            // Parameters as PyTorch wrote them before version 0.4.
            (Global::Class, &[tensor, ..])
                if matches!(heap[tensor], Object::Made(Made::Tensor { .. } | Made::Stranger(_))) =>
            {
                return Ok(Value::Same(tensor));
            }
            (Global::Set, &[]) => Object::Set(Vec::new()),
            (Global::Set, &[items]) => match &heap[items] {
                Object::List(items) | Object::Tuple(items) | Object::Set(items) => {
                    self.count(heap, items.len())?;
                    Object::Set(items.clone())
                }
                other => return Err(("the items of a set", other.kind().to_owned())),
            },
            (Global::Tensor(least, most), &[first, ..]) if (least..=most).contains(&given.len()) => {
                storage(first)?;
                Object::Made(Made::Tensor { arguments, typed: false })
            }
            (Global::TypedTensor, &[first, _, _, _, _, _, number, ..]) => {
                storage(first)?;
                match heap[number] {
                    Object::Global(Global::Number(_)) => {
                        Object::Made(Made::Tensor { arguments, typed: true })
                    }
                    Object::Unknown(..) => {
                        Object::Made(Made::Stranger("a tensor of a type that is not known"))
                    }
                    ref other => return Err(("the dtype of a tensor", other.kind().to_owned())),
                }
            }
            (Global::Parameter, &[tensor, _, _] | &[tensor, _, _, _]) => match heap[tensor] {
                Object::Made(Made::Tensor { .. } | Made::Stranger(_)) | Object::Instance(_) => {
                    return Ok(Value::Same(tensor));
                }
                ref other => return Err(("the tensor of a parameter", other.kind().to_owned())),
            },
            // (function, class, arguments, attributes)
            (Global::WithType, &[inner, class, arguments, _]) => {
                // Of a class of one's own the numbers are those of a tensor all the same.
                if !matches!(heap[class], Object::Global(Global::Class) | Object::Unknown(..)) {
                    return Err(("a class of tensors", heap.kind(class).to_owned()));
                }
                return match heap[inner] {
                    Object::Global(
                        inner @ (Global::Tensor(..)
                        | Global::TypedTensor
                        | Global::Parameter
                        | Global::Stranger(_)),
                    ) => self.call(heap, inner, arguments),
                    Object::Unknown(..) => Ok(Value::New(Object::Made(Made::Stranger(
                        "a tensor that is made in a way of its own",
                    )))),
                    ref other => Err(("a function that rebuilds a tensor", other.kind().to_owned())),
                };
            }
            (Global::Size, &[sides]) => {
                heap.tuple(sides, "the lengths of axes")?;
                return Ok(Value::Same(sides));
            }
            (Global::Stranger(kind), _) => Object::Made(Made::Stranger(kind)),
            (Global::Plain(kind), _) => Object::Made(Made::Plain(kind)),
            _ => return Err(wrong()),
        };
        Ok(Value::New(made))
    }

    // Ordered dicts have attributes (`_metadata` of state dicts), which say nothing of
    // tensors; so have numpy's dtypes.
    fn build<'a>(&mut self, heap: &Objects<'a>, target: Id, state: Id) -> Step<Option<Object<'a>>> {
        match &heap[target] {
            Object::Dict(_) | Object::Made(Made::Plain(_)) => Ok(None),
            // Whether it wants a gradient, and hooks; but not other numbers.
            Object::Made(Made::Tensor { .. }) if holds_no_storage(heap, state) => Ok(None),
            other => Err(("an ordered dict to give attributes to", other.kind().to_owned())),
        }
    }

    // ('storage', type, key, device, numbers), in the legacy format with what part of it
    // is meant, or None.
    fn persistent<'a>(&mut self, heap: &Objects<'a>, id: Id) -> Step<Value<'a, Self>> {
        let parts = heap.tuple(id, "the name of a storage")?;
        match parts.first().and_then(|&first| heap.text(first)) {
            Some("storage") => {
                Storage::read(heap, id)?;
                Ok(Value::New(Object::Made(Made::Storage(id))))
            }
            // ('module', class, file, source)
            Some("module") if parts.len() > 1 => Ok(Value::Same(parts[1])),
            _ => Err(("the name of a storage", "another tuple".to_owned())),
        }
    }
}

impl Global {
    fn kind(self) -> &'static str {
        match self {
            Self::OrderedDict | Self::DefaultDict => "a dict",
            Self::Set => "a set",
            Self::Attribute => "builtins.getattr",
            Self::Tensor(..) | Self::TypedTensor | Self::Parameter | Self::WithType => "a tensor",
            Self::Size => "a size",
            Self::Storage(_) => "a storage",
            Self::Number(_) => "a dtype",
            Self::Class => "a class of tensors",
            Self::Stranger(kind) | Self::Plain(kind) => kind,
        }
    }
}

// getattr(class, "name"), as protocol 2 writes methods and classes within classes: a record, unless what it
// names can run code.
fn attribute<'a>(heap: &Objects<'a>, owner: Id, name: Id, arguments: Id) -> Step<Value<'a, Torch>> {
    let text = heap.short_text(name)?;
    let (module, class) = heap.name(owner).unwrap_or_default();
    if pickle::is_unsafe(module, &format!("{class}.{text}")) {
        let full = format!("builtins.getattr of {module}.{class}.{text}");
        return Err((Torch::CONTENT, pickle::runs_code(&shown(&full))));
    }
    Ok(Value::New(Object::Instance(Box::new(Instance::new(owner, arguments)))))
}

fn holds_no_storage(heap: &Objects, state: Id) -> bool {
    let plain = |id: &Id| !matches!(heap[*id], Object::Made(_));
    match &heap[state] {
        Object::Tuple(parts) => parts.iter().all(plain),
        _ => plain(&state),
    }
}

impl Torch {
    // One list may be given any number of times.
    fn count(&mut self, heap: &Objects, items: usize) -> Step<()> {
        self.listed += items;
        if self.listed > heap.limit() {
            return Err(("entries within the size of the file", "the same ones repeated".to_owned()));
        }
        Ok(())
    }

    // OrderedDict([(key, value), …])
    fn listed<'a>(&mut self, heap: &Objects<'a>, pairs: Id) -> Step<Object<'a>> {
        let (Object::List(items) | Object::Tuple(items)) = &heap[pairs] else {
            return Err(("a list of keys with values", heap.kind(pairs).to_owned()));
        };
        self.count(heap, items.len())?;
        let pair = |&item: &Id| match &heap[item] {
            Object::List(pair) | Object::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            other => Err(("a key with its value", other.kind().to_owned())),
        };
        Ok(Object::Dict(items.iter().map(pair).collect::<Step<_>>()?))
    }
}

/// What a checkpoint says of a storage.
#[derive(Clone, Copy, Debug)]
pub struct Storage<'p> {
    /// Its name.
    pub key: &'p str,
    /// What its numbers are.
    pub number: Number,
    /// How many.
    pub count: usize,
    /// First number and count of the part that is meant.
    pub part: Option<(usize, usize)>,
}

impl<'p> Storage<'p> {
    /// The storage that the tuple `id` names.
    pub fn read(heap: &'p Objects<'_>, id: Id) -> Step<Self> {
        let (class, key, count, part) = match heap.tuple(id, "the name of a storage")? {
            &[_, class, key, _, count] => (class, key, count, None),
            &[_, class, key, _, count, part] => (class, key, count, Some(part)),
            other => return Err(("a storage of 5 or 6 properties", other.len().to_string())),
        };
        let Object::Global(Global::Storage(number)) = heap[class] else {
            return Err(("the type of a storage", heap.kind(class).to_owned()));
        };
        let key = heap.text(key).ok_or(("the key of a storage", heap.kind(key).to_owned()))?;
        let count = heap.length(count)?;
        if count.checked_mul(number.size()).is_none_or(|bytes| bytes > isize::MAX as usize) {
            return Err(("a storage that can exist", format!("{count} numbers")));
        }
        let part = match part.map(|id| (id, &heap[id])) {
            None | Some((_, Object::None)) => None,
            Some((id, _)) => {
                let &[_, start, length] = heap.tuple(id, "a part of a storage")? else {
                    return Err(("a part of a storage", "a tuple of other length".to_owned()));
                };
                let (start, length) = (heap.length(start)?, heap.length(length)?);
                if start.checked_add(length).is_none_or(|end| end > count) {
                    let found = format!("{length} from {start} on");
                    return Err(("a part within its storage", found));
                }
                Some((start, length))
            }
        };
        Ok(Self { key, number, count, part })
    }

    /// Its bytes.
    pub fn bytes(&self) -> usize {
        self.count * self.number.size()
    }
}

/// All storages that a pickle names.
pub fn storages<'p>(heap: &'p Objects<'_>) -> impl Iterator<Item = Storage<'p>> {
    (0..heap.len()).filter_map(move |id| match heap[id] {
        Object::Made(Made::Storage(name)) => Some(Storage::read(heap, name).expect("it was read before")),
        _ => None,
    })
}

/// The storage of the tensor rebuilt from `arguments`, or what was expected and what
/// was found.
pub fn storage<'p>(
    heap: &'p Objects<'_>,
    arguments: Id,
) -> std::result::Result<Storage<'p>, (String, String)> {
    let read = || {
        let given = heap.tuple(arguments, "arguments")?;
        match heap[given[0]] {
            Object::Made(Made::Storage(name)) => Storage::read(heap, name),
            ref other => Err(("a storage", other.kind().to_owned())),
        }
    };
    read().map_err(|(expected, found)| (expected.to_owned(), found))
}

/// The numbers of the tensor rebuilt from `arguments`; the name of those that are not read.
pub fn dtype(
    heap: &Objects,
    arguments: Id,
    typed: bool,
    storage: &Storage,
) -> std::result::Result<Dtype, &'static str> {
    let own = heap.tuple(arguments, "arguments").ok().and_then(|given| given.get(6)).map(|&id| &heap[id]);
    let number = match (typed, own) {
        (true, Some(&Object::Global(Global::Number(number)))) => number,
        _ => storage.number,
    };
    match number {
        Number::Held(dtype) => Ok(dtype),
        Number::Other(name, _) => Err(name),
    }
}

/// The view of `storage`, the extent of that index, that the tensor rebuilt from
/// `arguments` is, with numbers of `dtype`.
pub fn view(
    heap: &Objects,
    arguments: Id,
    dtype: Dtype,
    storage: &Storage,
    extent: usize,
) -> std::result::Result<View, (String, String)> {
    const AXES: usize = 64;
    let text = |(expected, found): pickle::Wrong| (expected.to_owned(), found);
    let given = heap.tuple(arguments, "arguments").map_err(text)?;
    let lengths = |id: Id| -> Step<Vec<usize>> {
        let sides = heap.tuple(id, "lengths of axes")?;
        if sides.len() > AXES {
            return Err(("at most 64 axes", sides.len().to_string()));
        }
        sides.iter().map(|&side| heap.length(side)).collect()
    };
    let [offset, shape, strides] = [given[1], given[2], given[3]];
    let mut offset = heap.length(offset).map_err(text)?;
    let shape = lengths(shape).map_err(text)?;
    let strides = lengths(strides).map_err(|(_, found)| {
        (format!("strides for shape {}, none of them negative", shape_text(&shape)), found)
    })?;
    let (mut end, size) = (storage.count, storage.number.size());
    if let Some((start, length)) = storage.part {
        let place = offset.checked_add(start).filter(|_| dtype.size() == size);
        offset =
            place.ok_or_else(|| ("a part of a storage of its own type".to_owned(), "another".to_owned()))?;
        end = start + length;
    }
    View::new(extent, dtype, offset, shape, strides, end * size / dtype.size())
}
