"""What `up` hands over has no name anywhere and can be read again and again."""

import json
import os

from durward.server.launch import Launch, content, launched, unnamed


def test_the_same_content_for_every_reader() -> None:
    text = os.urandom(100_000)
    fd = unnamed(text)
    copy = os.dup(fd)
    assert [content(fd), content(copy), content(fd)] == [text] * 3
    os.close(fd)
    os.close(copy)


def test_what_is_launched_is_inherited_only_where_it_is_passed_on() -> None:
    files = [unnamed(b"") for _ in range(4)]
    lock, listener, settings, show = files
    launch = Launch("/data", "127.0.0.1:7300", lock, listener, settings, "ready\n", show=show)
    for file in files:
        os.set_inheritable(file, True)
    assert launched(unnamed(json.dumps(launch._asdict()).encode())) == launch
    assert [os.get_inheritable(file) for file in files] == [False] * 4
    for file in files:
        os.close(file)
