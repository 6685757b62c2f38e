"""Text as tokens and back: by hand, beside the definition, and for any text there is."""

import json
import time
from collections import Counter
from itertools import pairwise
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus.data import BytePairTokenizer, CharacterTokenizer, TokenizerError
from rumus.data._tokens._pieces import pieces_of
from rumus.tensor import ArgumentError, tensor

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # halves of pairs included
TEXT = "\n\n".join(topics.values())


@pytest.fixture(scope="module")
def trained():
    return BytePairTokenizer.train([TEXT[:100_000]], 600, ["<end>", "<|pad|>"])


# Byte pairs


def test_merges_are_those_worked_out_by_hand():
    # 'low', ' lower', ' lowest': lo and ow 3 times, of which lo has the lower bytes; low 3 times;
    # ' low' and 'lowe' twice, of which ' low' has the lower first token; ' lowe' twice.
    tokens = BytePairTokenizer.train(["low lower lowest"], 300)
    assert len(tokens) == 260
    assert [tokens.decode([k]) for k in range(256, 260)] == ["lo", "low", " low", " lowe"]
    assert tokens.encode("low lower slow") == [257, 259, ord("r"), ord(" "), ord("s"), 257]
    assert len(BytePairTokenizer.train(["low lower lowest"], 300, least=1)) == 263
    assert len(BytePairTokenizer.train(["low lower lowest"], 258)) == 258


def trained_by_definition(texts, room):
    """Sennrich's loop: count all pairs anew for each merge."""
    pieces = [list(piece.encode()) for text in texts for piece in pieces_of(text)]
    runs, merges = [bytes([k]) for k in range(256)], []
    while len(runs) < 256 + room:
        counts = Counter(pair for p in pieces for pair in pairwise(p))
        if not counts or max(counts.values()) < 2:
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        run = runs[pair[0]] + runs[pair[1]]
        merges.append((runs[pair[0]], runs[pair[1]]))
        token = runs.index(run) if run in runs else len(runs)
        runs += [run] if token == len(runs) else []
        for p in pieces:
            replace(p, pair, token)
    return merges


def replace(piece, pair, token):
    k = 0
    while k < len(piece) - 1:
        if (piece[k], piece[k + 1]) == pair:
            piece[k : k + 2] = [token]
        k += 1


@settings(deadline=None)
@given(st.lists(st.text("ab ", max_size=30), max_size=4), st.integers(0, 8))
def test_training_agrees_with_its_definition(texts, room):
    tokens = BytePairTokenizer.train(texts, 256 + room)
    assert tokens._merges == trained_by_definition(texts, room)


@settings(deadline=None)
@given(st.text("ab ", max_size=40))
def test_encoding_does_the_earliest_merge_that_is_there(text):
    merges = [(b"a", b"b"), (b"b", b"a"), (b"ab", b"ab"), (b"a", b"ba"), (b" ", b"ab")]
    tokens = BytePairTokenizer(merges)
    expected = []
    for piece in pieces_of(text):
        runs = [bytes([byte]) for byte in piece.encode()]
        while there := [pair for pair in merges if pair in pairwise(runs)]:
            replace(runs, there[0], b"".join(there[0]))
        expected += runs
    assert [tokens.decode_bytes([token]) for token in tokens.encode(text)] == expected


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_comes_back(trained, text):
    assert trained.decode(trained.encode(text)) == text
    assert "".join(pieces_of(text)) == text


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_come_back(trained, data):
    assert trained.decode_bytes(trained.encode(data)) == data


@settings(deadline=None)
@given(ANY_TEXT)
def test_what_was_encoded_before_changes_nothing(trained, text):
    fresh = BytePairTokenizer(trained._merges, trained.specials)
    data = text.encode("utf-8", "surrogatepass")
    for given_text in (text, data, text):
        assert fresh.encode(given_text) == trained.encode(given_text)


def test_text_is_cut_by_the_rule_of_gpt2():
    assert pieces_of("Hello, world! I'm 25 ½ x_y  \n  end naïve\tok ") == [
        *("Hello", ",", " world", "!", " I", "'m", " 25", " ½", " x", "_", "y"),
        *("  \n ", " end", " naïve", "\t", "ok", " "),
    ]  # fmt: skip
    assert pieces_of("ⅧⅧ² 中文abc") == ["ⅧⅧ²", " 中文abc"]


