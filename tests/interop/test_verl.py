import asyncio

import msgspec
import pytest

from burnish.core.errors import SandboxError
from burnish.interop.judge import task_text
from burnish.interop.verl import compute_score

RIGHT = "```python\ndef add(a, b):\n    return a + b\n```"


def test_where_nothing_can_be_decided_the_run_stops(add_task):
    bare = msgspec.structs.replace(add_task(), checks=())
    with pytest.raises(SandboxError, match=r"task 'add' \(unknown\), and verl cannot leave a sample out"):
        asyncio.run(compute_score("burnish", RIGHT, task_text(bare)))


def test_verl_finds_the_function():
    imports = pytest.importorskip("verl.utils.import_utils", reason="verl wants an environment of its own: docs/interop.md")
    assert imports.load_extern_object("pkg://burnish.interop.verl", "compute_score") is compute_score
