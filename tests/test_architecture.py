"""The layers and the house rules that a machine can check."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUST = ROOT / "src"
PYTHON = ROOT / "pyqueue"

RUST_LAYERS = ["error id job clock codec plan nouns mutants", "sqlite", "wake", "store", "worker", "python"]
PYTHON_LAYERS = [
    "exceptions states absent misuse moments options naming tags quick_json serialization signature canvas composed folding forms mapped shape unwinding graph request telling rebuilding eager "
    "einfo arguments hooks middleware retrying retry_rule retry_after rates signals extras callbacks settings knobs config routing "
    "plain redaction check asked cron_fields wall_times schedules periodic catching_up where author orders",
    "face message waiting replaying related result result_set group_result graph_result planning graph_planning applying composing composer own_tasks attempt publishing transaction joining foreign task shared registry half producer configured scheduling scheduled controlled addressing answers control file_orders serving why replies inspecting selecting events observed app celery loading",
    "worker testing embedded",
    "cli top demo bench doctor __main__",
]

# Methods of the app that start something: they import the running layer when they are called, and types.
DOORS = {
    "app.py": {"pyqueue.embedded", "pyqueue.worker.starting", "pyqueue.testing"},
    "configured.py": {"pyqueue.worker.in_place"},
}


def level_of(layers: list[str], name: str) -> int | None:
    return next((level for level, names in enumerate(layers) if name in names.split()), None)


def without_tests(text: str) -> str:
    return text.split("#[cfg(test)]\nmod ", maxsplit=1)[0]


def rust_files() -> list[Path]:
    return [
        path for path in sorted(RUST.rglob("*.rs")) if "tests" not in path.stem and "tests" not in path.parts
    ]


def rust_uses(text: str) -> set[str]:
    code = re.sub(r"//.*", "", text)
    grouped = re.findall(r"crate::\{([^}]*)\}", code)
    names = [name.split("::")[0].strip() for group in grouped for name in group.split(",")]
    return {*names, *re.findall(r"crate::(\w+)", code)}


def rust_breaches(path: Path, text: str) -> list[str]:
    """Imports of a layer further right than the file's own."""
    own = level_of(RUST_LAYERS, path.relative_to(RUST).parts[0].removesuffix(".rs"))
    if own is None:
        return []
    levels = {name: level_of(RUST_LAYERS, name) for name in rust_uses(without_tests(text))}
    return [f"{path}: {name}" for name, level in levels.items() if level is not None and level > own]


def python_breaches(path: Path, text: str) -> list[str]:
    """Imports of a layer further down than the file's own."""
    own = level_of(PYTHON_LAYERS, path.relative_to(PYTHON).parts[0].removesuffix(".py"))
    if own is None:
        return []
    found = []
    tree = ast.parse(text)
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        if node not in tree.body and any(module in DOORS.get(path.name, ()) for module in modules):
            continue
        for module in modules:
            parts = module.split(".")
            level = level_of(PYTHON_LAYERS, parts[1]) if parts[0] == "pyqueue" and len(parts) > 1 else None
            if level is not None and level > own:
                found.append(f"{path}: {module}")
    return found


def test_rust_layers_import_one_way() -> None:
    assert [breach for path in rust_files() for breach in rust_breaches(path, path.read_text())] == []


def test_python_layers_import_one_way() -> None:
    files = sorted(PYTHON.rglob("*.py"))
    assert [breach for path in files for breach in python_breaches(path, path.read_text())] == []


def test_a_breach_of_the_layers_is_seen() -> None:
    assert rust_breaches(RUST / "store" / "x.rs", "use crate::worker::Worker;") != []
    assert rust_breaches(RUST / "store" / "x.rs", "use crate::{error::Error, worker};") != []
    assert python_breaches(PYTHON / "app.py", "from pyqueue.worker import main") != []
    assert python_breaches(PYTHON / "app.py", "from pyqueue import cli") != []
    assert python_breaches(PYTHON / "app.py", "from pyqueue.embedded import X") != []
    assert python_breaches(PYTHON / "task.py", "def f():\n    from pyqueue.embedded import X") != []


def test_every_python_module_has_its_layer() -> None:
    names = {path.relative_to(PYTHON).parts[0].removesuffix(".py") for path in PYTHON.rglob("*.py")}
    assert {name for name in names if level_of(PYTHON_LAYERS, name) is None} <= {"__init__"}


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"\b(SELECT|INSERT INTO|DELETE FROM|UPDATE) [a-z]+_", "store"),
        (r"\bpyo3\b", "python"),
        (r"\b(SystemTime|Instant)::now\b|thread::sleep", "clock.rs"),
    ],
)
def test_each_line_knows_its_room(pattern: str, home: str) -> None:
    rooms = {
        path.relative_to(RUST).parts[0]
        for path in rust_files()
        if re.search(pattern, re.sub(r"//.*", "", without_tests(path.read_text())))
    }
    # lib.rs names the border's module and nothing else.
    assert rooms <= {home, "lib.rs"} if home == "python" else rooms == {home}


def test_unsafe_is_explained() -> None:
    for path in rust_files():
        lines = path.read_text().splitlines()
        for at, line in enumerate(lines):
            if re.search(r"\bunsafe \{", line.split("//")[0]):
                above = "\n".join(lines[max(0, at - 8) : at + 1])
                assert "SAFETY:" in above, f"{path}:{at + 1}"


def test_a_string_becomes_code_only_in_loading() -> None:
    rooms = {
        path.name
        for path in PYTHON.rglob("*.py")
        if re.search(r"\b(import_module|__import__|exec|eval)\(", path.read_text())
    }
    assert rooms == {"loading.py"}


def test_files_stay_small() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in [*rust_files(), *PYTHON.rglob("*.py")]}
    assert {str(path): size for path, size in sizes.items() if size > 400} == {}
