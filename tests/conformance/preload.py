"""What the process that workers are forked from has imported."""

from __future__ import annotations
