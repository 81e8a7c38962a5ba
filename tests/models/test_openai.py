"""Servers of the OpenAI protocol: a real llama.cpp server in a process of its own, and one that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest

from burnish import api
from burnish.core.errors import ContextExceeded, InputError, PolicyError, Unavailable
from burnish.core.records import CheckSpec, Constraint, Message, Sampling, Task
from burnish.models import Completion, Policy, Request, load
from burnish.store.jsonl import write_records
from burnish.store.runs import RunStore
from burnish.training.rollouts import RolloutSource, collect
from burnish.verifiers.python import python

from .conftest import build_model, build_tokenizer
from .faulty_server import answer, break_off, faulty, filtered, hang, hang_up, status, trickle
from .gguf_files import write_gguf

pytest.importorskip("openai")

MESSAGES = (Message(role="user", content="add"),)
TEXT = Request(prompt_ids=(), messages=MESSAGES, sampling=Sampling(max_tokens=20))

SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = sys.argv[1], {"tiny"}
params.n_ctx, params.n_parallel, params.verbosity = 4096, 2, -1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


class Server:
    """llama.cpp's own HTTP server, which may be killed."""

    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.root = next(line for line in self.process.stdout if line.startswith("http")).strip()
        self.address = f"{self.root}/v1"

    def busy(self) -> int:
        with urllib.request.urlopen(f"{self.root}/slots", timeout=10) as reply:
            return sum(slot["is_processing"] for slot in json.load(reply))

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a GGUF file that never ends a turn, and its tokenizer."""
    pytest.importorskip("xllamacpp")
    path = tmp_path_factory.mktemp("served")
    build_tokenizer().save_pretrained(path)
    write_gguf(build_model(), build_tokenizer(), path / "tiny.gguf")
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    running = Server(folder / "tiny.gguf")
    yield running
    running.kill()


def ask(policy: Policy, *requests: Request, close: bool = True) -> list[Completion]:
    async def gather() -> list[Completion]:
        try:
            return list(await asyncio.gather(*map(policy.generate, requests)))
        finally:
            if close:
                await policy.aclose()

    return asyncio.run(gather())


def failing(policy: Policy, kind: type[Exception], match: str, request: Request = TEXT) -> None:
    with pytest.raises(kind, match=match):
        ask(policy, request)


def test_a_server_with_a_tokenizer_gives_whole_token_truth(server: Server, folder: Path) -> None:
    policy = load(server.address, tokenizer=str(folder))
    assert isinstance(policy, Policy)
    assert policy.name == "tiny"
    prompt = policy.renderer.render(MESSAGES)
    request = Request(prompt_ids=prompt, sampling=Sampling(temperature=0.7, max_tokens=9, seed=3))
    first, second = ask(policy, request, close=False) + ask(policy, request)
    assert first.knows_logprobs
    assert first.ids == second.ids
    assert first.text == policy.renderer.decode(first.ids)
    assert first.cost is not None
    assert (first.cost.tokens_in, first.cost.tokens_out) == (len(prompt), len(first.ids))


def test_a_server_without_a_tokenizer_gives_text_and_no_invented_tokens(server: Server) -> None:
    policy = load(server.address, price_in=2.0, price_out=10.0)
    assert policy.renderer.render(MESSAGES) == ()
    (completion,) = ask(policy, TEXT)
    assert completion.text
    assert (completion.ids, completion.logprobs, completion.knows_ids, completion.knows_logprobs) == ((), (), False, False)
    assert completion.cost is not None
    assert completion.cost.tokens_out > 0
    assert completion.cost.money == pytest.approx((2.0 * completion.cost.tokens_in + 10.0 * completion.cost.tokens_out) / 1e6)
    for use in (policy.renderer.decode, policy.renderer.supervised):
        with pytest.raises(InputError, match="tokenizer="):
            use([])


def test_a_plain_dialect_claims_nothing(server: Server, folder: Path) -> None:
    (completion,) = ask(
        load(server.address, tokenizer=str(folder), dialect="plain"), Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=5))
    )
    assert completion.text
    assert not completion.knows_ids


def test_solve_works_unchanged_against_a_server(server: Server, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    checks = tuple(CheckSpec(id=f"c{n}", kind="call", data={"args": "(1, 2)", "expected": "3"}, hidden=n > 0) for n in range(2))
    task = Task(id="add", group_id="add", kind="python", prompt="Write add(a, b).", checks=checks, context={"entry_point": "add"})
    write_records(tasks, [task])
    sampling = Sampling(max_tokens=5)
    settings = {"model": server.address, "strategy": "sample", "samples": 3, "sampling": sampling, "engine_options": {"price_out": 2.0}}
    api.solve(str(tasks), out=tmp_path / "run", **settings)
    with RunStore.open(tmp_path / "run") as store:
        attempts = list(store.attempts())
        assert [episode.status for episode in store.episodes()] == ["done"] * 3
    for attempt in attempts:
        assert (attempt.policy, attempt.tokens) == ("tiny", None)
        assert attempt.cost.tokens_in > 0
        assert attempt.cost.money == pytest.approx(2e-6 * attempt.cost.tokens_out)


def test_what_is_not_known_is_not_trained_on(server: Server, folder: Path) -> None:
    source = RolloutSource(
        verifier=python, tasks=[], messages=lambda task: MESSAGES, extract=lambda task, text: None, reward=lambda verdict: 1.0
    )
    task = Task(id="add", group_id="add", kind="python", prompt="add", checks=(), context={"entry_point": "add"})

    async def gather(policy: Policy) -> None:
        try:
            await collect(policy, source, [task], group_size=2, sampling=Sampling(max_tokens=4), seed=0)
        finally:
            await policy.aclose()

    with pytest.raises(InputError, match="'tiny' does not tell which tokens it read and wrote"):
        asyncio.run(gather(load(server.address)))
    asyncio.run(gather(load(server.address, tokenizer=str(folder))))


def test_too_much_is_a_spent_budget(server: Server, folder: Path) -> None:
    failing(load(server.address, tokenizer=str(folder)), ContextExceeded, "cannot read that much", Request(prompt_ids=(9,) * 3000))


def test_cancelling_frees_the_servers_slot(server: Server, folder: Path) -> None:
    policy = load(server.address, tokenizer=str(folder))
    endless = Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=2000, stop=("never there",), temperature=2.0))

    async def cancel() -> None:
        running = [asyncio.create_task(policy.generate(endless)) for _ in range(2)]
        await until(lambda: server.busy() > 0)
        for task in running:
            task.cancel()
        assert all(isinstance(result, asyncio.CancelledError) for result in await asyncio.gather(*running, return_exceptions=True))
        await until(lambda: server.busy() == 0)
        assert (await policy.generate(Request(prompt_ids=(9, 8), sampling=Sampling(max_tokens=2)))).ids
        await policy.aclose()

    asyncio.run(cancel())


async def until(true: object, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(true):  # type: ignore[arg-type]
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_server_that_is_killed_ends_its_requests(folder: Path) -> None:
    own = Server(folder / "tiny.gguf")
    policy = load(own.address, tokenizer=str(folder), retries=1)
    endless = Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=2000, stop=("never there",), temperature=2.0))

    async def kill() -> BaseException | Completion:
        running = asyncio.create_task(policy.generate(endless))
        await until(lambda: own.busy() > 0)
        own.kill()
        (result,) = await asyncio.gather(running, return_exceptions=True)
        await policy.aclose()
        return result

    result = asyncio.run(kill())
    assert isinstance(result, PolicyError)
    assert "cannot be reached or hung up" in str(result)
    with pytest.raises(Unavailable, match="No server answers at"):
        load(own.address)


def test_what_there_is_when_the_time_is_up(server: Server, folder: Path) -> None:
    """The slot is freed; ids are known unless some were left out of the stream, as those within a character are (here are none)."""
    policy = load(server.address, tokenizer=str(folder))
    sampling = Sampling(max_tokens=2000, constraint=Constraint(kind="grammar", text="root ::= [a-z] root"))
    asked = [Request(prompt_ids=(9, 8, 7), sampling=sampling, timeout_s=seconds) for seconds in (0.1, 1e-6)]

    async def wait() -> list[Completion]:
        done = list(await asyncio.gather(*map(policy.generate, asked)))
        await until(lambda: server.busy() == 0)
        await policy.aclose()
        return done

    got, nothing = asyncio.run(wait())
    assert got.stop_reason in ("timeout", "length")  # a fast machine may fill the context first
    assert nothing.stop_reason == "timeout"
    assert got.knows_ids
    assert got.text == policy.renderer.decode(got.ids)
    assert not got.text or (got.text.isalpha() and got.text.islower())
    assert (nothing.text, nothing.ids) == ("", ())


def test_a_short_answer_within_its_time_is_whole(server: Server, folder: Path) -> None:
    policy = load(server.address, tokenizer=str(folder))
    request = Request(prompt_ids=(9, 8, 7), sampling=Sampling(temperature=0.0, max_tokens=6), prefix_ids=(60, 61), timeout_s=60.0)
    timed, plain = ask(policy, request, msgspec.structs.replace(request, timeout_s=None))
    assert (timed.text, timed.stop_reason) == (plain.text, plain.stop_reason)
    assert timed.ids == (plain.ids if timed.knows_ids else ())
    assert plain.forced == ((0, 2),)


def test_messages_are_answered_within_schemas_and_cuts_too(server: Server) -> None:
    shape = Constraint(kind="json", text=json.dumps({"enum": ["ab", "cd"]}))
    (completion,) = ask(load(server.address), Request(prompt_ids=(), messages=MESSAGES, sampling=Sampling(top_k=50, constraint=shape)))
    assert completion.text in ('"ab"', '"cd"')


def test_a_schema_that_a_server_passes_over_is_noticed() -> None:
    with faulty(answer) as state:
        shaped = msgspec.structs.replace(TEXT, sampling=Sampling(constraint=Constraint(kind="json", text="{}")))
        failing(load(state.address, dialect="vllm"), PolicyError, "did not keep to the JSON schema", shaped)


def test_an_unreadable_grammar_is_the_servers_word(server: Server, folder: Path) -> None:
    broken = Sampling(constraint=Constraint(kind="grammar", text="root ::= other"))
    failing(load(server.address, tokenizer=str(folder), retries=0), PolicyError, "grammar", Request(prompt_ids=(9,), sampling=broken))


@pytest.mark.parametrize("fault", [hang, trickle])
def test_a_text_is_handed_over_as_far_as_it_came(fault: object) -> None:
    with faulty(fault) as state:
        (completion,) = ask(load(state.address), msgspec.structs.replace(TEXT, timeout_s=0.4))
        assert completion.stop_reason == "timeout"
        assert set(completion.text) <= set("fi.")
        asyncio.run(until(lambda: state.open == 0))


def test_what_a_server_of_unknown_kind_cannot_be_asked() -> None:
    with faulty(answer) as state:
        for changes, words in [
            ({"sampling": Sampling(top_k=4)}, "cannot do top_k=4.*dialect="),
            ({"sampling": Sampling(constraint=Constraint(kind="regex", text="a"))}, "cannot do constraint"),
            ({"prefix_ids": (1,)}, "forced only on token ids.*tokenizer="),
        ]:
            failing(load(state.address), InputError, words, msgspec.structs.replace(TEXT, **changes))
        assert not state.starts


def test_closing_ends_what_waits() -> None:
    with faulty(hang) as state:
        policy = load(state.address)

        async def close() -> list[BaseException | Completion]:
            running = [asyncio.create_task(policy.generate(TEXT)) for _ in range(3)]
            await until(lambda: state.open == 3)
            await policy.aclose()
            return list(await asyncio.gather(*running, return_exceptions=True))

        assert all(isinstance(result, PolicyError) for result in asyncio.run(close()))


@pytest.mark.parametrize("fault", [break_off, hang_up, status(500), status(503), status(429), status(408)])
def test_a_passing_fault_is_tried_again(fault: object) -> None:
    with faulty(fault, answer) as state:
        (completion,) = ask(load(state.address), TEXT)
        assert (completion.text, completion.stop_reason, len(state.starts)) == ("fine", "eos", 2)


@pytest.mark.parametrize(
    ("fault", "words", "tries"),
    [
        (break_off, "ended its answer before it was whole", 2),
        (hang_up, "hung up", 2),
        (status(500, "out of memory"), "refused: .*out of memory", 2),
        (status(400, "no such field"), r"no such field.*\(1 try\)", 1),
        (status(401), "refused", 1),
        (status(429, "pay first", kind="insufficient_quota"), "pay first", 1),
        (status(429, headers="Retry-After: 3600\r\n"), "left alone for 3600 s in all", 1),
        (filtered, "content_filter", 1),
    ],
)
def test_a_lasting_fault_is_one_plain_error(fault: object, words: str, tries: int) -> None:
    with faulty(fault) as state:
        failing(load(state.address, retries=1), PolicyError, words)
        assert len(state.starts) == tries


def test_being_told_to_wait_uses_up_no_retry() -> None:
    wait = status(429, headers="Retry-After: 0\r\n")
    with faulty(wait, wait, wait, answer) as state:
        assert ask(load(state.address, retries=0), TEXT)[0].text == "fine"
        assert len(state.starts) == 4


@pytest.mark.parametrize("value", ["1", None])
def test_retry_after_holds_back_everybody(value: str | None) -> None:
    """The one that was told and those that were not yet sent; a date works like a number of seconds."""
    told = value or formatdate(time.time() + 3, usegmt=True)
    with faulty(status(429, headers=f"Retry-After: {told}\r\n"), answer) as state:
        done = ask(load(state.address, concurrent=1), TEXT, TEXT)
        assert [completion.text for completion in done] == ["fine", "fine"]
        assert state.starts[1] - state.starts[0] >= 0.9


@pytest.mark.parametrize("fault", [hang, trickle])
def test_a_server_that_does_not_finish_is_left(fault: object) -> None:
    with faulty(fault) as state:
        started = time.monotonic()
        failing(load(state.address, timeout_s=0.3, retries=1), PolicyError, r"no whole answer within 0.3 s.*\(2 tries\)")
        assert time.monotonic() - started < 5
        assert len(state.starts) == 2


def test_a_hanging_server_is_hung_up_on() -> None:
    with faulty(hang) as state:
        failing(load(state.address, timeout_s=0.3, retries=0), PolicyError, "no whole answer")
        asyncio.run(until(lambda: state.open == 0))


def test_no_more_than_allowed_at_once_and_not_faster() -> None:
    with faulty(answer) as state:
        ask(load(state.address, concurrent=2), *[TEXT] * 12)
        assert state.most <= 2
    with faulty(answer) as state:
        policy, begun = load(state.address, per_second=20.0), time.monotonic()
        ask(policy, *[TEXT] * 6)
        assert state.starts[-1] - begun >= 0.9 * 5 / 20  # from the first call on: its own arrival may be late


def test_the_request_says_what_was_asked() -> None:
    sampling = Sampling(temperature=0.3, top_p=0.9, max_tokens=11, stop=("END",), seed=2**40 + 5)
    with faulty(answer) as state:
        (completion,) = ask(load(f"{state.address}#m"), Request(prompt_ids=(), messages=MESSAGES, sampling=sampling))
    assert completion.stop_reason == "stop"
    sent = state.bodies[0]
    assert {"temperature": 0.3, "top_p": 0.9, "max_tokens": 11, "stop": ["END"], "seed": 5, "model": "m"}.items() <= sent.items()
    assert sent["messages"] == [{"role": "user", "content": "add"}]


def test_addresses_and_names() -> None:
    with faulty(answer, models=("a", "b")) as state:
        with pytest.raises(InputError, match=r"2 models, and none was named.*#name. Served: a, b"):
            load(state.address)
        with pytest.raises(InputError, match="does not serve 'c'"):
            load(f"{state.address}#c")
        with pytest.raises(InputError, match="There is no dialect 'x'"):
            load(f"{state.address}#a", dialect="x")
        policy = load(f"{state.address}#b")
        assert (policy.name, policy.version) == ("b", "0")
        with pytest.raises(InputError, match="takes no weights while it runs"):
            policy.load_weights("x", version="1")
        asyncio.run(policy.aclose())
        failing(policy, PolicyError, "closed")
    with pytest.raises(InputError, match="takes the address of a server"):
        load("127.0.0.1:8080", engine="openai")
    with pytest.raises(Unavailable, match="No server answers at http://127.0.0.1:1/v1"):
        load("http://127.0.0.1:1/v1")


@pytest.mark.parametrize("option", [{"concurrent": 0}, {"per_second": 0.0}, {"timeout_s": 0.0}, {"retries": -1}])
def test_unusable_limits(option: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Unusable limits"):
        load("http://127.0.0.1:1/v1", **option)


@pytest.mark.parametrize(
    ("request_", "words"),
    [(Request(prompt_ids=()), "neither"), (Request(prompt_ids=(1,), sampling=Sampling(max_tokens=0)), "max_tokens")],
)
def test_unusable_requests(request_: Request, words: str) -> None:
    with faulty(answer) as state:
        failing(load(state.address), InputError, words, request_)
