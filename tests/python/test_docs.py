"""What the documentation names exists: tests that are said to show something, and pages that are linked."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])

TEST_ROW = re.compile(r"^\| `(?P<file>[\w./-]+\.rs)` \| (?P<tests>.+) \|$", re.MULTILINE)
TEST_NAME = re.compile(r"`(\w+)`")
TEST_PATH = re.compile(r"`((?:[\w.-]+/)*tests/[\w./-]+)`")
RELATIVE_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


class Docs(unittest.TestCase):
    def test_named_tests_exist(self):
        named = 0
        for page in PAGES:
            for row in TEST_ROW.finditer(page.read_text()):
                source = ROOT / row["file"]
                self.assertTrue(source.is_file(), f"{page.name}: no {row['file']}")
                code = source.read_text()
                for test in TEST_NAME.findall(row["tests"]):
                    named += 1
                    self.assertRegex(code, rf"fn {test}\b", f"{page.name}: {row['file']} has no {test}")
        self.assertGreater(named, 40, "the tables of protocol.md were not found")

    def test_named_test_folders_exist(self):
        for page in PAGES:
            for path in TEST_PATH.findall(page.read_text()):
                self.assertTrue((ROOT / path).exists(), f"{page.name}: no {path}")

    def test_linked_pages_exist(self):
        for page in PAGES:
            for link in RELATIVE_LINK.findall(page.read_text()):
                self.assertTrue((page.parent / link).exists(), f"{page.name}: no {link}")
