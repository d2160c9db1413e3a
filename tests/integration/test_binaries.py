# SPDX-License-Identifier: GPL-3.0-or-later
"""What was built is as hard to break as the build says: read from the programs, not from the flags."""
import os
import re
import subprocess
import unittest

from support.case import SANITIZED
from support.sandbox import build_folder

PROGRAMS = ("posternd", "posternctl")


def readelf(program, *options):
    return subprocess.run(["readelf", "--wide", *options, os.path.join(build_folder(), "src", program)],
                          env=dict(os.environ, LC_ALL="C"), capture_output=True, text=True, check=True).stdout


class Hardening(unittest.TestCase):
    def test_loads_at_a_random_address(self):
        for program in PROGRAMS:
            with self.subTest(program):
                header = readelf(program, "--file-header", "--dynamic")
                self.assertRegex(header, r"Type: +DYN")
                self.assertRegex(header, r"FLAGS_1.*\bPIE\b")

    def test_tables_are_read_only_once_it_runs(self):
        for program in PROGRAMS:
            with self.subTest(program):
                told = readelf(program, "--program-headers", "--dynamic")
                self.assertIn("GNU_RELRO", told)
                self.assertRegex(told, r"FLAGS.*\bBIND_NOW\b")

    def test_no_memory_is_both_writable_and_executable(self):
        for program in PROGRAMS:
            with self.subTest(program):
                told = readelf(program, "--program-headers")
                flags = re.findall(r"^ +(LOAD|GNU_STACK) +(?:0x\w+ +){5}([RWE ]{3})", told, re.MULTILINE)
                self.assertIn("GNU_STACK", [kind for kind, _ in flags])
                self.assertEqual([one for one in flags if "W" in one[1] and "E" in one[1]], [])

    @unittest.skipIf(SANITIZED, "the sanitizers look after this themselves")
    def test_the_stack_is_protected_and_libc_checks_lengths(self):
        for program in PROGRAMS:
            with self.subTest(program):
                symbols = readelf(program, "--dyn-syms")
                self.assertIn("__stack_chk_fail", symbols)
                self.assertRegex(symbols, r"__\w+_chk\b(?<!__stack_chk)")

    def test_no_window_is_in_it(self):
        for program in PROGRAMS:
            with self.subTest(program):
                told = readelf(program, "--dynamic")
                needed = re.findall(r"NEEDED\).*\[(.*)\]", told)
                self.assertTrue(needed)
                self.assertEqual([name for name in needed if re.search(r"gtk|gdk|adwaita|X11|wayland", name)], [])

    def test_no_library_is_looked_for_in_a_foreign_folder(self):
        for program in PROGRAMS:
            with self.subTest(program):
                told = readelf(program, "--dynamic")
                self.assertNotRegex(told, r"\((RPATH|RUNPATH)\)")
