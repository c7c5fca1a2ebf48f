"""What the rivals need: a virtual environment for each, and Debian's Redis where the machine has none."""

import shutil
import subprocess
import sys
from pathlib import Path

from bench.contenders import Rival

TARGET = Path(__file__).parent.parent / "target" / "bench"
_DEBIAN = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1")


class CannotInstall(Exception):
    """Why something can't be had here."""


def python_of(rival: Rival) -> Path:
    """The interpreter that has the rival and nothing else. Raises CannotInstall."""
    folder = TARGET / "rivals" / rival.name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(rival.requirements)
    if not (stamp.exists() and stamp.read_text() == wanted):
        print(f"installing {', '.join(rival.requirements)}", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
        pip = (sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check")
        _run(*pip, "install", "-q", *rival.requirements)
        stamp.write_text(wanted)
    return python


def redis_command() -> tuple[list[str], dict[str, str]]:
    """How the server is called, and with what in the environment. Raises CannotInstall."""
    found = shutil.which("redis-server")
    if found is not None:
        return [found], {}
    folder = TARGET / "redis"
    server = folder / "usr" / "bin" / "redis-server"
    if not server.exists():
        print("unpacking Debian's redis-server", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        _run("apt-get", "download", *_DEBIAN, cwd=folder)
        for package in folder.glob("*.deb"):
            _run("dpkg-deb", "-x", str(package), str(folder))
    libraries = sorted({str(path.parent) for path in (folder / "usr" / "lib").rglob("*.so*")})
    return [str(server)], {"LD_LIBRARY_PATH": ":".join(libraries)}


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CannotInstall(f"{command[0]} is not here: {error}") from error
    except subprocess.CalledProcessError as error:
        last = [line for line in error.stderr.splitlines() if line.strip()][-1:]
        raise CannotInstall(f"{' '.join(command[-3:])}: {' '.join(last)}") from error
