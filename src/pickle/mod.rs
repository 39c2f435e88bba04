//! A machine for Python pickles that executes nothing, protocols 0 to 5, as
//! Python 2 and Python 3 write them.
//!
//! A pickle is a program for a stack machine that may call any Python
//! function. Here a [`Vocabulary`] lists the few functions that are recognised,
//! by name, and says what a call of one stands for. Every other name is an error, or,
//! where the vocabulary is [`INERT`](Vocabulary::INERT), an [`Instance`]: a record of what
//! would have been called, with what, and the state it would have got. Names whose
//! purpose is to run code or commands ([`unsafe_names`]) are errors always. Objects live in
//! one list and refer to each other by index, so nothing here recurses; and as
//! every opcode makes at most three objects of the bytes it has, memory is bounded by
//! the length of the pickle. [`numpy`] is the vocabulary of arrays; that of PyTorch's
//! tensors is with the weights. (`serde-pickle` 1.2 drops what BUILD sets on an object.)

pub mod numpy;
pub(crate) mod op;
mod unsafe_names;

pub(crate) use unsafe_names::is_unsafe;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::{Error, Result, shown};

/// Index of an object in a [`Heap`].
pub type Id = usize;

/// What was expected, and what was found.
pub type Wrong = (&'static str, String);

/// A step of the machine, or of a reader of its objects.
pub type Step<T> = std::result::Result<T, Wrong>;

/// The functions that a pickle may name, and what they stand for.
pub trait Vocabulary: Sized {
    /// Something with a name: a function, a class, a constant.
    type Global: Copy + std::fmt::Debug;
    /// What calls make, besides plain data.
    type Made: std::fmt::Debug;
    /// What such pickles consist of, in words.
    const CONTENT: &'static str;
    /// Whether integers beyond 64 bits may stand in it; their value is not kept.
    const LONG: bool;
    /// Whether functions and classes that are not known are passed over.
    const INERT: bool = false;

    /// What is known under that name.
    fn find(module: &str, name: &str) -> Option<Self::Global>;

    /// What an object is, in words ("an array").
    fn kind(made: &Self::Made) -> &'static str;

    /// A call of `function`; `arguments` is a tuple.
    ///
    /// # Errors
    /// Arguments that it does not take.
    fn call<'a>(
        &mut self,
        heap: &Heap<'a, Self>,
        function: Self::Global,
        arguments: Id,
    ) -> Step<Value<'a, Self>>;

    /// `__setstate__` of `target`: what it is from now on; none where it stays as it is.
    ///
    /// # Errors
    /// An object that is not built so, or a state that it does not take.
    fn build<'a>(&mut self, heap: &Heap<'a, Self>, target: Id, state: Id) -> Step<Option<Object<'a, Self>>>;

    /// What an object kept outside of the pickle, under the name `id`, stands for.
    ///
    /// # Errors
    /// Any, unless such objects are known.
    fn persistent<'a>(&mut self, heap: &Heap<'a, Self>, id: Id) -> Step<Value<'a, Self>> {
        Err((Self::CONTENT, format!("an object kept elsewhere, under {}", heap.kind(id))))
    }
}

/// What a call stands for.
#[derive(Debug)]
pub enum Value<'a, V: Vocabulary> {
    /// A new object.
    New(Object<'a, V>),
    /// One that is there already.
    Same(Id),
}

