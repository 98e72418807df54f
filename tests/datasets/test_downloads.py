"""Files of data sets: downloaded from a server of our own, or put there by hand."""

import concurrent.futures
import hashlib
import http.server
import threading
import time

import pytest
from fixtures.published_files import manual

from cvae_jax.datasets import sources
from cvae_jax.errors import UserError


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves CONTENT, from where a range starts; the first answer ends in the middle."""

    content = bytes(range(256)) * 40
    answers = ()  # where each request began; a list of its own for each server

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.answers.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        stop = 4000 if len(self.answers) == 1 else None
        self.wfile.write(self.content[start:stop])

    def log_message(self, *args):
        del args


@pytest.fixture
def server():
    handler = type("Fresh", (Handler,), {"answers": []})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/file.bin", handler
        server.shutdown()


def file_at(url, content=Handler.content):
    return sources.File("file.bin", (url,), f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_a_broken_download_resumes(tmp_path, server):
    url, handler = server
    with pytest.raises(UserError, match=r"connection ended 6,240 bytes early.*put it at"):
        sources.find(file_at(url), tmp_path)
    assert not (tmp_path / "downloads" / "file.bin").exists()
    path, published = sources.find(file_at(url), tmp_path)
    assert path.read_bytes() == handler.content
    assert published
    assert handler.answers == [0, 4000]
    assert sources.find(file_at(url), tmp_path) == (path, True)  # and is not fetched again
    assert len(handler.answers) == 2


def test_two_that_want_the_same_file_fetch_it_once(tmp_path, server):
    url, handler = server
    handler.answers.append(0)  # whole answers
    send = handler.do_GET
    handler.do_GET = lambda self: (time.sleep(1), send(self))  # both have seen that it is missing
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: sources.find(file_at(url), tmp_path), range(2)))
    assert found == 2 * [(tmp_path / "downloads" / "file.bin", True)]
    assert found[0].path.read_bytes() == handler.content
    assert handler.answers == [0, 0]  # the first is that of above


def test_a_wrong_checksum_is_refused_and_the_next_mirror_asked(tmp_path, server):
    url, handler = server
    handler.answers.append(0)  # whole answers
    other = file_at(url, b"something else")
    with pytest.raises(UserError, match="now gives another file, of 10,240 bytes, sha256:"):
        sources.find(other, tmp_path)
    assert not list(tmp_path.rglob("file.bin*"))
    nowhere = f"{url.rpartition(':')[0]}:9/file.bin"
    file = file_at(url)._replace(urls=(nowhere, url))
    assert sources.find(file, tmp_path).path.read_bytes() == handler.content


def test_what_is_put_there_by_hand_comes_first(tmp_path):
    by_hand = manual(tmp_path, "", "file.bin")
    by_hand.write_bytes(b"mine")
    assert sources.find(file_at("http://127.0.0.1:9/file.bin"), tmp_path) == (by_hand, False)
    by_hand.write_bytes(Handler.content)
    assert sources.find(file_at("http://127.0.0.1:9/file.bin"), tmp_path) == (by_hand, True)
