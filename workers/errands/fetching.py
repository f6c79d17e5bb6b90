"""One try at fetching what a job's input names by a URL, in four steps: claim ► download ► store ► conclude. Called
from the courier's threads."""

import logging
import random
import threading
from collections import Counter

from config.failpoints import failpoint
from config.settings import Settings
from egress.downloads import Downloader, DownloadFailed
from jobs.uploads import Content, Unfetched, Upload
from storage.engine import Database
from storage.media.artifacts import EXTENSIONS, ArtifactStore
from storage.media.incoming import Incoming
from storage.media.storing import store_media
from storage.media.uploads import Uploads

log = logging.getLogger(__name__)

_LEASE_MARGIN_S = 5.0  # for what a try takes besides the download: the disk may be slow
_SPREAD = 0.1
_SHARE = 4  # one thread in so many may be fetching: who sends slowly keeps only those busy


class Fetcher:
    """Fetches what is due. A host that is slow keeps half of the fetching threads busy at the most."""

    def __init__(
        self, settings: Settings, database: Database, draining: threading.Event, downloader: Downloader | None = None
    ) -> None:
        self._uploads = Uploads(database)
        self._artifacts = ArtifactStore(settings.artifacts_folder)
        self._downloader = downloader or Downloader(settings.webhook_networks)
        self._draining = draining
        self._timeout_s = settings.fetch_timeout_s
        self._waits = settings.fetch_waits
        self._most_bytes = settings.max_upload_bytes
        self._keep_s = settings.upload_retention_s
        self._most = max(1, settings.courier_threads // _SHARE)
        self._most_of_a_host = max(1, self._most // 2)
        self._under_way: Counter[str] = Counter()
        self._claiming = threading.Lock()

    def fetch_next(self) -> Upload | None:
        """Try what has waited longest; None when nothing is due, or enough is under way.

        Raises:
            StoreUnavailable: at the claim, nothing was fetched; at the conclusion, the lease runs out and it is
                fetched again.
        """
        upload = self._claim()
        if upload is None:
            return None
        try:
            outcome = self._fetch(upload)
            if outcome is None:
                self._uploads.release(upload)
                return None
            failpoint("fetch:stored")
            spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)
            concluded = self._uploads.conclude(upload, outcome, self._waits, spread, self._keep_s)
            failpoint("fetch:committed")
        finally:
            self._let_go(upload)
        log.info("upload %s from %s: %s", upload.id, upload.host, concluded.status if concluded else "dropped")
        return concluded or upload

    def _claim(self) -> Upload | None:
        with self._claiming:
            if self._under_way.total() >= self._most:
                return None
            full = [host for host, fetches in self._under_way.items() if fetches >= self._most_of_a_host]
            upload = self._uploads.claim(self._timeout_s + _LEASE_MARGIN_S, without=full)
            if upload:
                self._under_way[upload.host] += 1
        return upload

    def _let_go(self, upload: Upload) -> None:
        with self._claiming:
            self._under_way[upload.host] -= 1
            self._under_way += Counter()  # forgets hosts at zero

    def _fetch(self, upload: Upload) -> Content | Unfetched | None:
        """None: this process is being stopped."""
        assert upload.url
        if upload.tries > len(self._waits) + 1:  # the last try was not concluded either, nor those before it
            return Unfetched("whoever fetched it did not come back", again=False)
        try:
            with self._artifacts.receive() as incoming:
                self._download(upload.url, incoming)
                return self._stored(incoming)
        except _Stopped:
            return None
        except DownloadFailed as fault:
            return Unfetched(str(fault), fault.again)
        except OSError as fault:
            log.warning("upload %s could not be stored: %s", upload.id, fault)
            return Unfetched("it could not be stored", again=True)
        except Exception:  # a try must conclude, or it would be tried for ever without a pause
            log.exception("upload %s failed unexpectedly", upload.id)
            return Unfetched("something went wrong on our side", again=True)

    def _download(self, url: str, incoming: Incoming) -> None:
        def take(piece: bytes) -> None:
            if self._draining.is_set():
                raise _Stopped
            incoming.write(piece)

        self._downloader.download(url, take, most=self._most_bytes, timeout_s=self._timeout_s)

    def _stored(self, incoming: Incoming) -> Content | Unfetched:
        if incoming.media_type is None:
            return Unfetched(f"it is none of {', '.join(EXTENSIONS)}", again=False)
        try:
            return store_media(self._artifacts, incoming, incoming.media_type)
        except ValueError as fault:
            return Unfetched(str(fault), again=False)


class _Stopped(Exception):
    """This process is being stopped."""
