"""The sockets of a worker's process, as this kernel tells."""

import socket
import subprocess
import sys

from admin_api.sockets import of_worker

UID = bytes(range(16))
PROGRAM = """
import socket, sys
held = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), socket.socket()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_sockets_of_a_worker_are_counted_and_those_of_another_process_are_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [sys.executable, "-c", PROGRAM, str(server.getsockname()[1]), f"{UID.hex()}.json"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            assert of_worker(process.pid, UID) == (2, 1)
            assert of_worker(process.pid, bytes(16)) == (None, None)
            process.communicate(timeout=10)
        assert of_worker(process.pid, UID) == (None, None)
    assert of_worker(None, UID) == (None, None)
