"""Floor 1: the jail. Starts, limits and talks to judged programs; knows nothing of tests or rewards."""

from burnish.sandbox.doctor import Layer, layers
from burnish.sandbox.jobs import Bounds, Calls, Command, Job, Program, Run, Script, Session, Shared, Suite, Trace
from burnish.sandbox.pool import Sandbox, usable_cores

__all__ = [
    "Bounds",
    "Calls",
    "Command",
    "Job",
    "Layer",
    "Program",
    "Run",
    "Sandbox",
    "Script",
    "Session",
    "Shared",
    "Suite",
    "Trace",
    "layers",
    "usable_cores",
]
