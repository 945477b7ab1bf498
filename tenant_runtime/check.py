"""``python -m tenant_runtime.check DIR``: would this folder start?

In charge of: booting an app without serving it, and printing what is wrong as JSON. Exit code 0 when it would
start (warnings may be there), 78 when it would not. Boot scripts run: run it as the tenant, in its sandbox.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import trio

from mtgate.notify import EXIT_CONFIGURATION
from tenant_runtime.boot.start import boot
from tenant_runtime.errors import ConfigurationError
from tenant_runtime.worker import configure_logging, problem


async def check(folder: Path) -> tuple[int, list[dict[str, object]]]:
    """Exit code and problems."""
    try:
        app, files = await boot(folder)
    except ConfigurationError as error:
        return EXIT_CONFIGURATION, [problem(error)]
    await app.close()
    return 0, [problem(warning, "warning") for warning in files.warnings]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tenant_runtime.check", description=__doc__)
    parser.add_argument("dir", help="the app's folder")
    options = parser.parse_args()
    configure_logging()
    code, problems = trio.run(check, Path(options.dir))
    sys.stdout.write(json.dumps({"ok": code == 0, "problems": problems}, indent=2) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