/// An object of a pickle.
#[derive(Debug)]
pub enum Object<'a, V: Vocabulary> {
    /// None.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A larger one.
    Long,
    /// A floating point number.
    Float,
    /// str of Python 2, bytes and bytearray of Python 3.
    Bytes(Cow<'a, [u8]>),
    /// A string.
    Text(Cow<'a, str>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A set, frozen or not; items may repeat.
    Set(Vec<Id>),
    /// Keys and values in the order in which they were set; keys may repeat.
    Dict(Vec<(Id, Id)>),
    /// Something that was named.
    Global(V::Global),
    /// What a call has made.
    Made(V::Made),
    /// A function or class that is not known: its module and its name, two texts.
    Unknown(Id, Id),
    /// What a call of one would have made.
    Instance(Box<Instance>),
}

/// A call of a function or class that is not known, which was not made.
#[derive(Debug)]
pub struct Instance {
    /// What was called.
    pub class: Id,
    /// A tuple.
    pub arguments: Id,
    /// States it would have been given, in order.
    pub states: Vec<Id>,
    /// Items added to it as to a list or a set.
    pub items: Vec<Id>,
    /// Keys and values set in it as in a dict.
    pub pairs: Vec<(Id, Id)>,
}

impl Instance {
    /// A call of `class` with a tuple of arguments.
    pub fn new(class: Id, arguments: Id) -> Self {
        let (states, items, pairs) = Default::default();
        Self { class, arguments, states, items, pairs }
    }
}

impl<V: Vocabulary> Object<'_, V> {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::Long => "an integer",
            Self::Float => "a float",
            Self::Bytes(_) => "bytes",
            Self::Text(_) => "a string",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Dict(_) => "a dict",
            Self::Global(_) | Self::Unknown(..) => "a function",
            Self::Made(made) => V::kind(made),
            Self::Instance(_) => "an object",
        }
    }

    /// The text of a key or a name, however Python stored it.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// The objects of a pickle.
#[derive(Debug)]
pub struct Heap<'a, V: Vocabulary> {
    objects: Vec<Object<'a, V>>,
    limit: usize,
}

// There is one of each of these, however often it is named.
const NONE: Id = 0;
const TRUE: Id = 1;
const FALSE: Id = 2;
const EMPTY_TUPLE: Id = 3;

impl<V: Vocabulary> Heap<'_, V> {
    fn new(limit: usize) -> Self {
        let objects = vec![Object::None, Object::Bool(true), Object::Bool(false), Object::Tuple(Vec::new())];
        Self { objects, limit }
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Bytes of the pickle: the bound for whatever is copied from its objects.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// What an object is, in words.
    pub fn kind(&self, id: Id) -> &'static str {
        self[id].kind()
    }

    /// Module and name of a function or class that is not known, or of that of an instance.
    pub fn name(&self, mut id: Id) -> Option<(&str, &str)> {
        // What an instance is of may be an instance, and so on; of an attribute it is what has it.
        const DEEP: usize = 16;
        for _ in 0..DEEP {
            let Object::Instance(instance) = &self[id] else { break };
            id = instance.class;
            if let Some(("copyreg" | "copy_reg", "_reconstructor")) = self.own_name(id)
                && let Object::Tuple(arguments) = &self[instance.arguments]
                && let Some(&class) = arguments.first()
            {
                id = class;
            }
        }
        self.own_name(id)
    }

    /// What an object is, in words; of one that is not known its name.
    pub fn called(&self, id: Id) -> String {
        let name = self.name(id).map(|(module, name)| shown(&format!("{module}.{name}")));
        name.map_or_else(|| self.kind(id).to_owned(), |name| format!("an object of {name}"))
    }

    /// The text of the name of a function, a module or an attribute, which is not long: it may be looked at
    /// again and again.
    ///
    /// # Errors
    /// Anything else.
    pub fn short_text(&self, id: Id) -> Step<&str> {
        const LONGEST: usize = 1024;
        match self.text(id) {
            Some(text) if text.len() <= LONGEST => Ok(text),
            Some(text) => Err(("a name of at most 1024 bytes", text.len().to_string())),
            None => Err(("the name of a function", self.kind(id).to_owned())),
        }
    }

    fn own_name(&self, id: Id) -> Option<(&str, &str)> {
        let Object::Unknown(module, name) = self[id] else { return None };
        Some((self.text(module)?, self.text(name)?))
    }

    /// All functions and classes that are not known, as often as they are named.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &str)> {
        let ids = (0..self.len()).filter(|&id| matches!(self[id], Object::Unknown(..)));
        ids.filter_map(|id| self.name(id))
    }

    /// The text of a key or a name.
    pub fn text(&self, id: Id) -> Option<&str> {
        self[id].text()
    }

    /// The items of a tuple; `expected` says what it should have been.
    ///
    /// # Errors
    /// Anything else.
    pub fn tuple(&self, id: Id, expected: &'static str) -> Step<&[Id]> {
        match &self[id] {
            Object::Tuple(items) => Ok(items),
            other => Err((expected, other.kind().to_owned())),
        }
    }

    /// A length: an integer that is not negative.
    ///
    /// # Errors
    /// Anything else.
    pub fn length(&self, id: Id) -> Step<usize> {
        match self[id] {
            Object::Int(length) => usize::try_from(length).map_err(|_| ("a length", length.to_string())),
            ref other => Err(("a length", other.kind().to_owned())),
        }
    }
}

