"""What there is to learn from, as the streams of a run, and what these need of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Policy
from burnish.training._crew import Crew
from burnish.training._objective import TokenObjective
from burnish.training._preference import Preference
from burnish.training._recorded_stream import RecordedStream
from burnish.training._rollout_stream import RolloutStream
from burnish.training._streams import PreferenceStream, Stream, SupervisedStream, ValueStream
from burnish.training.config import STREAMS, TrainConfig
from burnish.training.rollouts import Rollout, RolloutSource
from burnish.training.stats import StepStats


class Options(TypedDict, total=False):
    """What there is to learn from, and who listens. At least one of the first six is needed."""

    examples: Sequence[Example]
    """Stream `sft`: conversations or token records to imitate."""
    rollouts: RolloutSource | None
    """Stream `rl`: tasks, how to ask, how to judge, how to reward."""
    recorded: Sequence[Example]
    """Stream `rl`, offline: answers that were sampled before, with `meta["reward"]` or `meta["credit"]`. In place of `rollouts`."""
    preferences: Sequence[Preference]
    """Stream `preference`: pairs of answers, the better one first."""
    judged: Sequence[Example]
    """Stream `preference`, for losses on single answers: examples with `meta["desirable"]`."""
    labelled: Sequence[Example]
    """Stream `value`: examples with judged steps in `meta["steps"]`, `meta["lines"]` or `meta["paragraphs"]`."""
    validation: Sequence[Example]
    """Only measured: every `validate_every` steps and at the end. The best weights are kept."""
    resume: bool
    """Go on from the newest checkpoint in the folder, or start if there is none."""
    on_step: Callable[[StepStats], None] | None
    """Gets the report of every step (on rank 0)."""
    on_rollouts: Callable[[int, Sequence[Rollout]], None] | None
    """Gets the number of every step with rollouts, as in its report, and all that was sampled for it, scored or not (on rank 0)."""
    should_stop: Callable[[], bool] | None
    """Asked after each step; a stopped run can be resumed."""


def make_streams(options: Options, policy: Policy, config: TrainConfig, crew: Crew) -> dict[str, Stream]:
    """The streams that some stage may run, by name. Raises `InputError` if there is none, or for data that cannot be used."""
    renderer, streams = policy.renderer, list[Stream]()
    unused = {name for name in STREAMS if all(stage.controller is None and stage.mix.get(name, 1.0) == 0 for stage in config.plan())}
    if (examples := options.get("examples")) and "sft" not in unused:
        streams.append(SupervisedStream(examples, renderer, config))
    rollouts, recorded = options.get("rollouts"), options.get("recorded")
    if rollouts is not None and recorded:
        raise InputError("The stream rl learns from fresh rollouts or from recorded answers, not from both. Leave one of them out.")
    if rollouts is not None and "rl" not in unused:
        streams.append(RolloutStream(rollouts, policy, config, crew))
    if recorded and "rl" not in unused:
        streams.append(RecordedStream(recorded, renderer, config))
    pairs, judged = options.get("preferences", ()), options.get("judged", ())
    if (pairs or judged) and "preference" not in unused:
        streams.append(PreferenceStream(pairs, judged, renderer, config))
    if (labelled := options.get("labelled")) and "value" not in unused:
        streams.append(ValueStream(labelled, renderer, config))
    if not streams:
        raise InputError("There is nothing to train on: give examples, rollouts or both, with a mix coefficient above 0.")
    if validation := options.get("validation"):
        streams.append(SupervisedStream(validation, renderer, config, name="validation"))
    return {stream.name: stream for stream in streams}


def needs_of(streams: Mapping[str, Stream]) -> frozenset[str]:
    """Every `TokenBatch` field that some objective, advantage or input reads."""
    scored = [stream.scored_before for stream in streams.values() if isinstance(stream, RolloutStream | RecordedStream)]
    read = [stream.inputs.needs for stream in streams.values() if isinstance(stream, SupervisedStream)]
    return frozenset[str]().union(*scored, *read, *(stream.objective.needs for stream in streams.values()))


def head_of(streams: Mapping[str, Stream], config: TrainConfig) -> str:
    """What the scalar head tells, if there is one: `process`, `reward` or `value`.

    Raises `InputError` if it should tell two things, or if a stage should train a critic alone and there is none.
    """
    kinds = {"value": "process", "preference": "reward", "rl": "value"}
    heads = [kinds[name] for name, stream in streams.items() if "value" in stream.objective.needs]
    if len(heads) > 1:
        raise InputError(f"There is one scalar head, but it should learn {' and '.join(heads)}. Train them in runs of their own.")
    practice = streams.get("rl")
    if practice is not None and isinstance(practice.objective, TokenObjective) and any(stage.critic_only for stage in config.stages):
        practice.objective.of_the_critic()
    return heads[0] if heads else "value"
