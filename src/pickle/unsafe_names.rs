//! Names that no checkpoint needs and an attack does: what runs code or commands, loads
//! modules, reaches attributes by name, or opens files and connections.
//!
//! Nothing is run whatever a pickle names; these are refused so that a file that was made to
//! harm whoever else loads it is not passed over in silence. Which they are was checked
//! against the unsafe imports of fickling (Trail of Bits, commit 002cbb0). Classes that checkpoints do
//! hold (paths, dates, loggers, `functools.partial`, `types.SimpleNamespace`) are not
//! among them.

// First parts of modules.
const MODULES: &[&str] = &[
    "_aix_support",
    "_ctypes",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "_imp",
    "_interpreters",
    "_io",
    "_osx_support",
    "_pickle",
    "_posixsubprocess",
    "_signal",
    "_sqlite3",
    "_thread",
    "_winapi",
    "_xxsubinterpreters",
    "aiohttp",
    "asyncio",
    "atexit",
    "bdb",
    "cProfile",
    "cloudpickle",
    "codeop",
    "compileall",
    "ctypes",
    "distutils",
    "doctest",
    "ensurepip",
    "fileinput",
    "filecmp",
    "ftplib",
    "gc",
    "httplib",
    "httpx",
    "idlelib",
    "imaplib",
    "imp",
    "importlib",
    "inspect",
    "io",
    "joblib",
    "lib2to3",
    "linecache",
    "marshal",
    "mmap",
    "multiprocessing",
    "nntplib",
    "nt",
    "os",
    "pdb",
    "pexpect",
    "pickle",
    "pip",
    "pipes",
    "pkgutil",
    "poplib",
    "posix",
    "posixpath",
    "pty",
    "py_compile",
    "pydoc",
    "requests",
    "runpy",
    "select",
    "selectors",
    "shelve",
    "shutil",
    "signal",
    "site",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "syslog",
    "tarfile",
    "telnetlib",
    "tempfile",
    "threading",
    "timeit",
    "unittest",
    "urllib",
    "urllib2",
    "venv",
    "webbrowser",
    "xmlrpc",
    "zipfile",
    "zipimport",
];

// Modules of which this one name is asked only to run code.
const FUNCTIONS: &[(&str, &str)] = &[
    ("code", "interact"),
    ("commands", "getoutput"),
    ("commands", "getstatusoutput"),
    ("dill", "load"),
    ("dill", "loads"),
    ("dill", "load_session"),
    ("dill", "_dill._create_code"),
    ("dill", "_dill._create_function"),
    ("dill", "_dill._eval_repr"),
    ("dill", "_dill._get_attr"),
    ("dill", "_dill._import_module"),
    ("code", "InteractiveConsole"),
    ("code", "InteractiveInterpreter"),
    ("http", "client"),
    ("http", "server"),
    ("logging", "config"),
    ("logging", "FileHandler"),
    ("numpy", "f2py"),
    ("numpy", "load"),
    ("numpy", "testing"),
    ("operator", "attrgetter"),
    ("operator", "call"),
    ("operator", "methodcaller"),
    ("_operator", "attrgetter"),
    ("_operator", "call"),
    ("_operator", "methodcaller"),
    ("profile", "run"),
    ("profile", "runctx"),
    ("test", "support"),
    ("torch", "hub"),
    ("torch", "load"),
    ("torch", "utils._config_module"),
    ("trace", "Trace"),
    ("types", "CodeType"),
    ("types", "FunctionType"),
    ("types", "LambdaType"),
    ("types", "MethodType"),
    ("types", "ModuleType"),
];

