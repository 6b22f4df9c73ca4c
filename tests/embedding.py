"""libsluice as a stranger has it: installed into a folder, found by pkg-config."""
import os
import pathlib
import shutil
import subprocess

from harness import ROOT, SLUICE

BUILD = SLUICE.resolve().parent
EMBED = ROOT / "examples" / "embed"
SANITIZED = b"__asan_init" in SLUICE.read_bytes()
FLAGS = ["-std=c11", "-g", "-Wall", "-Wextra", "-Werror"]
if SANITIZED:
    FLAGS += ["-fsanitize=address,undefined"]


class Installed:
    """What make install puts under its prefix. The objects are those of the build under
    test; only what names the prefix, or says what is left out, is made anew."""

    def __init__(self, folder, *variables):
        self.prefix = pathlib.Path(folder) / "prefix"
        build = pathlib.Path(folder) / "build"
        shutil.copytree(BUILD, build, ignore=shutil.ignore_patterns("test", "*.log", "demo-test", "sluice-bench-*"))
        made = subprocess.run(
            ["make", "-s", "-j2", "-C", ROOT, f"B={build}", f"PREFIX={self.prefix}", "install", *variables,
             *(["SAN=1"] if SANITIZED else [])], capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
        self.library = self.prefix / "lib" / "libsluice.so.0"
        self.archive = self.prefix / "lib" / "libsluice.a"
        self.headers = self.prefix / "include" / "sluice"

    def pkg_config(self, *args):
        env = dict(os.environ, PKG_CONFIG_PATH=str(self.prefix / "lib" / "pkgconfig"))
        return subprocess.run(["pkg-config", *args], env=env, check=True, capture_output=True,
                              text=True).stdout.split()

    def compile(self, source, out, *flags, packages=("sluice",), compiler="cc", before=()):
        done = subprocess.run(
            [compiler, *FLAGS, *before, source, *self.pkg_config("--cflags", "--libs", *packages),
             f"-Wl,-rpath,{self.prefix}/lib", *flags, "-o", out], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return out
