//! Pickles that were made to harm whoever loads them: each is refused by the name of what it would
//! have called, whichever way it calls it.

use std::io::{Cursor, Write};
use std::path::Path;

use domfreq::weights::from_bytes;

// A checkpoint with that pickle, in both formats of torch.save.
fn files(pickle: &[u8]) -> [Vec<u8>; 2] {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("a/data.pkl", pickle), ("a/version", b"3\n")] {
        writer.start_file(name, options).expect("an entry");
        writer.write_all(bytes).expect("its bytes");
    }
    let archive = writer.finish().expect("an archive").into_inner();
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}U\x0dlittle_endian\x88s.";
    [archive, [&magic[..], pickle, b"\x80\x02]."].concat()]
}

// What a call is, as protocols 0 to 2 write it.
fn reduced(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n(S'true'\ntR.").into_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8][..], text.as_bytes()].concat()
}

#[test]
fn what_runs_code_is_refused_by_name() {
    let functions = [
        "os.system",
        "posix.system",
        "nt.system",
        "os.popen",
        "os.execv",
        "subprocess.Popen",
        "subprocess.check_output",
        "builtins.eval",
        "builtins.exec",
        "builtins.compile",
        "builtins.__import__",
        "builtins.open",
        "builtins.globals",
        "builtins.breakpoint",
        "__builtin__.eval",
        "__builtin__.execfile",
        "runpy.run_path",
        "importlib.import_module",
        "pty.spawn",
        "shutil.rmtree",
        "socket.socket",
        "webbrowser.open",
        "ctypes.CDLL",
        "marshal.loads",
        "types.FunctionType",
        "types.CodeType",
        "pickle.loads",
        "_pickle.loads",
        "dill.loads",
        "cloudpickle.loads",
        "torch.load",
        "torch.hub.load",
        "numpy.load",
        "numpy.testing._private.utils.runstring",
        "operator.attrgetter",
        "_operator.methodcaller",
        "code.InteractiveInterpreter",
        "pip._internal.main",
        "timeit.timeit",
        "pdb.run",
        "asyncio.run",
        "sys.exit",
        "io.open",
        "tempfile.mktemp",
        "multiprocessing.Process",
        "zipimport.zipimporter",
    ];
    for function in functions {
        let (module, name) = function.rsplit_once('.').unwrap();
        refused(function, &reduced(module, name), function);
    }
}

#[test]
fn whichever_way_it_is_called() {
    let system = "os.system";
    let head = &b"\x80\x04"[..];
    let stack = |module: &str, name: &str| [text(module), text(name), b"\x93".to_vec()].concat();
    let call = b"cos\nsystem\n(S'true'\ntR";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an instance of protocol 0", b"(S'true'\nios\nsystem\n.".to_vec()),
        ("an object", b"(cos\nsystem\nS'true'\no.".to_vec()),
        ("a new object", b"\x80\x02cos\nsystem\n(S'true'\nt\x81.".to_vec()),
        ("a new object with names", b"\x80\x04cos\nsystem\n)}\x92.".to_vec()),
        ("names on the stack", [head, &stack("os", "system"), b"."].concat()),
        ("an attribute of a module", [head, &stack("torch.serialization", "os.system"), b"."].concat()),
        ("a module in the name", [head, &stack("", "os.system"), b"."].concat()),
        (
            "names out of the memo",
            [head, &text("os"), b"\x94", &text("system"), b"\x940h\x00h\x01\x93."].concat(),
        ),
        (
            "a memo that is written twice",
            [
                &b"\x80\x04"[..],
                &text("collections"),
                b"q\x000",
                &text("os"),
                b"q\x00",
                &text("system"),
                b"\x93.",
            ]
            .concat(),
        ),
        ("names that are copied", [head, &text("os"), b"2", b"0", &text("system"), b"\x93."].concat()),
        ("escapes in a name", b"Vo\\u0073\nVsyste\\u006d\n\x93.".to_vec()),
        ("bytes for names", b"U\x02osU\x06system\x93.".to_vec()),
        ("lines of Windows", b"cos\r\nsystem\r\n.".to_vec()),
        ("named and thrown away", b"cos\nsystem\n0}.".to_vec()),
        ("thrown away to a mark", b"(cos\nsystem\n1}.".to_vec()),
        ("in a list", [b"]", &call[..], b"a."].concat()),
        ("in a tuple of tuples", [b"(((", &call[..], b"ttt."].concat()),
        ("as a key", [b"(", &call[..], b"I1\nd."].concat()),
        ("as a value", [b"}S'w'\n", &call[..], b"s."].concat()),
        ("in a set", [b"\x80\x04\x8f(", &call[..], b"\x90."].concat()),
        ("in a frozen set", [b"\x80\x04(", &call[..], b"\x91."].concat()),
        ("as the state of an object", [&b"cargparse\nNamespace\n)R}S'a'\n"[..], call, b"sb."].concat()),
        (
            "as what makes an object",
            b"ccopyreg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.".to_vec(),
        ),
        ("as a part of a function", b"cfunctools\npartial\n(cos\nsystem\ntR.".to_vec()),
        ("as the default of a dict", b"ccollections\ndefaultdict\n(cos\nsystem\ntR.".to_vec()),
        ("in an ordered dict", [&b"ccollections\nOrderedDict\n((S'a'\n"[..], call, b"t\x85tR."].concat()),
        (
            "as a class of tensors",
            [&b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\n"[..], b"tR."].concat(),
        ),
        ("as the key of a storage", [b"(S'storage'\ncos\nsystem\n", &b"S'0'\nS'cpu'\nI1\ntQ."[..]].concat()),
        ("as a network's class", b"(S'module'\ncos\nsystem\nS'f'\nS's'\ntQ.".to_vec()),
        ("as an iterator over calls", b"c__builtin__\nmap\n(cos\nsystem\n(S'true'\nltR.".to_vec()),
        ("in the state of a call's result", b"cm\nC\n)\x81(cos\nsystem\nlb.".to_vec()),
        ("behind a frame", [b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00", &call[..], b"."].concat()),
    ];
    for (way, pickle) in &cases {
        refused(way, pickle, system);
    }
    for (way, pickle, word) in [
        ("an extension", &b"\x80\x02\x82\x01."[..], "0x82"),
        ("a wide extension", b"\x80\x02\x84\x01\x00\x00\x00.", "0x84"),
        (
            "an attribute of a class",
            b"c__builtin__\ngetattr\n(cm\nC\nS'__globals__'\ntR.",
            "m.C.__globals__, which can run code",
        ),
        (
            "a method of that name",
            b"c__builtin__\ngetattr\n(cm\nC\nS'system'\ntR.",
            "m.C.system, which can run code",
        ),
        (
            "an attribute by no name",
            b"c__builtin__\ngetattr\n(cm\nC\nNtR.",
            "the name of a function, found None",
        ),
        (
            "an attribute of nothing",
            b"c__builtin__\ngetattr\n(S'true'\ntR.",
            "builtins.getattr with 1 arguments",
        ),
        ("a buffer outside", b"\x80\x05\x97.", "0x97"),
        ("an object kept elsewhere", b"Pos.system\n.", "0x50"),
        ("a call of text", b"S'os.system'\n(S'true'\ntR.", "a function to call"),
        ("a call of a dict", b"}(S'true'\ntR.", "a function to call"),
        ("a state for a tensor's class", b"ctorch\nTensor\n}b.", "an ordered dict"),
    ] {
        refused(way, pickle, word);
    }
    println!("{} ways", cases.len() + 11);
}

#[track_caller]
fn refused(what: &str, pickle: &[u8], word: &str) {
    for file in files(pickle) {
        match from_bytes(&file, Path::new("f")) {
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(word), "{what}: {text}");
            }
            Ok(read) => panic!("{what}: read {} tensors", read.dict.len()),
        }
    }
}
