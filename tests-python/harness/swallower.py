"""A proxy in front of a Redis port that swallows replies: what was asked is done, and nobody is told."""

import socket
import threading

READ = 1 << 16


class Swallower:
    """Passes everything on until `requests` bytes were asked; from then on no reply comes through."""

    def __init__(self, port: int, requests: int):
        self.target = port
        self.left = requests
        # Set when a reply was swallowed.
        self.swallowed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                node = socket.create_connection(("127.0.0.1", self.target), 5)
                node.settimeout(None)
            except OSError:
                return
            for pass_on, source, sink in ((self._requests, client, node), (self._replies, node, client)):
                threading.Thread(target=self._run, args=(pass_on, source, sink), daemon=True).start()

    @staticmethod
    def _run(pass_on, source: socket.socket, sink: socket.socket):
        try:
            while data := source.recv(READ):
                pass_on(data, sink)
        except OSError:
            pass
        finally:
            # A side that is gone is gone for the other as well.
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _requests(self, data: bytes, node: socket.socket):
        self.left -= len(data)
        node.sendall(data)

    def _replies(self, data: bytes, client: socket.socket):
        if self.left > 0:
            client.sendall(data)
        else:
            self.swallowed.set()