impl<'a, V: Vocabulary> std::ops::Index<Id> for Heap<'a, V> {
    type Output = Object<'a, V>;

    fn index(&self, id: Id) -> &Object<'a, V> {
        &self.objects[id]
    }
}

/// A pickle that has been read.
#[derive(Debug)]
pub struct Pickle<'a, V: Vocabulary> {
    /// Its objects.
    pub heap: Heap<'a, V>,
    /// The object that was pickled.
    pub root: Id,
    /// Bytes up to its end.
    pub len: usize,
}

/// What is said of a function whose purpose is to run code, and what to do.
pub(crate) fn runs_code(name: &str) -> String {
    format!(
        "the function {name}, which can run code: nothing was run; who trusts the file can load it in Python and save \
         its state_dict"
    )
}

/// Why a pickle cannot be read.
#[derive(Debug)]
pub struct Refusal {
    /// The byte where reading stopped.
    pub at: usize,
    /// Whether the bytes ran out: more of them might be a pickle.
    pub short: bool,
    wrong: Wrong,
}

impl Refusal {
    /// The error; `place` names the file.
    pub fn error(self, place: impl std::fmt::Display) -> Error {
        Error::input(format_args!("{place}: byte {}", self.at), self.wrong.0, self.wrong.1)
    }
}

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// Anything that is not a complete pickle of what `vocabulary` knows.
pub fn read<V: Vocabulary>(bytes: &[u8], vocabulary: V) -> Result<Pickle<'_, V>, Refusal> {
    let mut machine = Machine {
        bytes,
        at: 0,
        short: false,
        heap: Heap::new(bytes.len()),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        vocabulary,
    };
    match machine.run() {
        Ok(root) => Ok(Pickle { heap: machine.heap, root, len: machine.at }),
        Err(wrong) => Err(Refusal { at: machine.at, short: machine.short, wrong }),
    }
}

/// An integer of at most 8 bytes; unsigned ones beyond i64 become its largest value.
pub fn integer(bytes: &[u8], signed: bool, big: bool) -> i64 {
    let mut wide = 0u64;
    let shift_in = |wide: u64, &byte: &u8| (wide << 8) | u64::from(byte);
    wide = if big { bytes.iter().fold(wide, shift_in) } else { bytes.iter().rev().fold(wide, shift_in) };
    let unused = 64 - 8 * bytes.len() as u32;
    if signed { ((wide << unused) as i64) >> unused } else { i64::try_from(wide).unwrap_or(i64::MAX) }
}

struct Machine<'a, V: Vocabulary> {
    bytes: &'a [u8],
    at: usize,
    short: bool,
    heap: Heap<'a, V>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    vocabulary: V,
}

