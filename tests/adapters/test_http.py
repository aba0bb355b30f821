"""`from_http`: a real server on this machine that fails in every way a server can."""

import json
import pickle
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import limelens as ll
from limelens.adapters.http import from_http
from limelens.adapters.in_flight import PassingError

IMAGES = np.arange(48, dtype=np.uint8).reshape(12, 2, 2)
SUMS = IMAGES.sum(axis=(1, 2))[:, np.newaxis].astype(float)


class Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # connections that may wait; the standard library's five are refused


class Server:
    """Answers the sum of each image's pixels; `fault(images, try_number)` comes first."""

    def __init__(self, fault=None):
        self.tries = Counter()
        self.bodies, self.headers = [], []
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    outer.bodies.append(body)
                    outer.headers.append(self.headers)
                    outer.tries[body] += 1
                images = np.array(json.loads(body)["instances"])
                if fault is None or not fault(self, images, outer.tries[body]):
                    scores = images.reshape(len(images), -1).sum(axis=1, keepdims=True)
                    self.answer(json.dumps({"predictions": scores.tolist()}))

            def answer(self, text, status=200, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # clients that left, as some tests mean to
        self.url = f"http://127.0.0.1:{self.server.server_port}/predict"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def unavailable(handler, images, tries):
    if tries == 1 and images.sum() % 3 == 0:
        handler.answer("busy", 503)
        return True
    return False


def too_many(handler, images, tries):
    if tries == 1:
        handler.answer("slow down", 429, Retry_After="0.01")
    return tries == 1


def hangs_up(handler, images, tries):
    if tries == 1:
        handler.close_connection = True
        handler.connection.close()
    return tries == 1


def breaks_off(handler, images, tries):
    if tries == 1:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"predictions": [[')
        handler.connection.close()
    return tries == 1


def half_an_answer(handler, images, tries):
    if tries == 1:
        handler.answer('{"predictions": [[1')
    return tries == 1


def no_predictions(handler, images, tries):
    if tries == 1:
        handler.answer('{"error": "warming up"}')
    return tries == 1


def too_slow(handler, images, tries):
    if tries == 1:
        time.sleep(0.6)
    return False


def drips(handler, images, tries):
    if tries == 1:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for _ in range(12):  # never long enough without a byte for a socket to give up
            handler.wfile.write(b" ")
            time.sleep(0.1)
    return tries == 1


FAULTS = [
    unavailable,
    too_many,
    hangs_up,
    breaks_off,
    half_an_answer,
    no_predictions,
    too_slow,
    drips,
]


@pytest.mark.parametrize("fault", [None, *FAULTS])
@pytest.mark.parametrize("images_per_request", [1, 5])
def test_scores_are_right_and_in_order_whatever_passes(fault, images_per_request):
    is_slow = fault in (too_slow, drips)
    with Server(fault) as server:
        model = from_http(
            server.url,
            images_per_request=images_per_request,
            backoff=0.01,
            timeout=0.4 if is_slow else 60,
            retries=9,
        )
        np.testing.assert_array_equal(model(IMAGES), SUMS)
    n_requests = -(-len(IMAGES) // images_per_request)
    assert len(server.tries) == n_requests
    most = max(server.tries.values())
    assert most >= 2 if is_slow else most == (1 if fault is None else 2)


def test_only_requests_that_failed_are_sent_again():
    with Server(unavailable) as server:
        from_http(server.url, backoff=0.01)(IMAGES)
    failed = int((SUMS % 3 == 0).sum())
    assert 0 < failed < 12
    assert sum(server.tries.values()) == 12 + failed


def test_answers_that_arrive_in_another_order_are_put_back():
    arrivals = []

    def later_first(handler, images, tries):
        time.sleep(0.02 * (12 - images.flat[0] // 4))
        arrivals.append(int(images.flat[0]))
        return False

    with Server(later_first) as server:
        np.testing.assert_array_equal(from_http(server.url, in_flight=12)(IMAGES), SUMS)
    assert arrivals != sorted(arrivals)


@pytest.mark.parametrize("in_flight", [1, 3])
def test_as_many_requests_as_asked_for_are_under_way_and_no_more(in_flight):
    together = threading.Barrier(in_flight, timeout=20)  # opens for so many at once only
    inside, lock = Counter(), threading.Lock()

    def wait_for_others(handler, images, tries):
        with lock:
            inside["now"] += 1
            inside["most"] = max(inside["now"], inside["most"])
        together.wait()
        time.sleep(0.01)
        with lock:
            inside["now"] -= 1
        return False

    with Server(wait_for_others) as server:
        from_http(server.url, in_flight=in_flight)(IMAGES)
    assert inside["most"] == in_flight


def test_a_server_that_never_recovers_is_asked_as_often_as_allowed():
    def down(handler, images, tries):
        handler.answer("no luck", 503)
        return True

    with Server(down) as server:
        model = from_http(server.url, retries=2, backoff=0.01, in_flight=1)
        with pytest.raises(ll.PredictionError, match=r"in 3 tries.*HTTP 503.*no luck"):
            model(IMAGES[:1])
    assert sum(server.tries.values()) == 3


def test_waits_double_and_a_retry_after_is_obeyed_up_to_the_timeout():
    waits, asked_for = [], [None, None, None, 9, 99]

    class Stop:
        def wait(self, seconds):
            waits.append(seconds)

        def is_set(self):
            return False

        def set(self):
            pass

    def down(images):
        raise PassingError("down", asked_for[len(waits)])

    remote = from_http(down, backoff=1, retries=4, timeout=20).predict_fn
    with pytest.raises(ll.PredictionError, match="5 tries"):
        remote._ask(IMAGES[:1], Stop())
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2 <= waits[2] <= 4
    assert waits[3] == 9

    waits.clear()
    asked_for[0] = 99
    remote = from_http(down, retries=1, timeout=20).predict_fn
    with pytest.raises(ll.PredictionError, match="2 tries"):
        remote._ask(IMAGES[:1], Stop())
    assert waits == [20]


def test_a_refusal_is_not_repeated():
    def refuses(handler, images, tries):
        handler.answer("wrong key", 401)
        return True

    words = r"refused.*HTTP 401.*wrong key"
    with Server(refuses) as server, pytest.raises(ll.PredictionError, match=words):
        from_http(server.url, in_flight=1)(IMAGES[:1])
    assert sum(server.tries.values()) == 1


def test_nobody_listening_is_said():
    with Server() as server:
        url = server.url
    with pytest.raises(ll.PredictionError, match=r"2 tries.*ConnectionRefusedError"):
        from_http(url, retries=1, backoff=0.01)(IMAGES[:1])


def test_rows_that_were_answered_are_never_asked_for_again():
    recovered = threading.Event()

    def one_fails(handler, images, tries):
        if images.flat[0] == 20 and not recovered.is_set():
            time.sleep(0.1)
            handler.answer("bad pixel", 400)
            return True
        return False

    with Server(one_fails) as server:
        model = from_http(server.url, in_flight=2)
        with pytest.raises(ll.PredictionError, match="bad pixel"):
            model(IMAGES)
        answered = {body for body in server.tries if b"[[[20," not in body}
        assert len(answered) >= 2
        recovered.set()
        np.testing.assert_array_equal(model(IMAGES), SUMS)
        assert all(server.tries[body] == 1 for body in answered)
        assert sum(server.tries.values()) == 13
        model(IMAGES[:1])  # what was kept for a failed call is forgotten once it was used
        assert sum(server.tries.values()) == 14


def test_an_explanation_goes_on_after_a_failure_and_pays_for_nothing_twice():
    recovered = threading.Event()
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)

    def fails_late(handler, images, tries):
        if len(server.tries) > 20 and not recovered.is_set():
            handler.answer("gone", 400)
            return True
        return False

    explainer = ll.Lime(segmenter=ll.Grid(8), n_samples=60)
    with Server(fails_late) as server:
        model = from_http(server.url, in_flight=4)
        with pytest.raises(ll.PredictionError) as caught:
            explainer.explain(image, model, rng=0, batch_size=16)
        recovered.set()
        found = explainer.explain(image, model, rng=0, batch_size=16, reuse=caught.value.samples)
        again = [body for body, tries in server.tries.items() if tries > 1]
    plain = explainer.explain(image, lambda batch: batch.sum(axis=(1, 2)) * 1.0, rng=0)
    np.testing.assert_allclose(found.importances, plain.importances)
    assert len(again) <= 4 + 1  # those that were refused, and the intact image's second look


def test_an_interrupt_is_passed_on_and_keeps_what_was_answered(monkeypatch):
    from limelens.adapters import in_flight

    def as_completed(asked):
        for number, future in enumerate(asked):
            if number == 3:
                raise KeyboardInterrupt
            future.result()
            yield future

    with Server() as server:
        model = from_http(server.url, in_flight=1)
        monkeypatch.setattr(in_flight, "as_completed", as_completed)
        with pytest.raises(KeyboardInterrupt):
            model(IMAGES)
        monkeypatch.undo()
        first = set(server.bodies[:3])
        np.testing.assert_array_equal(model(IMAGES), SUMS)
        assert all(server.tries[body] == 1 for body in first)


def test_bodies_and_headers_are_the_callers():
    def encode(images):
        assert images.shape == (1, 2, 2)
        return json.dumps({"instances": (images * 2).tolist()})

    def decode(body):
        return json.loads(body)["predictions"][0]

    with Server() as server:
        model = from_http(
            server.url,
            encode=encode,
            decode=decode,
            headers={"Authorization": "Bearer x", "Content-type": "application/x"},
        )
        np.testing.assert_array_equal(model(IMAGES[:3]), 2 * SUMS[:3])
    assert server.headers[0]["Authorization"] == "Bearer x"
    assert server.headers[0]["Content-Type"] == "application/x"


@pytest.mark.parametrize(
    ("encode", "words"),
    [
        (lambda images: images, "`encode` must return bytes or a str"),
        (lambda images: images.tolist()[99], "`encode` raised IndexError"),
        (lambda images: json.dumps(images), "`encode` raised TypeError"),
    ],
)
def test_a_body_that_cannot_be_sent_is_named_at_once(encode, words):
    with Server() as server, pytest.raises(ll.PredictionError, match=words):
        from_http(server.url, encode=encode)(IMAGES[:1])
    assert not server.bodies


def test_an_answer_for_another_number_of_images_is_refused():
    with Server() as server:
        model = from_http(server.url, decode=lambda body: np.zeros((3, 2)), images_per_request=2)
        with pytest.raises(ll.PredictionError, match=r"2 images.*got shape \(3, 2\)"):
            model(IMAGES[:2])


def test_rows_of_different_lengths_are_refused():
    model = from_http(lambda images: np.zeros((1, 1 + int(images.flat[0]) % 3)))
    with pytest.raises(ll.PredictionError, match="as many scores"):
        model(IMAGES)


@pytest.mark.parametrize("shape", [(1, 2), (2,)])
def test_one_image_s_scores_may_come_without_an_axis_of_images(shape):
    model = from_http(lambda images: np.ones(shape))
    assert model(IMAGES[:3]).shape == (3, 2)


def test_a_client_of_ones_own_is_tried_again_but_not_after_a_bug():
    calls = Counter()

    class UnavailableError(Exception):
        pass

    def flaky(images):
        key = int(images.flat[0])
        calls[key] += 1
        if calls[key] < 3:
            raise UnavailableError
        return images.reshape(len(images), -1).sum(axis=1)

    np.testing.assert_array_equal(from_http(flaky, backoff=0.001)(IMAGES), SUMS)
    assert set(calls.values()) == {3}

    def buggy(images):
        calls["buggy"] += 1
        return images.nothing

    with pytest.raises(AttributeError):
        from_http(buggy)(IMAGES[:1])
    assert calls["buggy"] == 1


def test_a_client_of_ones_own_is_not_waited_for_longer_than_asked():
    calls = Counter()

    def hangs(images):
        calls["all"] += 1
        if calls["all"] == 1:
            time.sleep(2)
        return [1.0]

    started = time.monotonic()
    assert from_http(hangs, timeout=0.1, backoff=0.01)(IMAGES[:1]) == [[1.0]]
    assert calls["all"] == 2
    assert time.monotonic() - started < 1.9  # it went on before the first call had ended


@pytest.mark.parametrize(
    ("url", "options", "name"),
    [
        ("127.0.0.1:80/x", {}, "url"),
        ("ftp://127.0.0.1/x", {}, "url"),
        ("http://", {}, "url"),
        (3, {}, "url"),
        (len, {"encode": len}, "encode"),
        (len, {"decode": len}, "decode"),
        (len, {"headers": {}}, "headers"),
        ("http://127.0.0.1", {"encode": 3}, "encode"),
        ("http://127.0.0.1", {"headers": "Authorization: x"}, "headers"),
        ("http://127.0.0.1", {"headers": {"a": 1}}, "headers"),
        ("http://127.0.0.1", {"in_flight": 0}, "in_flight"),
        ("http://127.0.0.1", {"retries": -1}, "retries"),
        ("http://127.0.0.1", {"timeout": 0}, "timeout"),
        ("http://127.0.0.1", {"backoff": -1}, "backoff"),
        ("http://127.0.0.1", {"images_per_request": 0}, "images_per_request"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(url, options, name):
    with pytest.raises(ll.InvalidInputError, match=f"`{name}`"):
        from_http(url, **options)


def test_a_model_can_be_sent_to_another_process():
    with Server() as server:
        model = pickle.loads(pickle.dumps(from_http(server.url, class_names=["sum"])))
        np.testing.assert_array_equal(model(IMAGES), SUMS)
    assert model.class_names == ["sum"]
