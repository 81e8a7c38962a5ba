"""The scale of LeDex's explanation reward for the sentence encoder of the wheel: similarities that it gives, and their quantiles.

python -m benchmarks.explanations                  # 20 faults explained by hand: `burnish.signals.ledex.MINILM` is from here
python -m benchmarks.explanations runs/a runs/b    # explanations of your own runs: for `ledex_rewards`, low=… high=…

By hand each fault has two right explanations and a wrong one, each compared with the right ones. In runs each explained repair is
compared with those of the verified repairs of the same wrong program, as `ledex_rewards` does.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks._explanations import FAULTS, GENERIC
from burnish.models.scores import embedded_sentences
from burnish.signals.ledex import MINILM, Embed, Scale, explanation_reward, explanation_similarity, measured_scale


def by_hand(embed: Embed) -> dict[str, list[float]]:
    """Kind of explanation → its similarities to the right explanations of the same fault."""
    stuffed = " ".join(fault.right[1] for fault in FAULTS)
    found: dict[str, list[float]] = {"right": [], "wrong": [], "generic": [], "of everything": [], "of another fault": []}
    for fault, other in zip(FAULTS, (*FAULTS[1:], FAULTS[0]), strict=True):
        one, two = fault.right
        found["right"].append(explanation_similarity(one, [two], embed))
        for kind, text in (("wrong", fault.wrong), ("generic", GENERIC), ("of everything", stuffed), ("of another fault", other.right[0])):
            found[kind].append(explanation_similarity(text, [one, two], embed))
    return found


def scale_of(similarities: dict[str, list[float]]) -> Scale:
    """The scale from right and wrong explanations of the same program."""
    return measured_scale(similarities["right"] + similarities["wrong"], MINILM.provenance)


def of_runs(folders: list[Path]) -> list[float]:
    """The similarities that `ledex_rewards` finds in stored runs."""
    from burnish.curation.ledex_rewards import ledex_rewards
    from burnish.store.runs import RunStore

    found = []
    for folder in folders:
        with RunStore.open(folder) as store:
            found += [example.meta.get("explanation_similarity") for example in ledex_rewards(store)]
    return [similarity for similarity in found if similarity is not None]


def main(folders: list[Path]) -> None:
    """Print the similarities and the scale."""
    if folders:
        similarities = of_runs(folders)
        scale = measured_scale(similarities, "measured")
        print(f"{len(similarities)} explanations, median similarity {statistics.median(similarities):.2f}")
    else:
        kinds = by_hand(embedded_sentences())
        scale = scale_of(kinds)
        for kind, found in kinds.items():
            middle = statistics.median(found)
            reward = explanation_reward(middle, scale)
            print(
                f"{kind:16} lowest {min(found):5.2f}  median {middle:5.2f}  highest {max(found):5.2f}  reward of the median {reward:+.1f}"
            )
    print(f"low={scale.low} high={scale.high}")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
