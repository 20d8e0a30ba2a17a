"""Certificates for receivers and brokers of tests, by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def certificate(path: Path, name: str) -> Path:
    """Writes a certificate for `name` that signs itself, with its key, to `path` (PEM)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate: apt-get install openssl")
    key = path.with_suffix(".key")
    asked = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    named = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", str(key), "-out", str(path)]
    subprocess.run([openssl, "req", *asked, *named, *files], check=True, capture_output=True)
    path.write_text(path.read_text(encoding="utf8") + key.read_text(encoding="utf8"), encoding="utf8")
    return path
