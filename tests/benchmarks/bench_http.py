"""Requests in flight: how many times faster is a model that takes 50 ms an answer?

Run it by hand: `python tests/benchmarks/bench_http.py`. It starts its own server on this machine.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

import limelens as ll

LATENCY, N_IMAGES, REPEATS = 0.05, 64, 3
IMAGES = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 32, 32, 3)).astype(np.uint8)


class Slow(BaseHTTPRequestHandler):
    """Answers after 50 ms."""

    def do_POST(self):
        images = np.array(
            json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        )
        time.sleep(LATENCY)
        body = json.dumps({"predictions": images.mean(axis=(1, 2)).tolist()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """Lets more clients wait at once than the five of the standard library."""

    request_queue_size = 64


def seconds(url: str, in_flight: int) -> float:
    """Return the best time of a batch."""
    model = ll.from_http(url, in_flight=in_flight)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        model(IMAGES)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    server = Server(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        one = seconds(url, 1)
        print("| in flight | seconds for 64 images | times as fast |")
        print("|---|---|---|")
        for in_flight in (1, 2, 4, 8, 16):
            took = seconds(url, in_flight)
            print(f"| {in_flight} | {took:.2f} | {one / took:.1f} |")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    main()
