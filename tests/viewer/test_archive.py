import base64
import gzip
import json

from burnish.viewer.archive import PER_CHUNK, Archive
from burnish.viewer.blocks import CheckLine, Lesson, Mark, Story, TaskEntry, TaskList, Token, Turn


def unpack(data):
    return json.loads(gzip.decompress(base64.b64decode(data)))


def read(archive):
    """All chunks, those of one kind joined."""
    found = {"index": [], "stories": [], "turns": []}
    for name, data in archive.chunks():
        found[name.split("-")[0]] += unpack(data)
    return found


def test_stories_and_turns_are_numbered_through():
    archive = Archive()
    counts = [PER_CHUNK - 1, 0, 3, PER_CHUNK]
    for story, count in enumerate(counts):
        turns = tuple(Turn(title=f"{story}/{turn}", code="") for turn in range(count))
        assert archive.add(Story(heading="", problem=f"p{story}", turns=turns)) == story
    assert [name for name, _ in archive.chunks()] == ["stories-0", "turns-0", "turns-1", "turns-2"]
    found = read(archive)
    for story, data in enumerate(found["stories"]):
        assert data["problem"] == f"p{story}"
        turns = found["turns"][data["first"] : data["first"] + len(data["turns"])]
        assert [turn["title"] for turn in turns] == [f"{story}/{turn}" for turn in range(counts[story])]


def test_a_list_keeps_what_is_filtered_and_searched():
    archive = Archive()
    archive.add(Story(heading="", problem="first", turns=()))
    entry = TaskEntry(id="t", summary="s", story=Story(heading="", problem="p", turns=()), tags=("solved", "x"), facts=("1", "2"))
    archive.add_list(TaskList(heading="Tasks", entries=(entry,), filters=("solved",)))
    assert read(archive)["index"] == [["t", "s", ["solved"], "1 · 2", 1]]


def test_a_program_comes_ready_to_draw():
    archive = Archive()
    marks = (Mark(line=2, text="wrong"), Mark(line=0, text="all", severity="warn"))
    turn = Turn(title="", code="def f():\n    return 2\n", before="def f():\n    return 1\n", marks=marks)
    archive.add(Story(heading="", problem="", turns=(turn,)))
    (data,) = read(archive)["turns"]
    assert data["general"] == [["warn", "all"]]
    assert (data["is_diff"], data["repairs"]) == (True, True)
    assert [(number, sign, "".join(piece[0] for piece in pieces), found) for number, sign, pieces, found in data["lines"]] == [
        (1, "", "def f():", []),
        (None, "-", "    return 1", []),
        (2, "+", "    return 2", [["error", "wrong"]]),
    ]
    assert ["2", "number", True] in data["lines"][2][2]


def test_what_cannot_be_seen_is_made_visible_everywhere():
    bad = "a\u202eb\x00\ud800"
    turn = Turn(title=bad, code=bad, text=bad, prompt=bad, checks=(CheckLine(name=bad, outcome="fail"),), tokens=(Token(bad, -1.0),))
    archive = Archive()
    archive.add(Story(heading="", problem=bad, turns=(turn,), lessons=(Lesson(kind=bad, prompt=bad, target=bad),), note=bad))
    found = read(archive)
    text = json.dumps(found, ensure_ascii=False)
    assert text.count("a⟨U+202E⟩b⟨U+0000⟩⟨U+D800⟩") >= 11
    assert not set("\u202e\x00\ud800") & set(text)


def test_the_same_story_gives_the_same_data():
    first, second = Archive(), Archive()
    for archive in (first, second):
        archive.add(Story(heading="", problem="p", turns=(Turn(title="t", code="x = 1"),)))
    assert list(first.chunks()) == list(second.chunks())
