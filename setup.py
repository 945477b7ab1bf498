"""Compiles what every request passes through; everything else about the package stands in setup.cfg.

The modules named here are ordinary typed Python and run as they are. Where there are a C compiler and
Python's headers, mypyc makes extension modules of them, which do the same in less time (docs/architecture.md,
"Compiled modules"). Without them, or with MTGATE_COMPILE=0, the package is plain Python; with
MTGATE_COMPILE=required that is an error.
"""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

WANTED = os.environ.get("MTGATE_COMPILE", "1")

COMPILED = [
    "mtgate/http1/connection.py",
    "mtgate/http1/fields.py",
    "mtgate/http1/heads.py",
    "mtgate/http1/poller.py",
    "mtgate/http1/steps.py",
    "mtgate/http1/stream.py",
    "mtgate/http1/strict.py",
    "mtgate/proxy/gateway.py",
    "mtgate/proxy/pool.py",
    "mtgate/proxy/rewrite.py",
    "mtgate/proxy/routing.py",
    "mtgate/proxy/shortcut.py",
    "mtgate/proxy/upstream.py",
]


def extensions() -> list[Extension]:
    """What is imported from elsewhere counts as untyped, so that it need not be there."""
    if WANTED == "0":
        return []
    from mypyc.build import mypycify

    options = ["--config-file=", "--ignore-missing-imports", "--strict-bytes"]
    made: list[Extension] = mypycify(
        [*options, *COMPILED], opt_level="2", debug_level="0", multi_file=True, group_name="mtgate"
    )
    for extension in made:
        extension.extra_compile_args.append("-Wno-error")
    return made


class Build(build_ext):
    """Makes all of them or none, and marks those beside their sources as newer than these."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:
            if WANTED == "required":
                raise
            self.warn(f"mtgate stays plain Python: {error}")
            self.extensions = []
        if self.inplace:
            for made in self.get_outputs():
                Path(made).touch()


setup(ext_modules=extensions(), cmdclass={"build_ext": Build})
