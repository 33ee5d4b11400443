"""Several loops at a time, each on a thread of its own, that must go on without any error."""

import threading


class Together:
    """Functions that run again and again, each in a thread of its own, until the end or an error.

    What went wrong is in `wrong`, and how often each has run in `rounds`, by its name.
    """

    def __init__(self, *work):
        self.stop, self.wrong, self.rounds = threading.Event(), [], {one.__name__: 0 for one in work}
        self.threads = [threading.Thread(target=self._run, args=(one,)) for one in work]

    def __enter__(self) -> "Together":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "somebody hangs"

    def _run(self, work):
        while not self.stop.is_set():
            try:
                work()
                self.rounds[work.__name__] += 1
            except Exception as error:  # noqa: BLE001 - the test shows all of them
                self.wrong.append(f"{work.__name__}: {error!r} {error}")
                return

    def went_on_since(self, before: dict[str, int]) -> bool:
        """Whether each has run once more since `rounds` was `before`, or something is wrong."""
        return bool(self.wrong) or all(self.rounds[name] > before[name] for name in before)
