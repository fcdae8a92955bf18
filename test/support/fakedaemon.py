"""A daemon's console socket with canned answers, for tests of what dpdk-lbctl does with them."""

import json
import os
import socket
import threading


class FakeDaemon:
    """`answers`: command → text, (status, error), or a function of `json` that gives one. Unknown commands are errors."""

    def __init__(self, path, answers):
        self.path, self.answers, self.commands, self.deaf = str(path), answers, [], threading.Event()
        self.lock, self.clients, self.listener = threading.Lock(), set(), None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for client in self.clients:
                try:
                    client.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # its peer has gone first

    def asked(self):
        """The commands since the last call."""
        with self.lock:
            commands, self.commands = self.commands, []
        return commands

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.clients.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            for line in client.makefile("rb"):
                request = json.loads(line)
                if self.deaf.is_set():
                    continue
                client.sendall(json.dumps(self._answer(request)).encode() + b"\n")
        except OSError:
            pass  # a client that leaves in the middle
        finally:
            with self.lock:
                self.clients.discard(client)
            client.close()

    def _answer(self, request):
        if "complete" in request:
            return {"candidates": [], "expected": []}
        command, as_json = request["command"], request.get("json", False)
        with self.lock:
            self.commands.append(command)
        answer = self.answers.get(command, (2, f'unknown command "{command}"'))
        answer = answer(as_json) if callable(answer) else answer
        if isinstance(answer, tuple):
            return {"status": answer[0], "output": "", "error": answer[1]}
        return {"status": 0, "output": json.dumps(answer) if as_json else str(answer), "error": ""}
