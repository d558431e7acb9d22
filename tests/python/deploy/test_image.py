"""The Dockerfile: read by the parser of Docker itself; what it copies and builds is there."""

import fnmatch
import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest

import dockerfile

from .rendering import DEPLOY, ROOT

SECRET_NAME = re.compile(r"TOKEN|KEY|PASSWORD|SECRET", re.IGNORECASE)

#: What is in the folder, less what git ignores.
LISTING = ("git", "ls-files", "--cached", "--others", "--exclude-standard")


class ImageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.commands = dockerfile.parse_file(str(DEPLOY / "Dockerfile"))
        starts = [index for index, command in enumerate(cls.commands) if command.cmd == "FROM"]
        cls.stages = [cls.commands[start:end] for start, end in zip(starts, starts[1:] + [None])]
        cls.preamble = cls.commands[: starts[0]]

    def values(self, stage, name):
        return [command.value for command in stage if command.cmd == name]

    def test_it_runs_as_nobody_under_an_init(self):
        final = self.stages[-1]
        ((user,),) = self.values(final, "USER")
        self.assertRegex(user, r"^[1-9]\d*:[1-9]\d*$")
        self.assertEqual(self.values(final, "ENTRYPOINT"), [("tini", "--", "orb")])
        self.assertEqual(self.values(final, "CMD"), [("up",)])
        self.assertEqual([set(volumes) for volumes in self.values(final, "VOLUME")], [{"/var/lib/orb", "/tmp"}])

    def test_it_holds_no_secret(self):
        for command in self.commands:
            if command.cmd in ("ENV", "ARG"):
                self.assertNotRegex(command.original, SECRET_NAME)

    def test_build_and_run_are_of_one_debian_and_versions_are_named(self):
        self.assertIn(("DEBIAN=bookworm",), [command.value for command in self.preamble])
        images = [stage[0].value[0] for stage in self.stages]
        for image in images:
            self.assertRegex(image, r"^\w+:.*\$\{DEBIAN\}")
            self.assertRegex(image, r"-slim(-|$)")
        manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
        self.assertIn((f"RUST={manifest['workspace']['package']['rust-version']}",), [c.value for c in self.preamble])

    def test_the_demo_stays_out(self):
        orb = tomllib.loads((ROOT / "orb" / "Cargo.toml").read_text())
        self.assertEqual(orb["features"]["default"], ["demo"])
        builds = [c.original for c in self.commands if c.cmd == "RUN" and "cargo build" in c.original]
        self.assertEqual(len(builds), 1)
        for flag in ("--release", "--locked", "--no-default-features"):
            self.assertIn(flag, builds[0])

    def test_what_the_build_sees_is_the_whole_workspace_and_no_secret(self):
        with tempfile.TemporaryDirectory() as folder:
            context = pathlib.Path(folder)
            for name in context_files():
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, context / name)
            for command in self.commands:
                if command.cmd == "COPY" and not any(flag.startswith("--from") for flag in command.flags):
                    for source in command.value[:-1]:
                        self.assertTrue((context / source).exists(), source)
            # Fails when a member or a target is missing, or the lock file would change.
            metadata = subprocess.run(
                ["cargo", "metadata", "--locked", "--offline", "--format-version=1"],
                cwd=context,
                check=False,
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertEqual(metadata.returncode, 0, metadata.stderr)
            self.assertFalse((context / "README.md").exists())
            self.assertFalse((context / "deploy" / "compose.yaml").exists())

    def test_source_is_compiled_in_from_inside_the_build(self):
        for name in context_files():
            if name.endswith(".rs"):
                path = ROOT / name
                for included in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', path.read_text()):
                    target = (path.parent / included).resolve().relative_to(ROOT)
                    self.assertIn(str(target), context_files(), f"included by {name}")


def context_files():
    """What git knows of what Dockerfile.dockerignore lets through; later lines win."""
    rules = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in rules if line and not line.startswith("#")]
    listed = subprocess.run([*LISTING], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.splitlines() if is_let_through(name, rules) and (ROOT / name).is_file()]


def is_let_through(name, rules):
    path = pathlib.PurePosixPath(name)
    candidates = [str(path), *map(str, path.parents)]
    kept = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        patterns = [pattern, pattern.removeprefix("**/")]
        if any(fnmatch.fnmatchcase(candidate, each) for candidate in candidates for each in patterns):
            kept = rule.startswith("!")
    return kept
