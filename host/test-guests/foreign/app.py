"""A slice in Python, made without the SDK: it has only its WIT and this file."""

from componentize_py_types import Err
from wit_world.exports import words

LENGTH_MAX = 1000


class Words:
    def shout(self, text):
        if not text:
            raise Err(words.WordError_Empty())
        if len(text) > LENGTH_MAX:
            raise Err(words.WordError_TooLong(len(text)))
        return text.upper() + "!"

    def tally(self, all):
        times = {}
        for word in all:
            times[word] = times.get(word, 0) + 1
        return [words.Count(word, count) for word, count in sorted(times.items())]

    def fail(self):
        raise ValueError("failing as asked")