// Of the module of built-in functions, what makes data.
const BUILTINS: &[&str] = &[
    "NotImplemented",
    "abs",
    "all",
    "any",
    "bool",
    "bytearray",
    "callable",
    "hash",
    "id",
    "len",
    "print",
    "repr",
    "round",
    "sorted",
    "bytes",
    "complex",
    "dict",
    "ellipsis",
    "Ellipsis",
    "enumerate",
    "filter",
    "float",
    "frozenset",
    "int",
    "iter",
    "list",
    "long",
    "map",
    "max",
    "min",
    "object",
    "range",
    "reversed",
    "set",
    "slice",
    "str",
    "sum",
    "tuple",
    "type",
    "unicode",
    "xrange",
    "zip",
    "Exception",
    "ValueError",
    "RuntimeError",
    "KeyError",
    "TypeError",
];

// Wherever they stand in a name: attributes are reached by dots.
const ATTRIBUTES: &[&str] = &[
    "__builtins__",
    "__code__",
    "__getattribute__",
    "__globals__",
    "__import__",
    "__loader__",
    "__reduce__",
    "__reduce_ex__",
    "__subclasses__",
    "builtins",
    "ctypes",
    "importlib",
    "os",
    "posix",
    "subprocess",
    "sys",
];

// At the end of a name.
const LAST: &[&str] = &["eval", "exec", "execfile", "getattr", "popen", "setattr", "system"];

/// Whether `module`.`name` is among them.
pub fn is_unsafe(module: &str, name: &str) -> bool {
    let parts: Vec<&str> = module.split('.').chain(name.split('.')).collect();
    let (first, rest) = (parts[0], &parts[1..]);
    if matches!(first, "builtins" | "__builtin__" | "__builtins__") {
        return !matches!(rest, [one] if BUILTINS.contains(one));
    }
    let begins = |wanted: &str| {
        let wanted: Vec<&str> = wanted.split('.').collect();
        rest.starts_with(&wanted)
    };
    MODULES.contains(&first)
        || FUNCTIONS.iter().any(|(module, function)| *module == first && begins(function))
        || name.split('.').any(|part| ATTRIBUTES.contains(&part))
        || rest.last().is_some_and(|last| LAST.contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_code_is_known_by_name() {
        for name in [
            "os.system",
            "posix.system",
            "nt.system",
            "subprocess.Popen",
            "builtins.eval",
            "__builtin__.getattr",
            "builtins.__import__",
            "builtins.object.__subclasses__",
            "runpy.run_path",
            "importlib.import_module",
            "torch.serialization.os.system",
            "torch.hub.load",
            "numpy.testing._private.utils.runstring",
            "code.InteractiveInterpreter",
            "operator.methodcaller",
            "types.FunctionType",
            "pip._internal.main",
            "os",
            "some.module.__globals__",
            "commands.getoutput",
            "dill._dill._create_function",
            "any.module.eval",
        ] {
            let (module, name) = name.rsplit_once('.').unwrap_or((name, ""));
            assert!(is_unsafe(module, name), "{module} {name}");
        }
        assert!(is_unsafe("torch", "serialization.os.system") && is_unsafe("", "os.system"));
    }

    #[test]
    fn what_checkpoints_hold_is_not() {
        for name in [
            "argparse.Namespace",
            "pathlib.PosixPath",
            "pathlib._local.PosixPath",
            "datetime.datetime",
            "collections.defaultdict",
            "functools.partial",
            "types.SimpleNamespace",
            "logging.getLogger",
            "torch.torch_version.TorchVersion",
            "torch.nn.modules.conv.Conv2d",
            "torch.optim.lr_scheduler.StepLR",
            "numpy.core.multiarray._reconstruct",
            "omegaconf.dictconfig.DictConfig",
            "models.code.Encoder",
            "__main__.Trainer",
            "builtins.slice",
            "copyreg._reconstructor",
            "uuid.UUID",
            "utils.eval.AverageMeter",
            "src.system.NeRFSystem",
            "commands.Args",
            "pkg.os.Cfg",
            "dill._dill._load_type",
            "builtins.len",
        ] {
            let (module, name) = name.rsplit_once('.').unwrap();
            assert!(!is_unsafe(module, name), "{name}");
        }
    }
}