def test_a_long_text_is_cut_as_fast_as_it_is_read():
    start = time.process_time()
    tokens = BytePairTokenizer.train([(TEXT * 3)[:1_000_000]], 1000)
    assert len(tokens) == 1000
    assert tokens.decode(tokens.encode(TEXT)) == TEXT
    assert time.process_time() - start < 30  # 2.5 s on the machine that this was written on


def test_half_a_character_is_shown_as_none():
    tokens = BytePairTokenizer()
    assert tokens.decode(tokens.encode("é")[:1]) == "�"
    assert tokens.decode_bytes(tokens.encode("é")[:1]) == b"\xc3"


def test_special_tokens_are_text_unless_asked_for(trained):
    end, pad = trained.specials["<end>"], trained.specials["<|pad|>"]
    assert (end, pad, len(trained)) == (598, 599, 600)
    assert end not in trained.encode("a<end>")
    ids = trained.encode("a<end><|pad|>b<end", with_specials=True)
    assert ids == [ord("a"), end, pad, ord("b"), *trained.encode("<end")]
    assert trained.decode(ids) == "a<end><|pad|>b<end"
    assert trained.decode(ids, with_specials=False) == "ab<end"
    longest = BytePairTokenizer(specials=["<a", "<a>"])
    assert longest.encode("<a>", with_specials=True) == [257]


def test_the_texts_of_special_tokens_are_not_learned():
    tokens = BytePairTokenizer.train(["ab<end>" * 9], 300, ["<end>"])
    assert tokens._merges == [(b"a", b"b")]


def test_tokens_of_arrays_and_tensors_are_decoded(trained):
    ids = trained.encode("an array")
    assert trained.decode(np.array(ids)) == trained.decode(tensor(ids)) == "an array"
    with pytest.raises(TokenizerError, match="no token 600, but 0 to 599"):
        trained.decode([600])
    with pytest.raises(TokenizerError, match="no token -1"):
        trained.decode([-1])
    for wrong in ([1.5], "ab", np.zeros((2, 2), np.int32), iter([1]), None):
        with pytest.raises(ArgumentError, match="whole numbers in a row"):
            trained.decode(wrong)


def test_a_byte_pair_tokenizer_is_saved_and_read(trained, tmp_path):
    trained.save(tmp_path / "tokens.json")
    again = BytePairTokenizer.load(tmp_path / "tokens.json")
    assert again.encode(TEXT[:5000]) == trained.encode(TEXT[:5000])
    assert again.specials == trained.specials and len(again) == 600
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.json"]


def test_training_is_the_same_for_any_order_of_equal_texts(trained):
    parts = TEXT[:20_000].split("\n\n")
    one, other = (BytePairTokenizer.train(p, 400)._merges for p in (parts, parts[::-1]))
    assert one == other