impl<'a, V: Vocabulary> Machine<'a, V> {
    fn run(&mut self) -> Step<Id> {
        loop {
            let code = self.take(1)?[0];
            match code {
                op::STOP => return self.pop(),
                op::PROTO => {
                    let version = self.take(1)?[0];
                    if version > 5 {
                        return Err(("a pickle of protocol 0 to 5", format!("protocol {version}")));
                    }
                }
                // A frame only announces its length.
                op::FRAME => drop(self.take(8)?),
                op::MARK => self.marks.push(self.stack.len()),
                op::POP => drop(self.pop()?),
                op::POP_MARK => drop(self.pop_to_mark()?),
                op::DUP => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                op::NONE => self.stack.push(NONE),
                op::NEWTRUE => self.stack.push(TRUE),
                op::NEWFALSE => self.stack.push(FALSE),
                op::INT => match self.line()? {
                    b"01" => self.stack.push(TRUE),
                    b"00" => self.stack.push(FALSE),
                    digits => self.push(Object::Int(decimal(digits)?)),
                },
                op::LONG => {
                    let line = self.line()?;
                    let value = decimal(line.strip_suffix(b"L").unwrap_or(line))?;
                    self.push(Object::Int(value));
                }
                op::BININT1 => self.push_integer(1, false)?,
                op::BININT2 => self.push_integer(2, false)?,
                op::BININT => self.push_integer(4, true)?,
                op::LONG1 => {
                    let len = self.length(1)?;
                    self.push_long(len)?;
                }
                op::LONG4 => {
                    let len = self.length(4)?;
                    self.push_long(len)?;
                }
                op::FLOAT => {
                    self.line()?;
                    self.push(Object::Float);
                }
                op::BINFLOAT => {
                    self.take(8)?;
                    self.push(Object::Float);
                }
                op::SHORT_BINSTRING | op::SHORT_BINBYTES => self.push_bytes(1)?,
                op::BINSTRING | op::BINBYTES => self.push_bytes(4)?,
                op::BINBYTES8 | op::BYTEARRAY8 => self.push_bytes(8)?,
                op::STRING => {
                    let quoted = self.line()?;
                    self.push(Object::Bytes(Cow::Owned(unquote(quoted)?)));
                }
                op::SHORT_BINUNICODE => self.push_text(1)?,
                op::BINUNICODE => self.push_text(4)?,
                op::BINUNICODE8 => self.push_text(8)?,
                op::UNICODE => {
                    let raw = self.line()?;
                    self.push(Object::Text(Cow::Owned(raw_unicode(raw)?)));
                }
                op::EMPTY_LIST => self.push(Object::List(Vec::new())),
                op::LIST => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::List(items));
                }
                op::APPEND => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                op::APPENDS => {
                    let items = self.pop_to_mark()?;
                    self.extend_list(items)?;
                }
                op::EMPTY_TUPLE => self.stack.push(EMPTY_TUPLE),
                op::TUPLE => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Tuple(items));
                }
                op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                    let len = usize::from(code - op::TUPLE1 + 1);
                    if self.stack.len() < self.floor() + len {
                        return Err(("a value on the stack", "none".to_owned()));
                    }
                    let items = self.stack.split_off(self.stack.len() - len);
                    self.push(Object::Tuple(items));
                }
                op::EMPTY_DICT => self.push(Object::Dict(Vec::new())),
                op::DICT => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Dict(Vec::new()));
                    self.extend_dict(&items)?;
                }
                op::SETITEM => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend_dict(&[key, value])?;
                }
                op::SETITEMS => {
                    let items = self.pop_to_mark()?;
                    self.extend_dict(&items)?;
                }
                op::GET => {
                    let index = memo_index(self.line()?)?;
                    self.recall(index)?;
                }
                op::BINGET => {
                    let index = self.length(1)? as u64;
                    self.recall(index)?;
                }
                op::LONG_BINGET => {
                    let index = self.length(4)? as u64;
                    self.recall(index)?;
                }
                op::PUT => {
                    let index = memo_index(self.line()?)?;
                    self.memorise(index)?;
                }
                op::BINPUT => {
                    let index = self.length(1)? as u64;
                    self.memorise(index)?;
                }
                op::LONG_BINPUT => {
                    let index = self.length(4)? as u64;
                    self.memorise(index)?;
                }
                op::MEMOIZE => self.memorise(self.memo.len() as u64)?,
                op::EMPTY_SET => self.push(Object::Set(Vec::new())),
                op::FROZENSET => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Set(items));
                }
                op::ADDITEMS => {
                    let items = self.pop_to_mark()?;
                    self.extend_set(items)?;
                }
                op::GLOBAL => {
                    self.push_names()?;
                    self.name()?;
                }
                op::STACK_GLOBAL => self.name()?,
                op::BINPERSID => {
                    let id = self.pop()?;
                    let value = self.vocabulary.persistent(&self.heap, id)?;
                    self.push_value(value);
                }
                op::REDUCE => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.call(function, arguments)?;
                }
                op::BUILD => self.build()?,
                op::NEWOBJ if V::INERT => {
                    let (arguments, class) = (self.pop()?, self.pop()?);
                    self.call(class, arguments)?;
                }
                // With arguments by name, which say nothing of tensors.
                op::NEWOBJ_EX if V::INERT => {
                    let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                    self.call(class, arguments)?;
                }
                op::OBJ if V::INERT => {
                    let mut arguments = self.pop_to_mark()?;
                    if arguments.is_empty() {
                        return Err(("a class on the stack", "none".to_owned()));
                    }
                    let class = arguments.remove(0);
                    self.call_with(class, arguments)?;
                }
                op::INST => {
                    self.push_names()?;
                    self.name()?;
                    let class = self.pop()?;
                    if !V::INERT {
                        return Err(("an opcode of plain data", "0x69 'i', a call by name".to_owned()));
                    }
                    let arguments = self.pop_to_mark()?;
                    self.call_with(class, arguments)?;
                }
                _ => {
                    let found = format!("0x{code:02x} '{}'", (code as char).escape_default());
                    return Err(("an opcode of plain data", found));
                }
            }
        }
    }

    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..len) else {
            self.short = true;
            return Err((
                "more of the pickle",
                format!("its end, {len} bytes asked and {} left", rest.len()),
            ));
        };
        self.at += len;
        Ok(taken)
    }

    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(len) = rest.iter().position(|&b| b == b'\n') else {
            self.short = true;
            return Err(("a line of text", "the end of the file".to_owned()));
        };
        self.at += len + 1;
        Ok(rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len]))
    }

    // An unsigned little-endian number of `size` bytes.
    fn length(&mut self, size: usize) -> Step<usize> {
        let value = self.take(size)?.iter().rev().fold(0u64, |all, &byte| (all << 8) | u64::from(byte));
        usize::try_from(value).map_err(|_| ("a length", value.to_string()))
    }

    fn push(&mut self, object: Object<'a, V>) {
        self.stack.push(self.heap.objects.len());
        self.heap.objects.push(object);
    }

    fn push_integer(&mut self, size: usize, signed: bool) -> Step<()> {
        let value = integer(self.take(size)?, signed, false);
        self.push(Object::Int(value));
        Ok(())
    }

    fn push_long(&mut self, len: usize) -> Step<()> {
        if len > 8 && !V::LONG {
            return Err(("an integer of 64 bits", format!("one of {len} bytes")));
        }
        let bytes = self.take(len)?;
        if len > 8 {
            self.push(Object::Long);
            return Ok(());
        }
        let value = if len == 0 { 0 } else { integer(bytes, true, false) };
        self.push(Object::Int(value));
        Ok(())
    }

    fn push_bytes(&mut self, size: usize) -> Step<()> {
        let len = self.length(size)?;
        let bytes = self.take(len)?;
        self.push(Object::Bytes(Cow::Borrowed(bytes)));
        Ok(())
    }

    fn push_text(&mut self, size: usize) -> Step<()> {
        let len = self.length(size)?;
        let bytes = self.take(len)?;
        // Python writes halves of surrogate pairs, of names of files that are not UTF-8.
        self.push(match std::str::from_utf8(bytes) {
            Ok(text) => Object::Text(Cow::Borrowed(text)),
            Err(_) => Object::Bytes(Cow::Borrowed(bytes)),
        });
        Ok(())
    }

    fn push_value(&mut self, value: Value<'a, V>) {
        match value {
            Value::New(object) => self.push(object),
            Value::Same(id) => self.stack.push(id),
        }
    }

    // Module and name, a line each.
    fn push_names(&mut self) -> Step<()> {
        for _ in 0..2 {
            let text = utf8(self.line()?)?;
            self.push(Object::Text(Cow::Borrowed(text)));
        }
        Ok(())
    }

    // The function or class whose module and name are on the stack.
    fn name(&mut self) -> Step<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let found = {
            let (module, name) = (self.heap.short_text(module)?, self.heap.short_text(name)?);
            let known = V::find(module, name);
            if known.is_none() {
                let full = || shown(&format!("{module}.{name}"));
                if is_unsafe(module, name) {
                    return Err((V::CONTENT, runs_code(&full())));
                }
                if !V::INERT {
                    return Err((V::CONTENT, format!("the function {}", full())));
                }
            }
            known
        };
        self.push(found.map_or(Object::Unknown(module, name), Object::Global));
        Ok(())
    }

    // Values below the last mark belong to whoever set it.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Step<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err(("a value on the stack", "none".to_owned())),
        }
    }

    fn pop(&mut self) -> Step<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or(("a mark on the stack", "none".to_owned()))?;
        Ok(self.stack.split_off(mark))
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Step<()> {
        let top = self.top()?;
        match &mut self.heap.objects[top] {
            Object::List(list) => list.extend(items),
            Object::Instance(instance) => instance.items.extend(items),
            other => return Err(("a list to append to", other.kind().to_owned())),
        }
        Ok(())
    }

    fn extend_set(&mut self, items: Vec<Id>) -> Step<()> {
        let top = self.top()?;
        match &mut self.heap.objects[top] {
            Object::Set(set) => set.extend(items),
            Object::Instance(instance) => instance.items.extend(items),
            other => return Err(("a set to add to", other.kind().to_owned())),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Step<()> {
        if !items.len().is_multiple_of(2) {
            return Err(("keys with values", "a key alone".to_owned()));
        }
        let top = self.top()?;
        match &mut self.heap.objects[top] {
            Object::Dict(pairs) => pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            Object::Instance(instance) => {
                instance.pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            other => return Err(("a dict to set items in", other.kind().to_owned())),
        }
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Step<()> {
        let id = *self.memo.get(&index).ok_or(("an index in the memo", index.to_string()))?;
        self.stack.push(id);
        Ok(())
    }

    fn memorise(&mut self, index: u64) -> Step<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    // A call of a known function; of another one a record.
    fn call(&mut self, function: Id, arguments: Id) -> Step<()> {
        self.heap.tuple(arguments, "a tuple of arguments")?;
        match self.heap[function] {
            Object::Global(global) => {
                let value = self.vocabulary.call(&self.heap, global, arguments)?;
                self.push_value(value);
            }
            Object::Unknown(..) | Object::Instance(_) => {
                self.push(Object::Instance(Box::new(Instance::new(function, arguments))));
            }
            _ => return Err(("a function to call", self.heap.kind(function).to_owned())),
        }
        Ok(())
    }

    fn call_with(&mut self, function: Id, arguments: Vec<Id>) -> Step<()> {
        let tuple = self.heap.objects.len();
        self.heap.objects.push(Object::Tuple(arguments));
        self.call(function, tuple)
    }

    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        let target = self.top()?;
        if let Object::Instance(instance) = &mut self.heap.objects[target] {
            instance.states.push(state);
        } else if let Some(built) = self.vocabulary.build(&self.heap, target, state)? {
            self.heap.objects[target] = built;
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Step<&str> {
    std::str::from_utf8(bytes).map_err(|e| ("UTF-8", format!("{e}")))
}

fn decimal(digits: &[u8]) -> Step<i64> {
    utf8(digits)?.parse().map_err(|_| ("an integer of 64 bits", shown(&String::from_utf8_lossy(digits))))
}

fn memo_index(digits: &[u8]) -> Step<u64> {
    u64::try_from(decimal(digits)?).map_err(|_| ("an index in the memo", "a negative number".to_owned()))
}

// 'text' or "text" with the escapes that Python's repr writes.
fn unquote(line: &[u8]) -> Step<Vec<u8>> {
    let wrong = || ("a quoted string", shown(&String::from_utf8_lossy(&line[..line.len().min(40)])));
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(wrong()),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(&c @ (b'\\' | b'\'' | b'"')) => c,
            Some(b'x') => {
                let mut hex = || (*rest.next()? as char).to_digit(16);
                match (hex(), hex()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(wrong()),
                }
            }
            _ => return Err(wrong()),
        });
    }
    Ok(out)
}

// Latin-1 with \uXXXX and \UXXXXXXXX.
fn raw_unicode(line: &[u8]) -> Step<String> {
    let mut out = String::with_capacity(line.len());
    let mut at = 0;
    while at < line.len() {
        let digits = match line[at..] {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            _ => {
                out.push(char::from(line[at]));
                at += 1;
                continue;
            }
        };
        let code = line.get(at + 2..at + 2 + digits).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        out.push(code.ok_or(("four or eight hexadecimal digits", "others".to_owned()))?);
        at += 2 + digits;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of nothing but plain data.
    #[derive(Debug)]
    struct Plain;

    impl Vocabulary for Plain {
        type Global = ();
        type Made = ();
        const CONTENT: &'static str = "plain data";
        const LONG: bool = true;

        fn find(module: &str, name: &str) -> Option<()> {
            (module == "m" && name == "same").then_some(())
        }

        fn kind((): &()) -> &'static str {
            "nothing"
        }

        // Its one argument.
        fn call<'a>(&mut self, heap: &Heap<'a, Self>, (): (), arguments: Id) -> Step<Value<'a, Self>> {
            Ok(Value::Same(heap.tuple(arguments, "arguments")?[0]))
        }

        fn build<'a>(&mut self, _: &Heap<'a, Self>, _: Id, _: Id) -> Step<Option<Object<'a, Self>>> {
            Ok(None)
        }
    }

    fn refusal(bytes: &[u8]) -> (String, bool) {
        let refusal = read(bytes, Plain).expect_err("must be refused");
        let short = refusal.short;
        (refusal.error("file").to_string(), short)
    }

    #[test]
    fn one_pickle_ends_where_the_next_begins() {
        let p = read(b"\x80\x02K\x07.rest", Plain).unwrap();
        assert!(matches!(p.heap[p.root], Object::Int(7)));
        assert_eq!(p.len, 5);
        let p = read(b"cm\nsame\n\x8a\x09123456789\x85R.", Plain).unwrap();
        assert!(matches!(p.heap[p.root], Object::Long));
    }

    #[test]
    fn what_is_not_plain_data_is_refused_by_name() {
        for (bytes, part) in [
            (
                &b"cos\nsystem\n(S'true'\ntR."[..],
                "file: byte 11: expected plain data, found the function os.system, which can run code",
            ),
            (b"(S'x'\nim\nother\n.", "the function m.other"),
            (b"(S'x'\nim\nsame\n.", "0x69 'i', a call by name"),
            (b"(S'true'\nios\nsystem\n.", "the function os.system"),
            (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "the function builtins.eval"),
            (b"cposix\x1b[31m\nsystem\n.", "the function posix\\u{1b}[31m.system"),
            (b"N)\x81.", "0x81"),
            (b"(cm\nsame\no.", "0x6f"),
            (b"\x82\x01.", "0x82"),
            (b"U\x01aQ.", "kept elsewhere, under bytes"),
            (b"N)R.", "expected a function to call, found None"),
            (b"cm\nsame\nNR.", "expected a tuple of arguments, found None"),
            (b"\x80\x09.", "protocol 9"),
            (b"I12\x1b[31m\n.", "found 12\\u{1b}[31m"),
        ] {
            let (text, short) = refusal(bytes);
            assert!(text.contains(part) && !short, "{text}");
        }
        assert!(refusal(b"N").1 && refusal(b"cos\nsys").1 && refusal(b"X\xff\xff\xff\xffabc").1);
    }

    #[test]
    fn integers_of_every_width_and_order() {
        assert_eq!(integer(&[0xff], true, false), -1);
        assert_eq!(integer(&[0xff], false, false), 255);
        assert_eq!(integer(&[0x01, 0x80], true, false), -32767);
        assert_eq!(integer(&[0x01, 0x80], true, true), 384);
        assert_eq!(integer(&[0xff; 8], true, true), -1);
        assert_eq!(integer(&[0xff; 8], false, true), i64::MAX);
    }

    #[test]
    fn text_of_protocol_0() {
        assert_eq!(unquote(br#"'a\x00\n\'\\'"#).unwrap(), b"a\0\n'\\");
        for bad in [&b"abc"[..], b"'", b"'a\\", b"'\\x0'", b"'\\q'"] {
            assert!(unquote(bad).is_err(), "{bad:?}");
        }
        assert_eq!(raw_unicode(b"a\xe9\\u20ac\\U0001F600").unwrap(), "aé€😀");
        assert!(raw_unicode(b"\\u12").is_err() && raw_unicode(b"\\ud800").is_err());
    }
}