def test_the_files_of_gpt2_give_its_numbers(tmp_path):
    """Numbers that GPT-2 has: "!" 0, "A" 32, a line's end 198, a space 220, " the" 262."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = [chr(byte) for byte in visible] + [chr(256 + k) for k in range(len(hidden))]
    merges = ["Ġ t", "Ġ a", "h e", "i n", "r e", "o n", "Ġt he"]
    words = [*letters, *(merge.replace(" ", "") for merge in merges), "<|endoftext|>"]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    (tmp_path / "vocab.json").write_text(json.dumps({word: k for k, word in enumerate(words)}))
    tokens = BytePairTokenizer.from_gpt2(tmp_path / "merges.txt", tmp_path / "vocab.json")
    assert tokens.encode("!A\n the  in") == [0, 32, 198, 262, 220, 220, 259]
    assert tokens.specials == {"<|endoftext|>": 263}
    assert tokens.decode([262, 263]) == " the<|endoftext|>"
    tokens.save(tmp_path / "tokens.json")
    assert BytePairTokenizer.load(tmp_path / "tokens.json").encode(" the") == [262]
    for wrong in ("Ġ tt\n".encode(), b"\xff\xfe"):
        (tmp_path / "merges.txt").write_bytes(wrong)
        with pytest.raises(TokenizerError, match="are no tokenizer"):
            BytePairTokenizer.from_gpt2(tmp_path / "merges.txt", tmp_path / "vocab.json")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BytePairTokenizer.train(["a"], 256, ["<end>"]), "at least 257: 256 bytes and 1"),
        (lambda: BytePairTokenizer([(b"ab", b"c")]), "token b'ab' has no number"),
        (lambda: BytePairTokenizer(specials="<end>"), r"as in \['<end>'\]"),
        (lambda: BytePairTokenizer(specials=["a", "a"]), "are there once; 'a'"),
        (lambda: BytePairTokenizer(specials={"a": 256, "b": 256}), "a number each"),
        (lambda: BytePairTokenizer(specials={"a": 255}), "a number of its own"),
        (lambda: BytePairTokenizer(specials=[""]), "have texts"),
        (lambda: BytePairTokenizer().encode(3), "text or bytes were expected, not int"),
        (lambda: CharacterTokenizer("aa"), "there once each"),
        (lambda: CharacterTokenizer(["ab"]), "one character each"),
        (lambda: CharacterTokenizer("ab", ["a"]), "are there once; 'a'"),
        (lambda: CharacterTokenizer("ab", unknown="?"), "has no '\\?'"),
    ],
)
def test_mistakes_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


# Characters


def test_characters_are_numbered_in_their_order():
    tokens = CharacterTokenizer.train(["hat", "mat"], ["<end>"])
    assert tokens.encode("that") == [3, 1, 0, 3]
    assert tokens.decode(np.array([2, 0, 3, 4])) == "mat<end>"
    assert tokens.decode([2, 0, 3, 4], with_specials=False) == "mat"
    assert tokens.encode("at<end>ma", with_specials=True) == [0, 3, 4, 2, 0]
    assert len(tokens) == 5 and CharacterTokenizer.train("hat").encode("hat") == [1, 0, 2]


@settings(deadline=None)
@given(ANY_TEXT)
def test_characters_of_any_text_come_back(text):
    tokens = CharacterTokenizer.train([text])
    assert tokens.decode(tokens.encode(text)) == text
    assert len(tokens) == len(set(text))


def test_a_character_without_a_token_is_an_error_or_unknown(tmp_path):
    with pytest.raises(TokenizerError, match="character 'z' at 1 has no token"):
        CharacterTokenizer("ab").encode("az")
    with pytest.raises(TokenizerError, match="no token 2, but 0 to 1"):
        CharacterTokenizer("ab").decode([2])
    tokens = CharacterTokenizer("ab", ["<?>"], unknown="<?>")
    tokens.save(tmp_path / "x")
    for each in (tokens, CharacterTokenizer.load(tmp_path / "x")):
        assert each.encode("azb") == [0, 2, 1]


def test_a_file_that_holds_something_else_says_what(tmp_path):
    path = tmp_path / "x"
    CharacterTokenizer("ab").save(path)
    with pytest.raises(FileExistsError, match="folder or a device"):
        CharacterTokenizer("ab").save(tmp_path)
    with pytest.raises(TokenizerError, match="tokenizer of characters, and one of byte pairs"):
        BytePairTokenizer.load(path)
    start = '{"rumus": "byte pairs", "version": '
    for text, message in (
        ("no", "no tokenizer's JSON"),
        ("[]", "no tokenizer of ours"),
        (start + "2}", "version 2"),
        (start + "1}", "holds no tokenizer: KeyError"),
        (start + '1, "merges": ["a"], "numbers": {}, "specials": {}}', "holds no tokenizer"),
        (start + '1, "merges": ["a \\n"], "numbers": {}, "specials": {}}', "holds no tokenizer"),
        (start + '1, "merges": [], "numbers": [], "specials": []}', "holds no tokenizer"),
    ):
        path.write_text(text)
        with pytest.raises(TokenizerError, match=message):
            BytePairTokenizer.load(path)
    with pytest.raises(FileNotFoundError):
        CharacterTokenizer.load(tmp_path / "none")
